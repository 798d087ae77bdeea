"""The figures of a page, as plotly.js takes them: traces and a layout, of plain lists and numbers."""

from __future__ import annotations

import base64
import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.cli.compare.along import Family, families, places
from spectral_losses.cli.compare.maps import Frame, Side
from spectral_losses.cli.compare.plot import resolved_of, scales_of
from spectral_losses.cli.compare.report import Report
from spectral_losses.cli.ui.console import long, printable, short
from spectral_losses.plot.curves import round_off
from spectral_losses.plot.marks import resolved_words
from spectral_losses.plot.scales import Scales
from spectral_losses.plot.style import BLACK, COLOURS, rounded

Chart = dict[str, Any]

DASHES = ("solid", "dash", "dot", "dashdot")
LISTED = 8  # so many channels have curves of their own
PANELS = ([0.47, 1], [0.235, 0.43], [0, 0.195])  # from above
GREY, PAPER = "#8a8a8a", "rgba(255,255,255,0.8)"
ABOUT_0 = [[0, "#2166ac"], [0.25, "#92c5de"], [0.5, "#f7f7f7"], [0.75, "#f4a582"], [1, "#b2182b"]]  # ColorBrewer's RdBu
TALLEST, FLATTEST = 1.6, 0.4  # height of a map over its width


def spectra_chart(report: Report, document: Mapping[str, Any]) -> Chart:
    """Powers of both, the ratio of their energies and the coherence, over wavenumbers or degrees."""
    spectra, of = document["spectra"], scales_of([report.grid], report.layout, report.units)
    k = spectra["wavenumber"]
    rows = {name: _array(spectra[name]) for name in ("truth", "prediction", "energy_ratio", "coherence")}
    means = {name: np.mean(values, axis=0) for name, values in rows.items()}
    said = _said(k, means, of)
    mode = "lines" if len(k) > 1 else "markers"
    curves = [("truth", "y", BLACK, ""), ("prediction", "y", COLOURS[0], "dash")]
    curves += [("energy_ratio", "y2", COLOURS[0], ""), ("coherence", "y3", COLOURS[0], "")]
    traces: list[Chart] = []
    if 1 < len(rows["truth"]) <= LISTED:
        thin = {"opacity": 0.45, "hoverinfo": "skip"}
        for name, axis, colour, _ in curves[2:]:
            traces += [_trace(k, values, axis, colour, mode, width=0.8) | thin for values in rows[name]]
    for name, axis, colour, dash in curves:
        trace = {**_trace(k, means[name], axis, colour, mode), "name": name, "showlegend": axis == "y"}
        trace["line"]["dash"] = dash or "solid"
        # One box of all numbers in each panel.
        traces.append(trace | ({"hoverinfo": "skip"} if name == "prediction" else {"text": said, "hoverinfo": "text"}))
    layout = _layout(660)
    floor = float(np.mean(round_off(report.shares[1], report.precision)))
    seen = [x for name in ("truth", "prediction") for x in means[name] if x > max(floor, 0)]
    power = f"{_letters(of.quantity)} ({_plain(of.units)})"
    layout["yaxis"] |= {"title": {"text": power}, "type": "log"}
    if seen:
        ends = np.log10([min(seen), max(seen)])
        layout["yaxis"] |= {"range": (ends + np.array([-0.03, 0.05]) * (np.ptp(ends) + 1)).tolist()}
        layout["yaxis"] |= _decades(ends.tolist(), 6)
    layout["yaxis2"] |= {"title": {"text": "energy ratio"}, "type": "log", **_around_one(means["energy_ratio"])}
    lowest = np.min(means["coherence"], where=np.isfinite(means["coherence"]), initial=0.0)
    layout["yaxis3"] |= {"title": {"text": "coherence"}, "range": [1.05 * float(lowest), 1.05]}
    layout["xaxis"] |= {"title": {"text": _letters(of.wavenumber)}, "type": "log", "dtick": "D2", "tickformat": "~g"}
    layout["xaxis"] |= {"tickangle": 0}
    layout["shapes"] = [_level("y2", 1, "solid"), _level("y3", 0.5**0.5, "dot")]
    layout["annotations"] = [
        {
            **_note("<i>c</i>² = ½"),
            "xref": "paper",
            "yref": "y3",
            "x": 1,
            "y": 0.5**0.5,
            "xanchor": "right",
            "yanchor": "top",
        }
    ]
    layout["annotations"] += _cuts(np.log10(k).tolist(), means["energy_ratio"], layout["yaxis2"]["range"], COLOURS[0])
    resolved = resolved_of(report)
    known = resolved[np.isfinite(resolved) & (resolved > 0)]
    if len(known):
        end = float(known.min())
        line = {"type": "line", "line": {"color": COLOURS[0], "width": 1}, "xref": "x", "yref": "y3 domain"}
        layout["shapes"].append({**line, "x0": end, "x1": end, "y0": 0, "y1": 1})
    if not np.isnan(resolved).all():
        words = _letters(resolved_words(resolved, of))
        low = {"xref": "paper", "yref": "y3 domain", "x": 0.01, "y": 0.02, "xanchor": "left", "yanchor": "bottom"}
        layout["annotations"].append({**_note(words), **low, "bgcolor": PAPER})
    for band in report.bands:
        middle = float(np.sqrt(max(band.edges[0], k[0]) * min(band.edges[1], k[-1])))
        if middle > 0:
            place = {"xref": "x", "yref": "paper", "x": np.log10(middle), "y": 1, "yanchor": "bottom"}
            layout["annotations"].append({**_note(band.name), **place})
        if band is not report.bands[0]:
            edge = {"xref": "x", "yref": "paper", "x0": band.edges[0], "x1": band.edges[0], "y0": 0, "y1": 1}
            layout["shapes"].append({"type": "line", "line": {"color": GREY, "width": 1, "dash": "dot"}, **edge})
    return {"data": traces, "layout": layout}


def along_chart(report: Report, document: Mapping[str, Any]) -> Chart:
    """Errors, energy ratios and coherences of the bands along an axis."""
    where, said = places(report)
    x = where.astype(str).tolist() if where.dtype.kind == "M" else where.tolist()
    curves, traces, errors, ratios = families(report), [], [], []
    for number, family in enumerate(curves):
        rows = [document["per"]["rows"][row] for row in family.rows]
        mode = "lines+markers" if len(x) <= 40 else "lines"
        found: list[tuple[str, str, str, list[float | None]]] = []
        errors.append([row["field_error"] or None for row in rows])
        found.append(("all", "y", BLACK, errors[-1]))
        for place, (band, colour) in enumerate(zip(report.bands, COLOURS[1:4], strict=True)):
            for name, axis in (("error", "y"), ("energy_ratio", "y2"), ("coherence", "y3")):
                values = [row["bands"][place][name] for row in rows]
                if axis == "y":
                    values = [each or None for each in values]
                    errors.append(values)
                elif axis == "y2":
                    ratios.append((_array([values])[0], colour))
                found.append((band.name, axis, colour, values))
        for name, axis, colour, values in found:
            trace = _styled(_trace(x, values, axis, colour, mode), number, len(curves))
            # A name in the legend shows and hides all curves of a band.
            named = {"name": name, "legendgroup": name, "showlegend": axis == "y" and not number}
            of = f", {_plain(family.name)}" if family.name else ""
            traces.append(trace | named | {"hovertemplate": f"%{{y:.3g}}<extra>{name}{of}</extra>"})
    traces += _named(curves)
    layout = _layout(660) | {"hovermode": "x unified"}
    layout["yaxis"] |= {"title": {"text": "relative error"}, "type": "log"}
    seen = [error for each in errors for error in each if error]
    if seen:
        ends = np.log10([min(seen), max(seen)]) + np.array([-0.1, 0.1])
        layout["yaxis"] |= {"range": ends.tolist(), **_decades(ends.tolist(), 6)}
    around = _around_one(np.concatenate([each for each, _ in ratios]))
    layout["yaxis2"] |= {"title": {"text": "energy ratio"}, "type": "log", **around}
    layout["annotations"] = [cut for each, colour in ratios for cut in _cuts(x, each, around["range"], colour)]
    layout["yaxis3"] |= {"title": {"text": "coherence"}, "rangemode": "tozero"}
    layout["xaxis"] |= {"title": {"text": _plain(said)}, "hoverformat": ".7g" if where.dtype.kind == "f" else ""}
    if where.dtype.kind == "i" and len(x) <= 10:
        layout["xaxis"] |= {"dtick": 1}
    layout["shapes"] = [_level("y2", 1, "solid")]
    return {"data": traces, "layout": layout}


def map_charts(frame: Frame, units: str | None) -> list[tuple[str, Chart]]:
    """Prediction and truth in the same colours, and their difference in colours about 0."""
    both = np.concatenate([x[np.isfinite(x)] for x in (frame.prediction, frame.truth)])
    ends = (float(both.min()), float(both.max()))
    most = float(np.max(np.abs(frame.difference), where=np.isfinite(frame.difference), initial=0)) or 1.0
    return [
        ("prediction", _map(frame, frame.prediction, ends, "Viridis", units)),
        ("truth", _map(frame, frame.truth, ends, "Viridis", units)),
        ("prediction less truth", _map(frame, frame.difference, (-most, most), ABOUT_0, units)),
    ]


def _map(
    frame: Frame, values: NDArray[np.float64], ends: tuple[float, float], colours: Any, units: str | None
) -> Chart:
    down, across = frame.down, frame.across
    of = f" {_plain(units)}" if units not in (None, "", "1") else ""
    said = f"{_plain(down.name)} %{{y:.6g}}<br>{_plain(across.name)} %{{x:.6g}}<br>%{{z:.4g}}{of}<extra></extra>"
    trace = {
        "type": "heatmap",
        "z": _packed(values),
        "x": across.places.tolist(),
        "y": down.places.tolist(),
        "zmin": ends[0],
        "zmax": ends[1],
        "colorscale": colours,
        "hovertemplate": said,
        "hoverongaps": False,
        "colorbar": {
            "orientation": "h",
            "thickness": 10,
            "len": 1,
            "outlinewidth": 0,
            "nticks": 5,
            "exponentformat": "power",
            "yref": "container",
            "y": 0,
            "yanchor": "bottom",
            "ypad": 4,
        },
    }
    rows, columns = values.shape
    tall = min(max(rows / columns, FLATTEST), TALLEST)
    layout = _look(int(250 * tall) + 90) | {"margin": {"l": 56, "r": 12, "t": 4, "b": 80}, "hovermode": "closest"}
    layout["xaxis"] = {"title": {"text": _plain(across.name), "standoff": 4}, "constrain": "domain", "nticks": 6}
    layout["yaxis"] = {"title": {"text": _plain(down.name), "standoff": 4}, "constrain": "domain", "nticks": 6}
    if not down.known:
        layout["yaxis"] |= {"autorange": "reversed"}  # as arrays are shown as images
    if FLATTEST <= rows / columns <= TALLEST:
        layout["yaxis"] |= {"scaleanchor": "x", "scaleratio": _step(across) / _step(down)}
    return {"data": [trace], "layout": layout}


def _step(side: Side) -> float:
    number = len(side.places)
    return abs(float(side.places[-1] - side.places[0])) / (number - 1) if number > 1 else 1.0


def _packed(values: NDArray[np.float64]) -> Chart:
    """An array in the base64 that plotly.js reads: float32, where that has room for the numbers."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    room = np.finfo(np.float32)
    narrow = not sizes.size or (sizes.max() < room.max and sizes.min() > room.tiny)
    stored = np.ascontiguousarray(values, "<f4" if narrow else "<f8")
    packed = base64.b64encode(stored.tobytes()).decode()
    return {"dtype": "f4" if narrow else "f8", "bdata": packed, "shape": "{}, {}".format(*values.shape)}


def _said(k: Sequence[float], values: Mapping[str, NDArray[np.float64]], of: Scales) -> list[str]:
    """What is shown over each shell."""
    waves = of.wavelengths(k)
    words = []
    for shell, number in enumerate(k):
        lines = [f"<b>{'degree' if of.degrees else 'wavenumber'} {number:.5g}</b>"]
        if of.around is not None and np.isfinite(waves[shell]):
            lines += [f"{of.wavelength}: {long(float(waves[shell]))}"]
        for name, numbers in values.items():
            known = float(numbers[shell]) if np.isfinite(numbers[shell]) else None
            lines += [f"{name.replace('_', ' ')}: {short(known)}"]
        words.append("<br>".join(lines))
    return words


def _trace(x: Sequence[Any], y: Iterable[float | None], axis: str, colour: str, mode: str, width: float = 2.0) -> Chart:
    known = [float(each) if each is not None and np.isfinite(each) else None for each in y]
    line, marker = {"color": colour, "width": width}, {"color": colour, "size": 5}
    shown = {"type": "scatter", "mode": mode, "line": line, "marker": marker, "showlegend": False}
    return {**shown, "x": list(x), "y": known, "xaxis": "x", "yaxis": axis}


def _array(rows: Sequence[Sequence[float | None]]) -> NDArray[np.float64]:
    return np.array([[np.nan if each is None else each for each in row] for row in rows], np.float64)


def _around_one(values: NDArray[np.float64]) -> Chart:
    """A logarithmic range with 1 in it, within a factor of 10,000."""
    seen = values[np.isfinite(values) & (values > 0)]
    ends = np.log10(np.clip([seen.min(initial=1), seen.max(initial=1)], 1e-4, 1e4))
    low, high = min(ends[0] - 0.1, -0.5), max(ends[1] + 0.1, 0.5)
    return {"range": [float(low), float(high)], **_decades((low, high), 3)}


def _cuts(places: Sequence[Any], ratio: NDArray[np.float64], ends: Sequence[float], colour: str) -> list[Chart]:
    """Arrowheads where a ratio leaves its logarithmic range, and how far it goes."""
    found = []
    for upward in (True, False):
        beyond = ratio > 10 ** ends[1] if upward else ratio < 10 ** ends[0]
        if beyond.any():
            furthest = rounded(float(np.nanmax(ratio) if upward else np.nanmin(ratio)))
            place = {"xref": "x", "x": places[int(np.argmax(beyond))], "yref": "y2 domain", "y": int(upward)}
            side = {"xanchor": "center", "yanchor": "top" if upward else "bottom", "bgcolor": PAPER}
            words = f"{'▲' if upward else '▼'} to {furthest}"
            found.append({**_note(words), **place, **side, "font": {"size": 11, "color": colour}})
    return found


def _decades(ends: Sequence[float], most: int) -> Chart:
    """How many decades lie between two ticks; where there are hardly two, ticks at 1, 2 and 5."""
    span = float(ends[1] - ends[0])
    if span < 1.5:
        return {"dtick": "D2" if span > 0.8 else "D1", "tickformat": "~g"}
    return {"dtick": math.ceil(span / most) if span > most else 1, "exponentformat": "power"}


def _look(height: int) -> Chart:
    font = {"family": "system-ui, sans-serif", "size": 12, "color": "#1a1a1a"}
    look = {"font": font, "paper_bgcolor": "#fff", "plot_bgcolor": "#fff", "height": height, "autosize": True}
    return look | {"dragmode": False, "hoverlabel": {"align": "left", "font": {"size": 12}}}


def _styled(trace: Chart, number: int, of: int) -> Chart:
    """A line as that of one of several curves: dashed, or paler where these are many."""
    if of <= len(DASHES):
        return trace | {"line": trace["line"] | {"dash": DASHES[number]}}
    return trace | {"opacity": 1 - 0.75 * number / (of - 1)}


def _named(curves: Sequence[Family]) -> list[Chart]:
    """What says in the legend which curve is which: all of a few, the first and the last of many."""
    if len(curves) == 1:
        return []
    few = len(curves) <= len(DASHES)
    found = []
    for number in range(len(curves)) if few else (0, len(curves) - 1):
        name = ("" if few or not number else "to ") + _plain(curves[number].name)
        trace = _styled(_trace([None], [None], "y", GREY, "lines"), number, len(curves))
        found.append(trace | {"name": name, "showlegend": True, "hoverinfo": "skip"})
    return found


def _layout(height: int) -> Chart:
    """Three panels above each other, of one axis across."""
    layout = _look(height) | {"hovermode": "x", "hoverdistance": -1, "margin": {"l": 62, "r": 14, "t": 48, "b": 48}}
    layout["legend"] = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.035, "yanchor": "bottom"}
    axis = {"showline": True, "linecolor": "#1a1a1a", "gridcolor": "#e6e6e6", "ticks": "outside", "zeroline": False}
    layout["xaxis"] = {**axis, "anchor": "y3"}
    for name, domain in zip(("yaxis", "yaxis2", "yaxis3"), PANELS, strict=True):
        layout[name] = {**axis, "domain": list(domain), "title": {}}
    return layout


def _level(axis: str, height: float, dash: str) -> Chart:
    across = {"xref": "paper", "x0": 0, "x1": 1, "yref": axis, "y0": height, "y1": height}
    return {"type": "line", "layer": "below", "line": {"color": GREY, "width": 1, "dash": dash}, **across}


def _note(words: str) -> Chart:
    return {"text": words, "showarrow": False, "font": {"size": 11, "color": "#555"}}


def _letters(words: str) -> str:
    r"""Words with mathematics such as ``$P_l$`` in italics, as plotly.js sets them."""
    return re.sub(r"\$(.*?)\$", lambda found: "<i>" + re.sub("_(.)", r"<sub>\1</sub>", found[1]) + "</i>", words)


def _plain(words: str | None) -> str:
    """A name of a file's: plotly.js knows some tags, and fills in what is in ``%{}``."""
    return html.escape(printable(words or "").replace("\n", " ")).replace("%", "&#37;").replace("$", "&#36;")
