r"""Which gain does a loss want? Two independent fields of one spectrum, and the best factor for one of them.

Where a target cannot be predicted, the best that a single prediction can be is another sample with the target's
spectrum. Does a loss leave it alone? This program takes pairs of Gaussian random fields of one spectrum, multiplies the
power of the prediction by q, and looks for the q at which the mean of the loss over many pairs is least, for every loss
of the library. 1 is calibrated; less than 1 means that a network is rewarded for losing energy wherever it cannot
predict::

    python docs/examples/minimisers.py                              # print the tables
    python docs/examples/minimisers.py --write docs/losses/*.md     # and put them between the marks in these pages

How many modes share a shell decides most of it. On the 1-D grids of the first columns each shell is one pair of modes
k, -k, and pooling over m frames (``pool=``) gives it m of them; spectra are flat there, so that all shells have one
say. The last two columns are frames in two dimensions with an energy spectrum that falls as k^-3, one by one and pooled
over 16: four pairs of modes in the first shell, and more and more in the others. The second table is for pairs whose
modes are correlated, with a coherence of 0.9. Numbers in brackets are closed forms. It takes some ten seconds.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.losses.registry import all_losses, options_of

Array = NDArray[np.float64]

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "adjusted_error": [{"bins": "modes"}],
    "amplitude_error": [{"bins": "modes"}],
    "focal_frequency_error": [{"whiten": True}],
    "log_spectral_distance": [{"bins": "modes"}],
    "wavelet_error": [{"order": 2}],
}
"""Options that change the answer, beside every loss with its defaults."""
COHERENCES = (0.0, 0.9)
LARGEST = 1.5
"""The largest gain that is tried."""
FLAT = 1e-6
"""A loss that changes by less than this share when the prediction is halved does not know amplitudes."""


class Loss(NamedTuple):
    """A loss with options."""

    name: str
    function: Callable[..., Any]
    options: Mapping[str, Any]

    @property
    def label(self) -> str:
        """As it is written in a table."""
        given = (
            f"{key}={json.dumps(value) if isinstance(value, str) else value}" for key, value in self.options.items()
        )
        return ", ".join(f"`{word}`" for word in (self.name, *given))

    def takes(self, option: str) -> bool:
        """Whether it has such an option."""
        return option in options_of(self.function)


class Setting(NamedTuple):
    """Pairs of fields that a column of the table is measured on."""

    label: str
    shape: tuple[int, ...]  # odd sizes: no mode is its own mirror image but the mean, which is 0
    frames: int  # that are pooled into a row
    rows: int
    slope: float = 0.0  # the power of a mode is k**-slope


class Minimum(NamedTuple):
    """Where the mean of a loss is least."""

    power: float  # q, NaN where all gains are alike
    error: float  # standard error of q, from the scatter of rows

    @property
    def flat(self) -> bool:
        """Whether all gains are alike."""
        return math.isnan(self.power)


class Row(NamedTuple):
    """What was found for a loss, column by column; None where it cannot pool frames."""

    loss: Loss
    coherence: float
    found: list[Minimum | None]


def catalogue() -> list[Loss]:
    """Every loss of the library, and the variants."""
    return [
        Loss(name, function, options)
        for name, function in all_losses().items()
        for options in ({}, *VARIANTS.get(name, []))
    ]


def settings(quick: bool = False) -> list[Setting]:
    """The columns."""
    n, frames = (125, 256) if quick else (625, 512)
    line = [Setting(f"m = {m}", (n,), m, frames // m) for m in ((1, 4, 16) if quick else (1, 4, 16, 64))]
    n, rows = (15, 8) if quick else (33, 32)
    return [
        *line,
        Setting(f"{n} x {n}", (n, n), 1, 8 * rows, 4.0),
        Setting(f"{n} x {n}, 16 frames", (n, n), 16, rows, 4.0),
    ]


def measure(columns: Sequence[Setting], losses: Sequence[Loss], seed: int = 0) -> list[Row]:
    """The best power gain of every loss, for each coherence and column."""
    rows = []
    for coherence in COHERENCES:
        pairs = [pair(setting, coherence, seed) for setting in columns]
        for loss in losses:
            found = [minimum(loss, setting, *fields) for setting, fields in zip(columns, pairs, strict=True)]
            rows.append(Row(loss, coherence, found))
    return rows


def pair(setting: Setting, coherence: float, seed: int = 0) -> tuple[Array, Array]:
    """Prediction and target, each ``(rows, frames, *shape)``."""
    rng = np.random.default_rng(seed)
    shape, axes = setting.shape, tuple(range(-len(setting.shape), 0))
    squares = [(n * np.fft.fftfreq(n)) ** 2 for n in shape[:-1]] + [(shape[-1] * np.fft.rfftfreq(shape[-1])) ** 2]
    k = np.sqrt(sum(np.ix_(*squares)))
    amplitude = np.zeros(k.shape)
    amplitude[k > 0] = k[k > 0] ** (-setting.slope / 2)

    def sample() -> Array:
        noise = rng.normal(size=(setting.rows, setting.frames, *shape))
        return np.fft.irfftn(np.fft.rfftn(noise, axes=axes) * amplitude, s=shape, axes=axes)

    target = sample()
    return coherence * target + math.sqrt(1 - coherence**2) * sample(), target


def minimum(loss: Loss, setting: Setting, prediction: Array, target: Array) -> Minimum | None:
    """The best power gain of a prediction, or None where a loss cannot pool frames."""
    options = {"spatial_axes": tuple(range(-len(setting.shape), 0)), "channel_axis": None, **loss.options}
    if loss.takes("pool"):
        options["pool"] = 1
    elif setting.frames > 1:
        return None

    def of_rows(gain: float) -> Array:
        return np.ravel(loss.function(gain * prediction, target, **options, reduction="none"))

    def mean(gain: float) -> float:
        return float(loss.function(gain * prediction, target, **options))

    whole = mean(1.0)
    if not math.isfinite(whole):
        raise FloatingPointError(f"{loss.label} is {whole} on {setting.label}")
    if abs(whole - mean(0.5)) < FLAT * whole:
        return Minimum(math.nan, 0.0)
    low, high = golden_section(mean, 0.0, LARGEST, within=0.05)
    # The vertex of a parabola through three points close by; its error is the scatter of the rows' slopes, over the
    # curvature of their mean.
    step = 0.02
    middle = max((low + high) / 2, step)
    left, here, right = (of_rows(middle + d) for d in (-step, 0.0, step))
    slopes, curvature = (right - left) / (2 * step), float(np.mean(right - 2 * here + left)) / step**2
    best = max(middle - float(np.mean(slopes)) / curvature, 0.0)
    scatter = float(np.std(slopes, ddof=1)) / math.sqrt(len(slopes)) / curvature
    return Minimum(best**2, 2 * best * scatter)


def golden_section(function: Callable[[float], float], low: float, high: float, within: float) -> tuple[float, float]:
    """An interval that holds the minimum of a function that falls and then rises."""
    ratio = (math.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = function(a), function(b)
    while high - low > within:
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = function(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = function(b)
    return low, high


def closed_form(loss: Loss, setting: Setting, coherence: float) -> float | None:
    """The best power gain in theory, or None where there is none in closed form.

    All but the first are for spectra that are flat, of one pair of modes in each of the shells of a frame. That of the
    amplitude error takes its denominator for constant, as it nearly is where there are many shells.
    """
    c, s, m = coherence**2, 1 - coherence**2, setting.frames
    if loss.name == "log_spectral_distance":  # a change of sign when the two are exchanged
        return 1.0
    if loss.name == "focal_frequency_error" and not loss.options:
        return c
    if setting.slope:
        return None
    if loss.name == "field_error":  # E[1/T] is larger than 1/E[T]
        modes = m * (setting.shape[-1] // 2)
        return (coherence / (c + s * modes / (modes - 1))) ** 2
    if loss.name == "power_ratio_error":  # E[P/T] over E[(P/T)^2]
        if m <= 2:
            return 0.0
        mean = c + s * m / (m - 1)
        variance = s**2 * m * (2 * m - 1) / ((m - 1) ** 2 * (m - 2)) + 2 * s * c / (m - 1)
        return mean / (mean**2 + variance)
    if loss.name == "amplitude_error":  # the square of E[sqrt(P T)] over E[P]
        hypergeometric = term = 1.0
        for k in range(200):
            term *= (k - 0.5) ** 2 / ((m + k) * (k + 1)) * c
            hypergeometric += term
        mean = math.exp(2 * (math.lgamma(m + 0.5) - math.lgamma(m))) * hypergeometric
        return (mean / m) ** 2
    return None


def tables(columns: Sequence[Setting], rows: Sequence[Row]) -> str:
    """All that was found, a Markdown table for each coherence."""
    parts = []
    for coherence in COHERENCES:
        chosen = [row for row in rows if row.coherence == coherence]
        title = f"**Coherence {coherence:g}**" if coherence else "**Independent samples**"
        head = ["loss", *(setting.label for setting in columns)]
        parts.append(f"{title}\n\n{_markdown(head, [[row.loss.label, *_cells(row, columns)] for row in chosen])}")
    return "\n\n".join(parts)


def table_of(names: Sequence[str], columns: Sequence[Setting], rows: Sequence[Row]) -> str:
    """What was found for some losses, as one Markdown table."""
    chosen = [row for name in names for row in rows if row.loss.name == name]
    missing = set(names) - {row.loss.name for row in chosen}
    if missing:
        raise ValueError(f"there is no loss {', '.join(sorted(missing))}")
    chosen.sort(key=lambda row: (names.index(row.loss.name), row.loss.label))
    head = ["loss", "coherence", *(setting.label for setting in columns)]
    return _markdown(head, [[row.loss.label, f"{row.coherence:g}", *_cells(row, columns)] for row in chosen])


def _cells(row: Row, columns: Sequence[Setting]) -> list[str]:
    cells = []
    for setting, found in zip(columns, row.found, strict=True):
        if found is None or found.flat:
            cells.append("–" if found is None else "flat")
            continue
        cell = f"{found.power:.2f}" + (f" ± {found.error:.2f}" if found.error >= 0.005 else "")
        theory = closed_form(row.loss, setting, row.coherence)
        cells.append(cell if theory is None else f"{cell} ({theory:.2f})")
    return cells


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(text: str, name: str, contents: Callable[[list[str]], str]) -> str:
    """A page with new contents between its marks, ``<!-- NAME: begin WORD ... -->`` and ``<!-- NAME: end -->``."""
    begin, end = rf"<!-- {name}: begin ?([\w ]*?) ?-->", f"<!-- {name}: end -->"

    def replaced(found: re.Match[str]) -> str:
        return f"{found[0][: found.end(1) - found.start()].rstrip()} -->\n\n{contents(found[1].split())}\n\n{end}"

    return re.sub(f"{begin}.*?{end}", replaced, text, flags=re.DOTALL)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print the tables, and write them into pages."""
    parser = argparse.ArgumentParser(description="The power gain at which the mean of each loss is least.")
    parser.add_argument("--quick", action="store_true", help="on fewer and smaller fields, to see that it runs")
    parser.add_argument("--seed", type=int, default=0, help="of the fields (default: %(default)s)")
    parser.add_argument(
        "--write", type=Path, nargs="+", default=[], metavar="PAGE", help="pages to put the tables into"
    )
    args = parser.parse_args(argv)
    columns = settings(args.quick)
    rows = measure(columns, catalogue(), args.seed)
    print(tables(columns, rows))
    for page in args.write:
        text = page.read_text(encoding="utf-8")
        new = filled(
            text, "minimisers", lambda names: table_of(names, columns, rows) if names else tables(columns, rows)
        )
        if new != text:
            page.write_text(new, encoding="utf-8")
            print(f"wrote {page}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
