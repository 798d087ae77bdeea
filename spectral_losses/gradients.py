"""Value and gradient of a loss for arrays without automatic differentiation: the adjoints, once, in the array API."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import wraps
from numbers import Real
from typing import Any

from spectral_losses._dispatch import Array, Backend, backend_of
from spectral_losses._fields import as_field, check_eps
from spectral_losses._taper import Taper, apply_taper
from spectral_losses.composite import Component, CompositeLoss
from spectral_losses.losses import LogMisfit, field_error, spectrum_error
from spectral_losses.spectra import Spectrum, SpectrumOptions, pair_of

__all__ = ["value_and_grad"]


def value_and_grad(
    loss: str | Callable[..., Any] | Component | CompositeLoss, **options: Any
) -> Callable[..., tuple[Any, Array]]:
    r"""A function that returns a loss and its gradient with respect to the prediction.

    For training by hand with arrays that do not differentiate themselves: NumPy, CuPy, Dask and whatever follows the
    array API standard. With :math:`f` the gradient of the field error, of frames and channels :math:`i` of :math:`n`,
    and :math:`s` that of the spectrum error,

    .. math:: f_i = \frac{2}{n} \frac{w \, (p_i - t_i)}{\sum w \, (\langle t_i^2 \rangle + \epsilon)}, \qquad
              s = 2 N \, \mathrm{irfftn}\Bigl(F \cdot \frac{m_b}{c_b} \frac{\partial L}{\partial P_b}\Bigr), \qquad
              \frac{\partial L}{\partial P_b} = \frac{2}{n} \frac{l_p - l_t}
              {(\langle l_t^2 \rangle + \epsilon) (P_b + \epsilon)}

    where each mode of ``F = rfftn(p)`` takes the factor of its shell b, of measure ``m_b`` and ``c_b`` modes, or 0
    outside all shells; N counts the points, n the powers. The mask's weights are w, or 1. Symbols are those of
    `field_error` and `spectrum_error`. A window and a trend that was taken off are applied to s once more, the window
    first.

    Parameters
    ----------
    loss : str, function, Component or CompositeLoss
        A loss of this library, by name or itself; or several of them.
    **options
        Of the loss, where it is given by name or itself.

    Returns
    -------
    callable
        ``(prediction, target) -> (value, gradient)``. The value is what the loss returns: a 0-d array, or the total
        and the parts of a `CompositeLoss`, whose function takes ``weights`` too. The gradient has the shape and dtype
        of the prediction, and is computed in float32 for half precision.

    Raises
    ------
    TypeError
        A loss or an active component that is not one of this library; an option that the loss does not take, or any
        beside a component. The function that is returned raises what the loss raises.
    ValueError
        A name that is no loss of this library.

    Notes
    -----
    PyTorch and JAX arrays give the same numbers, without a graph; in training use their own gradients.
    A value of the mask that is 0 gives a gradient that is 0, whatever the fields hold there.

    References
    ----------
    Each line is the transpose of a linear map, for which see Giles, M., Collected matrix derivative results for forward
    and reverse mode algorithmic differentiation, Springer 2008 (doi:10.1007/978-3-540-68942-3_4).

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 1, 16, 24))
    >>> prediction = 0.5 * target
    >>> descend = sl.value_and_grad("spectrum_error", channels="sum", window="hann")
    >>> value, gradient = descend(prediction, target)
    >>> gradient.shape, bool(descend(prediction - gradient, target)[0] < value)
    ((2, 1, 16, 24), True)
    """
    if isinstance(loss, Component | CompositeLoss):
        if options:
            raise TypeError(f"options belong to the component where one is given, got {', '.join(options)}")
        return _of_composite(loss) if isinstance(loss, CompositeLoss) else _of_component(loss)
    if not isinstance(loss, str) and _adjoint(loss) is None:
        raise TypeError(f"loss must be one of this library ({_known()}) or a CompositeLoss of such, got {loss!r}")
    return _of_component(Component(loss if isinstance(loss, str) else loss.__name__, **options))


def _of_component(component: Component) -> Callable[..., tuple[Array, Array]]:
    both = _both(component, "the component")

    def value_and_gradient(prediction: Array, target: Array | Spectrum) -> tuple[Array, Array]:
        prediction, target = _detached(prediction, "prediction"), _detached(target, "target")
        seen = component.seen(prediction, "prediction"), component.seen(target, "target")
        value, gradient = both(*seen, **component.options)
        return value, _in_dtype(_put_back(gradient, component, prediction), prediction)

    return value_and_gradient


def _of_composite(loss: CompositeLoss) -> Callable[..., tuple[tuple[Array, dict[str, Array]], Array]]:
    def value_and_gradient(
        prediction: Array, target: Array, *, weights: Any = None
    ) -> tuple[tuple[Array, dict[str, Array]], Array]:
        prediction, target = _detached(prediction, "prediction"), _detached(target, "target")
        gradients: dict[str, Array] = {}
        # The composite itself runs, on components that leave their gradients behind: weights, frames, shared spectra
        # and errors are its own.
        recording = copy(loss)
        recording.components = {name: _recording(c, name, gradients) for name, c in loss.components.items()}
        value = recording(prediction, target, weights=weights)
        now: Mapping[str, Any] = {**loss.weights, **(getattr(weights, "weights", weights) or {})}
        terms = [
            _put_back(_weighted(now[name], gradient), loss.components[name], prediction)
            for name, gradient in gradients.items()
        ]
        return value, _in_dtype(sum(terms[1:], start=terms[0]), prediction)

    return value_and_gradient


def _recording(component: Component, name: str, gradients: dict[str, Array]) -> Component:
    def value(prediction: Array, target: Array, **options: Any) -> Array:
        result, gradients[name] = _both(component, f"component {name!r}")(prediction, target, **options)
        return result

    recording = copy(component)
    recording.function = wraps(component.function)(value)
    return recording


def _both(component: Component, name: str) -> Callable[..., tuple[Array, Array]]:
    """Value and gradient by the component's loss, of the frames that it sees."""
    adjoint = _adjoint(component.function)
    if adjoint is None:
        raise TypeError(f"{name} must be a loss of this library ({_known()}) to have a gradient, got {component!r}")

    def both(prediction: Array, target: Array, **options: Any) -> tuple[Array, Array]:
        given = inspect.signature(component.function).bind(prediction, target, **options)
        given.apply_defaults()
        result: tuple[Array, Array] = adjoint(**given.arguments)
        return result

    return both


# The losses. Gradients have the precision that they were computed in.


def _field_error(
    prediction: Array, target: Array, spatial_axes: int | Sequence[int], mask: Array | None, eps: float
) -> tuple[Array, Array]:
    value = field_error(prediction, target, spatial_axes=spatial_axes, mask=mask, eps=eps)  # checks everything
    field = as_field(prediction, "prediction", spatial_axes)
    p, t, xp = field.array, as_field(target, "target", spatial_axes).array, field.backend.namespace(prediction)
    axes = tuple(range(-len(field.shape), 0))
    if mask is None:
        share, power = 1 / math.prod(field.shape), xp.mean(t**2, axis=axes, keepdims=True)
    else:
        weights = xp.astype(mask, xp.result_type(p, t))
        share, inside = weights / xp.sum(weights), weights > 0
        # Before any arithmetic, as in the loss.
        p, t = xp.where(inside, p, xp.zeros_like(p)), xp.where(inside, t, xp.zeros_like(t))
        power = xp.sum(share * t**2, axis=axes, keepdims=True)
    gradient = (p - t) * ((2 / math.prod(power.shape)) * share / (power + eps))
    return value, _to_layout(gradient, spatial_axes, field.backend)


def _spectrum_error(prediction: Array, target: Array | Spectrum, eps: float, **options: Any) -> tuple[Array, Array]:
    check_eps(eps)
    chosen = SpectrumOptions(**options)
    pair = pair_of(prediction, target, chosen, LogMisfit(eps))
    value, gradient = pair.misfit_and_gradient()
    field, _, taper, channels = pair.plan
    backend = field.backend
    gradient = _taper_adjoint(gradient, taper, backend)
    if channels == "mean" and field.channel is not None:
        size = field.array.shape[field.channel]
        xp = backend.namespace(gradient)
        gradient = xp.concat([xp.expand_dims(gradient, axis=field.channel) / size] * size, axis=field.channel)
    return value, _to_layout(gradient, chosen.spatial_axes, backend)


def _taper_adjoint(x: Array, taper: Taper, backend: Backend) -> Array:
    """The transpose of `apply_taper`: both steps are symmetric, so that only their order changes."""
    x = apply_taper(x, taper._replace(detrend=None), backend)
    return apply_taper(x, taper._replace(windows=(None,) * len(taper.shape)), backend)


def _to_layout(x: Array, spatial_axes: int | Sequence[int], backend: Backend) -> Array:
    """Undo what `as_field` did to the axes."""
    ndim = len(x.shape)
    spatial = [axis % ndim for axis in ([spatial_axes] if isinstance(spatial_axes, int) else spatial_axes)]
    order = [axis for axis in range(ndim) if axis not in spatial] + spatial
    return backend.namespace(x).permute_dims(x, tuple(order.index(axis) for axis in range(ndim)))


# Components, weights and precision.


def _put_back(gradient: Array, component: Component, prediction: Array) -> Array:
    """The gradient of the whole prediction: 0 in the frames that the component does not see."""
    if component.frames is None:
        return gradient
    axis = component.time_axis % len(prediction.shape)
    n = prediction.shape[axis]
    place = {frame: i for i, frame in enumerate(range(*component.frames.indices(n)))}
    xp, before = backend_of(gradient, "gradient").namespace(gradient), (slice(None),) * axis
    nothing = xp.zeros_like(gradient[(*before, slice(0, 1), ...)])
    each = [gradient[(*before, slice(place[i], place[i] + 1), ...)] if i in place else nothing for i in range(n)]
    return xp.concat(each, axis=axis)


def _weighted(weight: Any, gradient: Array) -> Array:
    if isinstance(weight, Real):
        return gradient * float(weight)
    return gradient * backend_of(gradient, "gradient").namespace(gradient).astype(weight, gradient.dtype)


def _detached(x: Any, name: str) -> Any:
    return x if isinstance(x, Spectrum) else backend_of(x, name).detach(x)


def _in_dtype(gradient: Array, prediction: Array) -> Array:
    return backend_of(prediction, "prediction").namespace(prediction).astype(gradient, prediction.dtype, copy=False)


def _adjoint(function: Any) -> Callable[..., tuple[Array, Array]] | None:
    return next((adjoint for loss, adjoint in _ADJOINTS if loss is function), None)


def _known() -> str:
    return ", ".join(loss.__name__ for loss, _ in _ADJOINTS)


_ADJOINTS: tuple[tuple[Callable[..., Array], Callable[..., tuple[Array, Array]]], ...] = (
    (field_error, _field_error),
    (spectrum_error, _spectrum_error),
)
