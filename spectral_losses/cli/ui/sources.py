"""Which arrays of a file are meant: ``FILE``, ``FILE:NAME``, names between commas, and vectors ``u+v``."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from spectral_losses.cli.ui.console import tell
from spectral_losses.cli.ui.errors import CommandError

if TYPE_CHECKING:
    from spectral_losses.io import StoredArray

NAMED = re.compile(r"(?P<path>.+?\.(npy|npz|nc|nc4|cdf|h5|hdf5|zarr|grib2?|grb2?|pt|pth)):(?P<names>.+)", re.IGNORECASE)
COS_LATITUDE = "cos-latitude"  # in place of a file of weights
Names = tuple[tuple[str, ...], ...]  # of variables, each of its components


class Source(NamedTuple):
    """One array of a file, or several that are the components of a vector.

    Attributes
    ----------
    path : str
    names : tuple of str
        None where the file has but one array.
    """

    path: str
    names: tuple[str, ...] = ()

    @property
    def vector(self) -> bool:
        """Whether there are several."""
        return len(self.names) > 1


def split_name(text: str) -> tuple[str, str | None]:
    """A path and what stands behind its colon: that of a drive or of a URL stands before any suffix of fields."""
    found = NAMED.fullmatch(text)
    if found is None or os.path.exists(text):
        return text, None
    return found["path"], found["names"]


def absolute(text: str) -> str:
    """What the user wrote, with the whole path where that leads to something on this machine."""
    path, names = split_name(text)
    if not os.path.exists(path):
        return text
    return os.path.abspath(path) + ("" if names is None else f":{names}")


def names_of(text: str, option: str) -> Names:
    """Variables between commas, each of components between plus signs."""
    found = tuple(tuple(each.strip() for each in name.split("+")) for name in text.split(","))
    if any(not each for name in found for each in name):
        raise CommandError(f"{option}: takes names between commas, and u+v for a vector; got {text!r}")
    return found


def sources_of(files: list[str], key: str | None, variable: str | None) -> list[list[Source]]:
    """The arrays of each file.

    Parameters
    ----------
    files : list of str
        As the user wrote them.
    key, variable : str or None
        What ``--key`` and ``--variable`` say, of the files that have no name of their own.

    Raises
    ------
    CommandError
        An option that would choose nothing.
    """
    found, given = [], {"--key": key, "--variable": variable}
    unused = {option for option, text in given.items() if text is not None}
    formats = []
    for file in files:
        path, own = split_name(file)
        kind = os.path.splitext(path)[1].lower()
        option = {".npz": "--key", ".pt": "--key", ".pth": "--key", ".npy": ""}.get(kind, "--variable")
        if own is not None and not option:
            raise CommandError(f"{file}: a .npy holds one array, without a name")
        text = given.get(option) if own is None else own
        formats += [option] if own is None else []
        unused -= {option} if own is None else set()
        names: Names = ((),) if text is None else names_of(text, option if own is None else file)
        found.append([Source(path, each) for each in names])
    none = {1: "the file is none", 2: "neither file is one"}.get(len(files), "none of the files is one")
    if len(formats) < len(files):
        none = "every such file has a name of its own" if not formats else f"{none} without a name of its own"
    for option, what in (
        ("--key", "an array of an .npz or .pt"),
        ("--variable", "one of a NetCDF, HDF5, Zarr or GRIB file"),
    ):
        if option in unused:
            raise CommandError(f"{option} chooses {what}, and {none}")
    return found


def mask_sources(masks: Iterable[str] | None) -> list[Source]:
    """The files that ``--mask`` names.

    Raises
    ------
    CommandError
        What is no file, or several arrays in place of one.
    """
    found: list[Source] = []
    masks = list(masks or ())
    if masks.count(COS_LATITUDE) > 1:  # the weight would be its square
        raise CommandError(f"--mask: takes {COS_LATITUDE} once")
    for text in masks:
        if text != COS_LATITUDE:
            (sources,) = sources_of([text], None, None)
            if not os.path.splitext(sources[0].path)[1]:
                raise CommandError(f"--mask: takes a file of weights, or {COS_LATITUDE}, got {text!r}")
            if len(sources) > 1 or sources[0].vector:
                raise CommandError(f"--mask: takes one array, got {text}")
            found += sources
    return found


def tell_lacks(arrays: Iterable[StoredArray]) -> None:
    """Say on stderr what files lacked of what was read, and held a fill value for."""
    for text in dict.fromkeys(f"{each.name}: {words}" for each in arrays if (words := each.lacking())):
        tell(f"spectral-losses: warning: {text}")


@contextlib.contextmanager
def open_source(source: Source, *, finite: bool = True, kinds: str = "f") -> Iterator[StoredArray]:
    """Open what a source names, as `spectral_losses.io.open_array` does."""
    from spectral_losses.io import open_array, stacked

    by_key = source.path.lower().endswith((".npz", ".pt", ".pth"))
    with contextlib.ExitStack() as stack:
        arrays = [
            stack.enter_context(
                open_array(
                    source.path,
                    key=name if by_key else None,
                    variable=None if by_key else name,
                    finite=finite,
                    kinds=kinds,
                )
            )
            for name in source.names or (None,)
        ]
        yield arrays[0] if len(arrays) == 1 else stacked(arrays)
