"""Options that subcommands share, under the names that the library has for them."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from spectral_losses.cli.ui.console import write
from spectral_losses.cli.ui.errors import CommandError
from spectral_losses.messages import check_eps

if TYPE_CHECKING:
    from spectral_losses.transforms.plane import Bins

Axis = int | str
PLOTS = (".png", ".pdf", ".svg")
TABLES = (".csv", ".parquet")
EPS = 1e-8  # as in spectral_losses.field_error, which is too much to import for a help


class Parser(argparse.ArgumentParser):
    """A parser that raises, and refuses options that are given twice: argparse would take the last one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        self.register("action", None, _Once)
        self.register("action", "store", _Once)
        self.register("action", "store_true", _OnceTrue)

    def error(self, message: str) -> NoReturn:
        """Raise; argparse would print the usage as well, and exit by itself."""
        raise CommandError(message)

    def _print_message(self, message: str, file: Any = None) -> None:
        # Help and version go the way of all that is printed; argparse would pass over a full disk.
        if file is not None and file is sys.stdout:
            write(message)
        else:
            super()._print_message(message, file)


def _first(namespace: argparse.Namespace, action: argparse.Action, option: str | None) -> None:
    """Refuse an action that was taken before."""
    given = vars(namespace).setdefault("given", set())
    if action.dest in given:
        raise CommandError(f"{option}: given more than once")
    given.add(action.dest)


class _Once(argparse._StoreAction):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        _first(namespace, self, option)
        super().__call__(parser, namespace, values, option)


class _OnceTrue(argparse._StoreTrueAction):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        _first(namespace, self, option)
        super().__call__(parser, namespace, values, option)


def add_array_options(parser: argparse.ArgumentParser) -> None:
    """``--key`` and ``--variable``: which array of a file."""
    parser.add_argument("--key", metavar="NAME", help="which array of an .npz, as --variable is of the others")
    parser.add_argument(
        "--variable",
        metavar="NAME[,NAME...]",
        help="which variables of a NetCDF, HDF5, Zarr or GRIB, one or several; GROUP/NAME inside groups, u+v for a "
        "vector; "
        "FILE:NAME in place of FILE says so for one file alone",
    )


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """``--sel`` and ``--isel``: some positions along a dimension."""
    group = parser.add_argument_group(
        "positions",
        "Of the files that have such a dimension; each option as often as needed. One position takes the\n"
        "dimension away; several between commas and ranges A:B, with both ends, do not.",
    )
    group.add_argument(
        "--sel",
        type=_named,
        action="append",
        metavar="NAME=VALUES",
        help="positions by value, as in --sel level=500,850 --sel time=2020-01-01:2020-01-31 --sel lead_time=6h "
        "--sel latitude=30:60; a value that is not there is an error",
    )
    group.add_argument(
        "--isel",
        type=_named,
        action="append",
        metavar="NAME=INDICES",
        help="positions by index from 0, after --sel: --isel time=0:10; NAME may be the number of an axis",
    )


def add_axis_options(parser: argparse.ArgumentParser) -> None:
    """``--spatial-axes`` and ``--channel-axis``, as numbers or as names of dimensions."""
    group = parser.add_argument_group(
        "axes",
        "Dimensions with names are known by them: x, y, z, lat, longitude and the like are space;\n"
        "channel, component, variable and the like are channels; all others count frames.",
    )
    group.add_argument(
        "--spatial-axes",
        type=_axes,
        metavar="A[,B[,C]]",
        help="one to three axes, numbers or names (default: by name, else the last two)",
    )
    group.add_argument(
        "--channel-axis",
        type=_axis_or_none,
        default="auto",
        metavar="A",
        help="the axis of channels, a number, a name or none "
        "(default: by name; without names the axis before the first spatial one)",
    )


def add_spectrum_options(parser: argparse.ArgumentParser) -> None:
    """The options of `spectral_losses.radial_spectrum` other than axes."""
    group = parser.add_argument_group("spectra", "As in spectral_losses.radial_spectrum.")
    group.add_argument(
        "--grid",
        choices=("auto", "plane", "sphere", "gauss", "equiangular", "cells"),
        default="auto",
        help="whether latitude and longitude are those of the sphere; gauss, equiangular and cells are latitudes of a "
        "file that does not say where they lie (default: the sphere where the file has all of it)",
    )
    group.add_argument(
        "--channels",
        choices=("separate", "sum", "mean"),
        default="separate",
        help="one spectrum per channel, their sum, or the spectrum of the mean field (default: %(default)s)",
    )
    group.add_argument(
        "--bins",
        type=_bins,
        default="unit",
        metavar="BINS",
        help="unit, log, a number of shells, log,NUMBER, or edges E0,E1,... (default: %(default)s)",
    )
    group.add_argument(
        "--lengths",
        type=_numbers,
        metavar="L[,L...]",
        help="box length, one or one per spatial axis; wavenumbers are then in radians per unit length",
    )
    group.add_argument(
        "--window",
        type=_window,
        metavar="NAME[,NAME...]",
        help="hann, hamming, blackman or none, one or one per spatial axis, where domains are not periodic",
    )
    group.add_argument("--detrend", choices=("constant", "linear"), help="what to subtract before the window")
    group.add_argument(
        "--transform",
        choices=("fft", "dct"),
        default="fft",
        help="dct: cosines, for domains with edges, in steps of half a wave (default: %(default)s)",
    )


def add_eps_option(parser: argparse.ArgumentParser) -> None:
    """``--eps`` of `spectral_losses.field_error`."""
    parser.add_argument(
        "--eps",
        type=_eps,
        default=EPS,
        metavar="EPS",
        help="guard of the field error, and of other losses that have such a one: this share of the truth's mean "
        "square over all frames of a channel is added to that of each frame, so that an almost empty frame does not "
        "outweigh the others (default: %(default)g)",
    )


def add_gap_options(parser: argparse.ArgumentParser) -> None:
    """``--nan`` and ``--mask``: points that do not count."""
    parser.add_argument(
        "--nan",
        choices=("error", "skip", "fill"),
        default="error",
        help="what to do with values that are not finite: skip leaves out all positions along the first axis of frames "
        "at which there are some; fill counts none of these points, and spectra are those of fields with a smooth fill "
        "in them (default: %(default)s)",
    )
    parser.add_argument(
        "--mask",
        action="append",
        metavar="FILE[:NAME]",
        help="weights of points, such as 1 over sea and 0 over land; dimensions that it lacks count as one. Points of "
        "0 do not count, and in spectra there is a smooth fill. cos-latitude in place of a file weighs means over a "
        "region by area. Given twice, weights are multiplied",
    )


def add_band_option(parser: argparse._ArgumentGroup) -> None:
    """``--bands``: where the low and the middle band end."""
    parser.add_argument(
        "--bands",
        type=fit,
        metavar="K1,K2",
        help="highest wavenumber, or degree, of the low and of the middle band (default: thirds of the logarithms)",
    )


def fit(text: str) -> tuple[float, float]:
    """Two wavenumbers, the smaller one first."""
    limits = _numbers(text)
    if len(limits) != 2 or not 0 < limits[0] < limits[1] < float("inf"):
        raise argparse.ArgumentTypeError(f"takes two increasing wavenumbers above 0, got {text!r}")
    return limits[0], limits[1]


def names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    found = tuple(name.strip() for name in text.split(","))
    if "" in found:
        raise argparse.ArgumentTypeError(f"takes names, got {text!r}")
    return found


def whole(text: str) -> int:
    """A whole number of at least 1."""
    if not re.fullmatch(r"\+?0*[1-9]\d{0,8}", text.strip()):
        raise argparse.ArgumentTypeError(f"takes a whole number of at least 1, got {text!r}")
    return int(text)


def axis(text: str) -> Axis:
    """An axis: a whole number, or else the name of a dimension."""
    return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else text.strip()


def one_or_two(text: str) -> tuple[Axis, ...]:
    """One axis, or two between commas."""
    axes = tuple(axis(part) for part in text.split(","))
    if len(axes) > 2 or "" in axes:
        raise argparse.ArgumentTypeError(f"takes one or two axes, got {text!r}")
    return axes


def join_negative_axes(argv: Sequence[str]) -> list[str]:
    """Write ``--spatial-axes -2,-1`` as one word: argparse would take ``-2,-1`` for an option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in ("--spatial-axes", "--per") and re.match(r"-\d", word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _named(text: str) -> str:
    """NAME=VALUES."""
    name, sign, values = (part.strip() for part in text.partition("="))
    if not (name and sign and values):
        raise argparse.ArgumentTypeError(f"takes NAME=VALUES, got {text!r}")
    return f"{name}={values}"


def plot_path(text: str) -> Path:
    """A file to draw to; its suffix says in which format."""
    path = Path(text)
    if path.suffix.lower() not in PLOTS:
        raise argparse.ArgumentTypeError(f"takes a file that ends in {', '.join(PLOTS)}, got {text!r}")
    return path


def page_path(text: str) -> Path:
    """A page to write."""
    path = Path(text)
    if path.suffix.lower() != ".html":
        raise argparse.ArgumentTypeError(f"takes a file that ends in .html, got {text!r}")
    return path


def table_path(text: str) -> Path:
    """A file of rows; its suffix says in which format."""
    path = Path(text)
    if path.suffix.lower() not in TABLES:
        raise argparse.ArgumentTypeError(f"takes a file that ends in {' or '.join(TABLES)}, got {text!r}")
    return path


def _axes(text: str) -> tuple[Axis, ...]:
    axes = tuple(axis(part) for part in text.split(","))
    if not 1 <= len(axes) <= 3 or "" in axes:
        raise argparse.ArgumentTypeError(f"takes one, two or three axes, got {text!r}")
    return axes


def _axis_or_none(text: str) -> Axis | None:
    return None if text.strip().lower() == "none" else axis(text)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes numbers, got {text!r}") from None


def _eps(text: str) -> float:
    try:
        return check_eps(float(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes a finite number of at least 0, got {text!r}") from None


def _bins(text: str) -> Bins:
    first, *rest = text.split(",")
    if not rest:
        return int(text) if re.fullmatch(r"[+-]?\d+", text) else text
    if first == "log" and len(rest) == 1 and re.fullmatch(r"\d+", rest[0]):
        return ("log", int(rest[0]))
    return _numbers(text)


def _window(text: str) -> str | tuple[str | None, ...] | None:
    names = tuple(None if name.strip().lower() == "none" else name.strip() for name in text.split(","))
    return names if len(names) > 1 else names[0]
