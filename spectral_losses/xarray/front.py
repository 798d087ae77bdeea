"""What the functions of this room share: signatures of the plain ones by names, and one result for each variable."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import xarray as xr

from spectral_losses.losses.registry import options_of
from spectral_losses.messages import check_options
from spectral_losses.spectra import Sphere
from spectral_losses.xarray.names import horizontal, said

Result = Any
Names = str | Sequence[str]

DEFAULTS: dict[str, tuple[Any, Any]] = {
    "dims": (None, Names | None),
    "channel_dim": (None, str | None),
    "pool": (None, Names | None),
    "grid": ("auto", str | Sphere | None),
    "lengths": ("auto", Any),
    "mask": (None, Any),
}
"""Options by names, with their defaults and what they are."""


def named(
    plain: Callable[..., Any], *, without: Sequence[str] = (), by_variable: bool = True
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Make of a function of DataArrays one that takes Datasets as well, and the options of a plain function by name.

    The function gets one DataArray, or a prediction and its target, and all options with their defaults. Its own are
    those that it names; ``**options`` stands for those of the plain function. Without ``by_variable`` it gets what the
    user gave.
    """
    options = list(_parameters(plain, without).values())

    def decorate(function: Callable[..., Result]) -> Callable[..., Result]:
        own = inspect.signature(function)
        fields = [p for p in own.parameters.values() if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        more = [p for p in own.parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
        taken = [p for p in options if p.name not in own.parameters]
        signature = own.replace(parameters=[*fields, *taken, *more])

        @wraps(function)
        def called(*given: Any, **options: Any) -> Result:
            check_options(function.__name__, options, signature.parameters)
            bound = signature.bind(*given, **options)
            bound.apply_defaults()
            arguments = [bound.arguments.pop(p.name) for p in fields]
            if not by_variable:
                return function(*arguments, **bound.arguments)
            return each_variable(function, [p.name for p in fields], arguments, bound.arguments)

        called.__signature__ = signature  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in signature.parameters.values()}
        return called

    return decorate


def _parameters(plain: Callable[..., Any], without: Sequence[str]) -> dict[str, inspect.Parameter]:
    """The options of a plain function, with names in place of axes."""
    takes = inspect.signature(plain).parameters
    found = {}
    names = ["dims", "channel_dim"] if "channel_axis" in takes else ["dims"]
    for name in [*names, *sorted(options_of(plain), key=list(takes).index), "grid"]:
        if name in ("spatial_axes", "channel_axis", *without):
            continue
        default, annotation = DEFAULTS.get(name) or (takes[name].default, takes[name].annotation)
        if name == "lengths" and "bins" not in takes:
            default = None  # it is the unit of what is no shell
        found[name] = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    return found


def each_variable(
    function: Callable[..., Result], names: list[str], fields: list[Any], options: dict[str, Any]
) -> Result:
    """Apply a function to DataArrays, or to each variable that Datasets have in common."""
    if all(isinstance(field, xr.DataArray) for field in fields):
        return function(*fields, **options)
    if not all(isinstance(field, xr.Dataset) for field in fields):
        got = " and ".join(type(field).__name__ for field in fields)
        raise TypeError(f"{' and '.join(names)} must be DataArrays, or Datasets, got {got}")
    wanted = [name for name in fields[-1].data_vars if all(_is_field(x, name, options["dims"]) for x in fields)]
    if not wanted:
        each = "; ".join(f"{name} has {said(list(x.data_vars))}" for name, x in zip(names, fields, strict=True))
        common = " in both" if len(fields) > 1 else ""
        raise ValueError(f"no variable of floats has the dimensions of space{common}: {each}")
    _check_known(fields[-1], wanted, options)
    results = {}
    for variable in wanted:
        own = _of_variable(fields[-1][variable], options)
        try:
            results[variable] = function(*(x[variable] for x in fields), **own)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{variable}: {error}") from None
    first, *others = [x.attrs for x in fields]
    attrs = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    return merged(results, attrs)


def merged(results: dict[Any, Any], attrs: dict[Any, Any]) -> Result:
    """DataArrays by variable as one Dataset; Datasets stay a mapping."""
    if any(isinstance(result, xr.Dataset) for result in results.values()):
        return results
    arrays = [result.rename(name) for name, result in results.items()]
    try:
        found = xr.merge(arrays, join="exact", compat="override", combine_attrs="override")
    except ValueError as error:
        raise ValueError(
            f"variables lie on grids with different wavenumbers: hand over {said(list(results))} one by one"
        ) from error
    found.attrs = attrs
    return found


def _is_field(dataset: Any, name: Any, dims: Any) -> bool:
    if name not in dataset.data_vars or dataset[name].dtype.kind != "f":
        return False
    if dims is None:
        return len(horizontal(dataset[name])) == 2
    return set([dims] if isinstance(dims, str) else dims) <= set(dataset[name].dims)


def _check_known(dataset: Any, variables: Sequence[Any], options: dict[str, Any]) -> None:
    """Refuse names of dimensions that none of the variables has."""
    known = {dim for variable in variables for dim in dataset[variable].dims}
    for option in ("pool", "channel_dim"):
        given = options.get(option)
        for name in [] if given is None else [given] if isinstance(given, str) else given:
            if name not in known and not (option == "pool" and name == "frames"):
                raise ValueError(f"{option}: no variable has a dimension {name!r}; there are {said(sorted(known))}")


def _of_variable(field: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Options without the dimensions that a variable lacks."""
    own = dict(options)
    pool = own.get("pool")
    if pool is not None and not (isinstance(pool, str) and pool == "frames"):
        there = [dim for dim in ([pool] if isinstance(pool, str) else pool) if dim in field.dims]
        own["pool"] = there or None
    if own["channel_dim"] is not None and own["channel_dim"] not in field.dims:
        own["channel_dim"] = None
        own["channels"] = "separate"
    return own
