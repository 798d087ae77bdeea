"""What is compared: arrays of two files, some positions of them, brought together."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from spectral_losses.cli.compare.masks import fitted, mask_of
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.cli.ui.options import Axis
from spectral_losses.cli.ui.sources import Source, mask_sources, open_source, sources_of
from spectral_losses.io import (
    Aligned,
    Chunks,
    StoredArray,
    align,
    at_usual_times,
    at_valid_times,
    select,
    select_places,
)


class Pair(NamedTuple):
    """Two arrays of one shape.

    Attributes
    ----------
    prediction, truth : StoredArray
    moved : tuple of str
        Dimensions along which the prediction was brought into the order of the truth.
    repeated : tuple of str
        Dimensions that one of the files lacks.
    vector : bool
        Whether their first axis is made of the components of a vector.
    climatology, mask : StoredArray or None
        What is usual there, and the weights of points, of the same shape.
    """

    prediction: StoredArray
    truth: StoredArray
    moved: tuple[str, ...]
    repeated: tuple[str, ...]
    vector: bool
    climatology: StoredArray | None = None
    mask: StoredArray | None = None

    @property
    def arrays(self) -> list[StoredArray]:
        """All that is read."""
        return [each for each in (self.prediction, self.truth, self.climatology, self.mask) if each is not None]

    @property
    def watched(self) -> list[Chunks]:
        """What takes note of chunks that are not there."""
        return [chunks for each in self.arrays for chunks in each.watched]

    @property
    def variable(self) -> str | None:
        """Which one of the files it is."""
        names = dict.fromkeys(name for name in (self.prediction.variable, self.truth.variable) if name is not None)
        return " against ".join(names) or None


def open_pairs(args: argparse.Namespace, stack: contextlib.ExitStack) -> list[Pair]:
    """Open what the arguments of ``compare`` name, a pair for each variable; nothing but descriptions is read.

    Raises
    ------
    CommandError
        Options that do not fit the files.
    FieldFileError
        What `spectral_losses.io` refuses.
    """
    files = [args.prediction, args.truth] + ([] if args.climatology is None else [args.climatology])
    sources = sources_of(files, args.key, args.variable)
    for path, each in zip(files, sources, strict=True):
        if len(each) != len(sources[0]):
            raise CommandError(
                f"{args.prediction} has {len(sources[0])} variables to compare and {path} has {len(each)}"
            )
    masks = mask_sources(args.mask)
    return [_pair(args, each, masks, stack) for each in zip(*sources, strict=True)]


class Axes(NamedTuple):
    """The options about axes and channels, for arrays as they are compared."""

    spatial: tuple[Axis, ...] | None
    channel: Axis | None
    per: tuple[Axis, ...]
    channels: str


def axes_of(args: argparse.Namespace, vector: bool) -> Axes:
    """What arguments say of arrays, and of vectors: their first axis is none of the file, and is summed over."""
    per = getattr(args, "per", None) or ()
    if not vector:
        return Axes(args.spatial_axes, args.channel_axis, per, args.channels)

    def behind(axis: Axis) -> Axis:
        return axis + 1 if isinstance(axis, int) and axis >= 0 else axis

    return Axes(
        None if args.spatial_axes is None else tuple(map(behind, args.spatial_axes)),
        0,
        tuple(map(behind, per)),
        args.channels if "channels" in vars(args).get("given", ()) else "sum",
    )


def selected(args: argparse.Namespace, arrays: list[StoredArray], vector: bool, of_first: Sequence[str] = ()) -> None:
    """Replace arrays by the positions of them that ``--sel`` and ``--isel`` name.

    Parameters
    ----------
    args : Namespace
    arrays : list of StoredArray
    vector : bool
        Whether their first axis is none of the files.
    of_first : sequence of str
        Dimensions that are selected of the first array alone, and stay where one position is left.

    Raises
    ------
    CommandError
        A dimension that no array has, or a position that is not there.
    """
    for option, chosen, by in (("--sel", args.sel, select), ("--isel", args.isel, select_places)):
        for each in chosen or ():
            name, _, text = each.partition("=")
            number = 1 if name in of_first else len(arrays)
            try:
                place = str(int(name) + 1) if vector and name.isdecimal() else name
                found = [by(array, place, text, name in of_first) for array in arrays[:number]]
            except ValueError as error:
                raise CommandError(f"{option} {name}={text}: {error}") from error
            if all(array is None for array in found):
                there = ", ".join(dict.fromkeys(dim for array in arrays for dim in array.dims or ()))
                raise CommandError(
                    f"{option} {name}={text}: no dimension {name!r}; there are {there or 'none with a name'}"
                )
            arrays[:number] = [old if new is None else new for old, new in zip(arrays, found, strict=False)]


def _pair(
    args: argparse.Namespace, sources: Sequence[Source], masks: Sequence[Source], stack: contextlib.ExitStack
) -> Pair:
    numbers = {len(each.names) or 1 for each in sources}
    if len(numbers) > 1:
        said = " and ".join(f"{'+'.join(each.names) or 'one variable'} of {each.path}" for each in sources)
        raise CommandError(f"{said} have different numbers of components")
    finite = args.nan == "error" and not masks
    arrays = [stack.enter_context(open_source(each, finite=finite or i > 1)) for i, each in enumerate(sources)]
    arrays += [stack.enter_context(open_source(each, finite=False, kinds="fbiu")) for each in masks]
    forecast = () if args.lead_time is None else (args.init_time, args.lead_time)
    vector = max(numbers) > 1
    selected(args, arrays, vector, forecast)
    if not forecast:
        _refuse_lead_times(*arrays[:2])
    else:
        try:
            arrays[1] = at_valid_times(arrays[1], arrays[0], *forecast)
        except ValueError as error:
            raise CommandError(f"--init-time {args.init_time}, --lead-time {args.lead_time}: {error}") from error
    aligned = align(*arrays[:2])
    usual, weights = arrays[2 : len(sources)], arrays[len(sources) :]
    return Pair(
        aligned.array,
        aligned.like,
        aligned.moved,
        aligned.repeated,
        vector,
        _usual(usual[0], aligned, forecast) if usual else None,
        mask_of(weights, aligned.like),
    )


def _refuse_lead_times(prediction: StoredArray, truth: StoredArray) -> None:
    """Refuse a truth that would be the same at all lead times, although it has times of its own."""
    leads, others = (
        [dim for dim in each.dims or () if dim in each.coordinates and each.coordinates[dim].is_lead]
        for each in (prediction, truth)
    )
    if leads and not others and any(each.kind == "time" for each in truth.coordinates.values()):
        raise CommandError(
            f"{prediction.name} has lead times along {', '.join(leads)}, and {truth.name} has not: --init-time and "
            "--lead-time take it at the time that each field is valid for"
        )


def _usual(usual: StoredArray, aligned: Aligned, forecast: tuple[str, ...]) -> StoredArray:
    """A climatology beside the fields, at their times where it goes by these."""
    like = aligned.like
    try:
        known = {**aligned.array.coordinates, **like.coordinates}
        usual = at_usual_times(usual, replace(like, coordinates=known), forecast)
    except ValueError as error:
        raise CommandError(f"--climatology: {error}") from error
    return fitted("--climatology", usual, like)
