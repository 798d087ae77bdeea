"""The scores that forecasts are usually verified by, of means over space of each field."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def moments_of(
    prediction: NDArray[Any], truth: NDArray[Any], usual: NDArray[Any] | None, weights: Floats | None
) -> list[float]:
    """Means over space of one field: of the truth squared, of the error squared and of the error.

    With a climatology also those of the anomalies' product, and of each of them squared. Weights are of mean 1.
    """

    def mean(x: Floats) -> float:
        return float(np.mean(x if weights is None else x * weights))

    error = np.subtract(prediction, truth, dtype=np.float64)
    found = [mean(np.square(truth, dtype=np.float64)), mean(np.square(error)), mean(error)]
    if usual is None:
        return found
    p, t = (np.subtract(x, usual, dtype=np.float64) for x in (prediction, truth))
    return [*found, mean(p * t), mean(p * p), mean(t * t)]


def scores_of(moments: Floats, together: int | None) -> dict[str, float | None]:
    """Root mean square error, bias and, with a climatology, anomaly correlation.

    Parameters
    ----------
    moments : array, shape (3 or 6, ...)
        Of `moments_of`, for each field.
    together : int or None
        The axis behind the first of channels that are components of one vector. This has no bias.

    Returns
    -------
    dict of str to float or None
        ``rmse``, the root of the mean square over everything; ``bias``, the mean of prediction less truth;
        ``anomaly_correlation``, the mean over fields of the uncentred correlation of anomalies, as in
        https://sites.research.google/weatherbench/faq/. A field without an anomaly has no correlation.
    """
    if together is not None:
        moments = np.sum(moments, axis=together + 1)
    found = {
        "rmse": float(np.sqrt(np.mean(moments[1]))),
        "bias": None if together is not None else float(np.mean(moments[2])),
    }
    if len(moments) < 6:
        return found
    product, p, t = moments[3:]
    some = (p > 0) & (t > 0)
    correlation = product[some] / np.sqrt(p[some] * t[some])
    return {**found, "anomaly_correlation": float(np.mean(correlation)) if some.any() else None}
