"""Options as plain data, which JSON, YAML and TOML can hold, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spectral_losses.messages import listed, nearest, suggest
from spectral_losses.transforms.partitions import Cylinders, Sectors
from spectral_losses.transforms.sphere import Sphere

KINDS: dict[str, Any] = {"Cylinders": Cylinders, "Sectors": Sectors, "Sphere": Sphere}
ARGUMENTS = {
    "Cylinders": Cylinders._fields,
    "Sectors": Sectors._fields,
    "Sphere": ("latitudes", "degrees", "from_south"),
}


def named(value: Any) -> Any:
    """A value of options as JSON, which knows no tuples and no classes; see `tuples`."""
    if isinstance(value, Sectors | Cylinders):
        return {type(value).__name__: [named(each) for each in value]}
    if isinstance(value, Sphere):  # how many latitudes is known of the fields
        return {"Sphere": [value.grid, value.degrees, True] if value.from_south else [value.grid, value.degrees]}
    return [named(each) for each in value] if isinstance(value, tuple) else value


def tuples(value: Any) -> Any:
    """What `named` made, as it was: options have no lists.

    An object may also be written with its arguments by name, ``{"Sectors": {"n": 8}}``, or with its first one alone,
    ``{"Sphere": "gauss"}``.

    Raises
    ------
    ValueError
        A table that is none of these objects, or that holds what its object refuses.
    TypeError
        An object that lacks an argument, or refuses the type of one.
    """
    if isinstance(value, Mapping):
        ((name, given),) = value.items() if len(value) == 1 else [(None, None)]
        if name not in KINDS:
            raise ValueError(f"a table must be one of {listed(KINDS)}, got {dict(value)!r}{nearest(str(name), KINDS)}")
        return KINDS[name](**{key: tuples(each) for key, each in _by_name(name, given).items()})
    return tuple([tuples(each) for each in value]) if _is_list(value) else value


def to_plain(option: str, value: Any) -> Any:
    """The value of an option as strings, numbers, lists and dictionaries; of arrays lists and single numbers alone."""
    if hasattr(value, "tolist") and len(getattr(value, "shape", (None, None))) < 2:
        return value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if type(value) in (list, tuple):
        return [to_plain(option, each) for each in value]
    if isinstance(value, Sectors | Cylinders | Sphere):
        return {name: to_plain(option, each) for name, each in named(value).items()}
    raise TypeError(f"option {option!r} cannot be written as plain data, got {type(value).__name__}")


def from_plain(option: str, value: Any) -> Any:
    """What `to_plain` wrote; an error says whose value it is."""
    try:
        return tuples(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{option}: {error}") from None


def _by_name(name: str, given: Any) -> Mapping[str, Any]:
    """The arguments of an object by name."""
    known = ARGUMENTS[name]
    if not isinstance(given, Mapping):
        values = given if _is_list(given) else [given]
        if len(values) > len(known):
            raise ValueError(f"{name} takes {', '.join(known)}, got {len(values)} values")
        return dict(zip(known, values, strict=False))
    for key in given:
        if key not in known:
            raise ValueError(f"{name}: {suggest(str(key), known)}")
    return given


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
