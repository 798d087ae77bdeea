"""How strongly a loss pulls at a prediction: its slope along the differences between predictions."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from operator import index
from typing import Any

from spectral_losses.fields.pairs import check_field, check_same_home, lift
from spectral_losses_backends.base import Array

__all__ = ["influences"]


def influences(gradients: Mapping[str, Array], prediction: Array, axis: int = 0) -> dict[str, Array]:
    r"""How strongly each of several losses pulls at a prediction, in the units of that loss.

    With the gradient g of a loss with respect to the prediction p, and with the differences d between each sample and
    the next, the last and the first among them, it is

    .. math:: v = \sqrt{\operatorname{mean}_b \langle g_b, d_b \rangle^2}, \qquad d_b = p_{b+1} - p_b.

    Parameters
    ----------
    gradients : mapping of str to array
        Of each loss with respect to the prediction, in its shape.
    prediction : array, real floating
        Samples first. No gradient flows into it.
    axis : int, default 0
        Where the samples are: 0 for the batch, 1 for time in ``[B, T, C, H, W]``. The mean is over all axes up to this
        one, the inner product over those behind it.

    Returns
    -------
    dict of str to array, 0-d
        At least 0, in float64 for a prediction in float64 and else in float32.

    Raises
    ------
    ValueError
        An axis that the prediction does not have, or on which it holds a single sample; a gradient of another shape,
        or on another device.
    TypeError
        A prediction that is no field; gradients that are no mapping, or of another framework.

    Notes
    -----
    Twice the loss has twice the influence; a loss without a gradient, or predictions that are all the same, have none.
    What is not finite stays so.

    Why along differences of predictions: the gradient of a loss over logarithms of powers grows without bound where
    a prediction has next to no energy, and so does its norm. Predictions hardly differ there either, so that along
    their differences such modes count for what they can change.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> prediction = np.asarray([[1.0, 2.0], [3.0, 2.0]])
    >>> found = sl.influences({"a": np.ones((2, 2)), "b": 5 * np.ones((2, 2))}, prediction)
    >>> {name: float(value) for name, value in found.items()}
    {'a': 2.0, 'b': 10.0}
    """
    if not isinstance(gradients, Mapping):
        raise TypeError(f"gradients must map names to arrays, got {type(gradients).__name__}")
    backend = check_field(prediction, "prediction")
    xp, shape = backend.namespace(prediction), tuple(prediction.shape)
    axis = _sampled(axis, shape)
    p = lift(backend.detach(prediction), xp)
    difference = xp.roll(p, -1, axis=axis) - p
    found = {}
    for name, gradient in gradients.items():
        check_same_home(f"gradient {name!r}", gradient, "prediction", prediction)
        if tuple(gradient.shape) != shape:
            raise ValueError(f"gradient {name!r} must have the shape of prediction, {shape}, got {gradient.shape}")
        product = lift(gradient, xp) * difference
        behind = tuple(range(axis + 1, len(shape)))
        found[name] = _root_mean_square(xp.sum(product, axis=behind) if behind else product, xp)
    return found


def number_of_differences(shape: tuple[int, ...], axis: int) -> int:
    """How many inner products `influences` takes the mean of."""
    return prod(shape[: axis % len(shape) + 1])


def combined(gradients: Mapping[str, Array], weights: Mapping[str, Any], like: Array) -> Array:
    """The weighted sum of gradients, in the dtype of another array; summed in float32 for half precision."""
    xp = check_field(like, "prediction").namespace(like)
    first, *others = (weights[name] * lift(gradient, xp) for name, gradient in gradients.items())
    return xp.astype(sum(others, start=first), like.dtype, copy=False)


def _sampled(axis: int, shape: tuple[int, ...]) -> int:
    """The axis of the samples, counted from the front."""
    ndim, axis = len(shape), index(axis)
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis must be one of prediction of shape {shape}, got {axis}")
    if shape[axis] == 1:
        raise ValueError(
            f"prediction must hold two samples or more along axis {axis}, got shape {shape}: influence is measured "
            "along their differences (another axis, such as that of time, does as well)"
        )
    return axis % ndim


def _root_mean_square(x: Array, xp: Any) -> Array:
    """Over all of x; relative to the largest, so that no square overflows or vanishes."""
    largest = xp.max(xp.abs(x))
    unit = xp.where(xp.isfinite(largest) & (largest > 0), largest, xp.ones_like(largest))
    return xp.reshape(unit * xp.sqrt(xp.mean((x / unit) ** 2)), ())
