"""Value and gradient of a loss for arrays without automatic differentiation: the adjoints, once, in the array API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from spectral_losses.composite import Component, CompositeLoss, Group, Target, like
from spectral_losses.losses.comparison import detached, restored
from spectral_losses.losses.registry import all_losses, is_loss
from spectral_losses.spectra import Spectrum
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

__all__ = ["value_and_grad"]


def value_and_grad(
    loss: str | Callable[..., Any] | Component | CompositeLoss, **options: Any
) -> Callable[..., tuple[Any, Array]]:
    r"""A function that returns a loss and its gradient with respect to the prediction.

    For training by hand with arrays that do not differentiate themselves: NumPy, CuPy, Dask and whatever follows the
    array API standard. A loss is a function of sums over bins of modes ``X = fftn(p) / N`` and ``Y = fftn(t) / N``: of
    :math:`P = \sum |X|^2`, :math:`C = \sum \mathrm{Re}\, X \bar Y`, :math:`Q = \sum s\, \mathrm{Im}\, X \bar Y` and
    :math:`D = \sum |X - Y|^2`, with s = 1 on one half of the modes and -1 on their mirror images. Its gradient is one
    inverse transform,

    .. math:: \frac{2}{M} \, \mathrm{irfftn}\Bigl(\frac{\partial L}{\partial P} X + \frac{1}{2}
              \frac{\partial L}{\partial C} Y + \frac{\partial L}{\partial D} (X - Y)
              + \frac{i s}{2} \frac{\partial L}{\partial Q} Y \Bigr)

    where each mode takes the slopes of its bin, N counts the points and M the frames that were pooled. Of a loss
    without a transform the modes are the points. A window and a trend that was taken off are applied once more, the
    window first; a mask's weights likewise, and what was filled in masked points has no gradient.

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
        and the parts of a `CompositeLoss`, whose function takes ``weights``, ``mask`` and a mapping of targets too. The
        gradient has the shape and dtype of the prediction, and is computed in float32 for half precision.

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
    if not isinstance(loss, str) and not is_loss(loss):
        raise TypeError(f"loss must be one of this library ({_known()}) or a CompositeLoss of such, got {loss!r}")
    return _of_component(Component(loss if isinstance(loss, str) else loss.__name__, **options))


def _of_component(component: Component) -> Callable[..., tuple[Array, Array]]:
    single = CompositeLoss({"the component": component})
    _refuse_foreign(component, "the component")
    both = _of_composite(single)

    def value_and_gradient(prediction: Array, target: Array | Spectrum) -> tuple[Array, Array]:
        (_, parts), gradient = both(prediction, target)
        return parts["the component"], gradient

    return value_and_gradient


def _of_composite(loss: CompositeLoss) -> Callable[..., tuple[tuple[Array, dict[str, Array]], Array]]:
    def value_and_gradient(
        prediction: Array, target: Target, *, weights: Any = None, mask: Array | None = None
    ) -> tuple[tuple[Array, dict[str, Array]], Array]:
        prediction, target = detached(prediction, "prediction"), detached(target)
        active = loss.active(weights)
        for name in active:
            _refuse_foreign(loss.components[name], f"component {name!r}")
        terms, parts, total = [], {}, None
        for group in loss.groups(loss.seen(prediction, target, active, mask)):
            values, gradient = _value_and_gradient(group, active)
            parts.update(values)
            terms.append(_put_back(gradient, loss.components[group.names[0]], prediction))
            for name, value in values.items():
                part = value * like(active[name], value, name)
                total = part if total is None else total + part
        xp = backend_of(total, "total").namespace(total)
        value = xp.reshape(total, ()), {name: parts[name] for name in active}
        return value, _in_dtype(sum(terms[1:], start=terms[0]), prediction)

    return value_and_gradient


def _value_and_gradient(group: Group, weights: Mapping[str, Any]) -> tuple[dict[str, Array], Array]:
    """The values of components that share transforms, and the gradient of their weighted sum."""
    now = [float(weights[name]) for name in group.names]
    values, gradient = group.backend.value_and_grad(group.problem, group.arrays, now)
    return dict(zip(group.names, values, strict=True)), restored(gradient, group.comparisons[0])


def _refuse_foreign(component: Component, name: str) -> None:
    if not is_loss(component.function):
        raise TypeError(f"{name} must be a loss of this library ({_known()}) to have a gradient, got {component!r}")


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


def _in_dtype(gradient: Array, prediction: Array) -> Array:
    return backend_of(prediction, "prediction").namespace(prediction).astype(gradient, prediction.dtype, copy=False)


def _known() -> str:
    return ", ".join(sorted(all_losses()))
