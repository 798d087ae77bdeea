"""What a full spectrum costs in field error, at the least."""

from __future__ import annotations

from numbers import Real
from typing import Any

from spectral_losses.messages import number
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

__all__ = ["price_of_sharpness"]


def price_of_sharpness(field_error: float | Array) -> Any:
    r"""The least relative increase of a field error that a full spectrum costs.

    .. math:: \frac{1 - s}{1 + s}, \qquad s = \sqrt{1 - e}

    A forecast of coherence c has its least relative error e = 1 - c^2 at the amplitude c, and 2 (1 - c) at the full
    amplitude. What is less than this price is not to be had: a sharp forecast whose field error is e (1 + price) has
    lost nothing that it could have kept. It is a lower bound, met where coherence is the same at all scales; from above
    a full spectrum costs at most e once more.

    Parameters
    ----------
    field_error : float or array
        The relative error of the best blurred forecast, between 0 and 1, as `field_error` gives it.

    Returns
    -------
    float or array
        As the argument is: 0.1 for 10 %.

    Raises
    ------
    ValueError
        A number that is not between 0 and 1. (Arrays give NaN there.)
    TypeError
        Neither a number nor an array.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> [round(sl.price_of_sharpness(e), 3) for e in (0.02, 0.1, 0.336, 1.0)]
    [0.005, 0.026, 0.102, 1.0]
    """
    if isinstance(field_error, Real):
        e = number("field_error", field_error)
        if not 0 <= e <= 1:
            raise ValueError(f"field_error must be between 0 and 1, got {e}")
        s: Any = (1 - e) ** 0.5
        return (1 - s) / (1 + s)
    xp = backend_of(field_error, "field_error").namespace(field_error)
    s = xp.sqrt(1 - field_error)
    return (1 - s) / (1 + s)
