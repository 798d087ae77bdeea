"""A folder with the sums of parts that are done, from which the same comparison goes on."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spectral_losses import __version__
from spectral_losses.cli.compare.comparison import Comparison
from spectral_losses.cli.compare.measure import Part, Work
from spectral_losses.cli.compare.rounds import parts_of, rounds_of
from spectral_losses.cli.compare.sums import Sums, packed, unpacked
from spectral_losses.cli.ui.console import tell
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.cli.ui.figures import save_bytes
from spectral_losses.cli.ui.sources import absolute, sources_of
from spectral_losses.errors import reason

OPTION = "--checkpoint"
NAME = "comparison.json"
FILES = ("prediction", "truth", "climatology", "mask")
# What says how numbers are shown or who computes them, and not what is summed.
SHOWN = ("json", "table", "spectra", "plot", "report", "bands")
APART = ("run", "defaults", "given", *SHOWN, "workers", "cluster", "checkpoint")


class Checkpoint:
    """Sums of the parts of one comparison, a file each.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    args : Namespace
    comparisons : sequence of Comparison
        One for each variable.

    Raises
    ------
    CommandError
        A folder that belongs to another comparison, of other files or options, or to something else; that cannot be
        read or written.
    """

    def __init__(self, folder: Path, args: argparse.Namespace, comparisons: Sequence[Comparison]) -> None:
        self.folder = folder
        wanted = _identity(args, comparisons)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            names = {each.name for each in folder.iterdir() if not each.name.startswith(".")}
            text = (folder / NAME).read_bytes() if NAME in names else None
        except (FileExistsError, NotADirectoryError) as error:
            raise CommandError(f"{OPTION}: {folder}: takes a folder, and this is none") from error
        except OSError as error:
            raise CommandError(f"{OPTION}: {folder}: {reason(error)}") from error
        if text is not None:
            self._refuse_others(text, wanted)
        elif names:
            raise CommandError(f"{OPTION}: {folder}: is not empty, and holds no sums of a comparison")
        else:
            save_bytes(folder / NAME, json.dumps(wanted, indent=1).encode(), OPTION)
        wanted_names = [
            _name(Work(which, name), part)
            for which, each in enumerate(comparisons)
            for name in rounds_of(each)
            for part in parts_of(each)
        ]
        self.parts, self.found = len(wanted_names), len(names.intersection(wanted_names))

    def load(self, work: Work, part: Part) -> Sums | None:
        """The sums of a part, None where there are none or they are damaged."""
        path = self.folder / _name(work, part)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CommandError(f"{OPTION}: {path}: {reason(error)}") from error
        try:
            sums = unpacked(content)
            if all(len(each) == part.elements for each in sums.joined.values()):
                return sums
        except Exception:  # as in `spectral_losses.io.errors.reading`
            pass
        tell(f"spectral-losses: warning: {path} is damaged; its part is computed again")
        return None

    def save(self, work: Work, part: Part, sums: Sums) -> None:
        """Write the sums of a part, whole or not at all."""
        save_bytes(self.folder / _name(work, part), packed(sums), OPTION)

    def _refuse_others(self, text: bytes, wanted: Mapping[str, Any]) -> None:
        try:
            there = json.loads(text)
            pairs = [(key, there[key], wanted[key]) for key in wanted]
        except (ValueError, LookupError, TypeError) as error:
            raise CommandError(f"{OPTION}: {self.folder / NAME}: is damaged, or none of a comparison") from error
        for key, old, new in pairs:
            if old != new:
                raise CommandError(
                    f"{OPTION}: {self.folder} holds sums of another comparison: {_difference(key, old, new)}"
                )


def _name(work: Work, part: Part) -> str:
    return f"{work.which}-{work.round}-{part.start}-{part.stop}.npz"


def _identity(args: argparse.Namespace, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """All that sums depend on, as JSON reads it back."""
    given = {name: value for name in FILES if (value := getattr(args, name)) is not None}
    masks = given.pop("mask", [])
    files = {**given, **{f"mask {i}" if i > 1 else "mask": text for i, text in enumerate(masks, 1)}}
    options = {name: value for name, value in sorted(vars(args).items()) if name not in APART + FILES}
    arrays = [
        {
            "variable": each.pair.variable,
            "shape": each.layout.shape,
            "dims": each.layout.dims,
            "axes": (each.layout.spatial, each.layout.channel, each.layout.per),
            "options": repr(each.options._replace(grid=None)),
            "sphere": None if each.options.grid is None else each.grid[:2],
            "parts": [(part.start, part.stop) for part in parts_of(each)],
            "positions": _digest(each),
        }
        for each in comparisons
    ]
    found = {
        "version": __version__,
        "paths": {name: absolute(text) for name, text in files.items()},
        "options": options,
        "files": {name: _stamp(text, args) for name, text in files.items()},
        "arrays": arrays,
    }
    return dict(json.loads(json.dumps(found, default=str)))


def _digest(comparison: Comparison) -> str:
    """Of the positions along all axes."""
    found = hashlib.sha256()
    for name, coordinate in sorted(comparison.layout.coordinates.items()):
        found.update(name.encode())
        values = coordinate.values
        found.update("\0".join(values.astype(str)).encode() if values.dtype.kind in "UO" else values.tobytes())
    return found.hexdigest()


def _stamp(text: str, args: argparse.Namespace) -> list[int] | None:
    """How many files, of how many bytes, and when the last one was changed; None of what is not on this machine."""
    (sources,) = sources_of([text], None, None) if text else ([],)
    if not sources or not os.path.exists(sources[0].path):
        return None
    try:
        stats = list(_files(Path(sources[0].path)))
    except OSError as error:
        raise CommandError(f"{text}: cannot be read: {reason(error)}") from error
    return [len(stats), sum(each.st_size for each in stats), max((each.st_mtime_ns for each in stats), default=0)]


def _files(path: Path) -> Iterator[os.stat_result]:
    if not path.is_dir():
        yield path.stat()
        return
    for each in os.scandir(path):
        if each.is_dir():
            yield from _files(Path(each.path))
        else:
            yield each.stat()


def _difference(key: str, old: Any, new: Any) -> str:
    if key == "version":
        return f"it is of version {old} of spectral-losses, and this is {new}"
    if key == "arrays":
        return "the arrays have other shapes, positions or chunks"
    name = next(name for name in {**old, **new} if old.get(name) != new.get(name))
    if key == "files":
        return f"the file of the {name} has changed since"
    option = name if key == "paths" and name in FILES[:2] else f"--{name.replace('_', '-')}"
    return f"{option} was {old.get(name)!r} there, and is {new.get(name)!r}"
