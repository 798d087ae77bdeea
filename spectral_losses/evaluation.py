"""From arrays to plain floats: the only bridge between the losses and the scheduler."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spectral_losses.losses.comparison import detached, grouped, prepared, targets_of
from spectral_losses.losses.registry import comparison_of, named_loss, options_of
from spectral_losses.messages import check_options
from spectral_losses.spectra import Spectrum
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

__all__ = ["evaluate"]


def evaluate(
    prediction: Array,
    target: Array | Spectrum | Mapping[str, Array | Spectrum],
    *,
    losses: str | Iterable[str] = ("field_error", "spectrum_error"),
    **options: Any,
) -> dict[str, float]:
    """Named errors as Python floats: no gradient is recorded, and one transfer brings them all to the host.

    Parameters
    ----------
    prediction : array, real floating
    target : array of the same shape, Spectrum, or mapping of str to such
        As in the losses. A mapping has one for each of the losses, by name.
    losses : str or iterable of str
        Names of losses of this library.
    **options
        Passed to each loss that takes an option of that name (``spatial_axes`` and ``mask`` to both, ``bins`` and
        ``fill`` to `spectrum_error`); one that none of them takes is an error. ``reduction`` must be
        "mean".

    Returns
    -------
    dict of str to float
        In the order asked for.

    Raises
    ------
    ValueError
        An unknown loss; another reduction; whatever the losses refuse.
    TypeError
        An option that none of the losses takes; whatever the losses refuse.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> target = np.random.default_rng(0).normal(size=(2, 16, 16))
    >>> sl.evaluate(target, target)
    {'field_error': 0.0, 'spectrum_error': 0.0}
    """
    functions = [named_loss(name) for name in ([losses] if isinstance(losses, str) else losses)]
    if not functions:
        raise ValueError("losses must name at least one loss, got none")
    taken = [{key: options[key] for key in options_of(function) & options.keys()} for function in functions]
    check_options("evaluate", options, set().union(*(options_of(function) for function in functions)))
    if options.get("reduction", "mean") != "mean":
        raise ValueError(f"reduction must be 'mean' to give one float, got {options['reduction']!r}")
    names = [function.__name__ for function in functions]
    prediction, targets = detached(prediction, "prediction"), targets_of(detached(target), names, names, "loss")
    comparisons = {
        name: comparison_of(function, prediction, targets[name], own, f"{name}: ")
        for name, function, own in zip(names, functions, taken, strict=True)
    }
    values: dict[str, Array] = {}
    for names in grouped(comparisons):
        group = [comparisons[name] for name in names]
        values.update(zip(names, group[0].backend.values(*prepared(group)), strict=True))
    floats = backend_of(prediction, "prediction").to_floats([values[name] for name in comparisons])
    return dict(zip(comparisons, floats, strict=True))
