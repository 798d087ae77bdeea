"""Named errors of DataArrays and Datasets as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import xarray as xr

from spectral_losses.evaluation import evaluate as plain_evaluate
from spectral_losses.losses.registry import named_loss, options_of
from spectral_losses.messages import check_options
from spectral_losses.xarray.fields import Taken, take
from spectral_losses.xarray.front import each_variable
from spectral_losses.xarray.losses import is_transformed
from spectral_losses.xarray.space import Space, warn_of_parts

__all__ = ["evaluate"]


def evaluate(
    prediction: Any,
    target: Any,
    *,
    losses: str | Iterable[str] = ("field_error", "spectrum_error"),
    **options: Any,
) -> Any:
    """Named errors, computed: a row for each loss, and a column for each variable that two Datasets have in common.

    Parameters
    ----------
    prediction, target : DataArray or Dataset
        They are aligned by their coordinates: dimensions and points in another order are put in order, other values are
        refused, and other units.
    losses : str or iterable of str
        Names of losses of this library.
    **options
        Passed to each loss that takes an option of that name, as those of this room have them: ``dims``,
        ``channel_dim``, ``pool``, ``lengths``, ``grid``, ``mask`` and those of the plain functions. ``reduction`` must
        be "mean".

    Returns
    -------
    DataArray or Dataset
        Over ``loss``, whose coordinate has the names. ``.to_dataframe()`` makes a table of it.

    Raises
    ------
    ValueError
        An unknown loss; another reduction; whatever the losses refuse.
    TypeError
        An option that none of the losses takes; whatever the losses refuse.

    Examples
    --------
    >>> import numpy as np, xarray as xr, spectral_losses.xarray as slx
    >>> rng = np.random.default_rng(0)
    >>> truth = xr.Dataset({name: (("time", "y", "x"), rng.normal(size=(3, 16, 16))) for name in ("u", "v")})
    >>> table = slx.evaluate(1.1 * truth, truth, losses=["field_error", "log_spectral_distance"], dims=("y", "x"))
    >>> table.to_dataframe().round(4)
                                u       v
    loss
    field_error            0.0100  0.0100
    log_spectral_distance  0.0363  0.0363
    """
    names = [losses] if isinstance(losses, str) else list(losses)
    functions = {name: named_loss(name) for name in names}
    if not functions:
        raise ValueError("losses must name at least one loss, got none")
    known = {"dims", "channel_dim", "grid"}.union(*map(options_of, functions.values())) - {
        "spatial_axes",
        "channel_axis",
    }
    check_options("evaluate", options, known)
    options = {"dims": None, "channel_dim": None, "pool": None, **options}

    def evaluated(p: Any, t: Any, **options: Any) -> Any:
        values: dict[str, float] = {}
        spaces: list[Space] = []
        for alike in _alike(functions):
            taken = _taken(p, t, alike, options)
            values |= plain_evaluate(*taken.arrays, losses=list(alike), **taken.options)
            spaces.append(taken.space)
        warn_of_parts(spaces)
        return xr.DataArray([values[name] for name in names], dims="loss", coords={"loss": names}, name=t.name)

    return each_variable(evaluated, ["prediction", "target"], [prediction, target], options)


def _alike(functions: Mapping[str, Callable[..., Any]]) -> list[dict[str, Callable[..., Any]]]:
    """Losses that take the same of grid and lengths, and so the same space."""
    groups: dict[Any, dict[str, Callable[..., Any]]] = {}
    for name, function in functions.items():
        takes = options_of(function)
        key = (*(option in takes for option in ("grid", "lengths", "bins", "pool")), is_transformed(takes))
        groups.setdefault(key, {})[name] = function
    return list(groups.values())


def _taken(p: Any, t: Any, functions: Mapping[str, Callable[..., Any]], options: Mapping[str, Any]) -> Taken:
    """A pair as such losses take it."""
    takes = set().union(*map(options_of, functions.values()))
    given = {name: value for name, value in options.items() if name in takes or name in ("dims", "channel_dim", "grid")}
    if "bins" in takes:
        given.setdefault("lengths", "auto")
    transformed = is_transformed(options_of(next(iter(functions.values()))))
    return take((p, t), given, takes, next(iter(functions)), transformed=transformed, quiet=True)
