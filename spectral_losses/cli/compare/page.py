"""A comparison as one page of HTML that needs nothing else: tables, spectra to point at, and maps."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from spectral_losses.cli.compare.charts import LISTED, Chart, along_chart, map_charts, spectra_chart
from spectral_losses.cli.compare.document import document_of
from spectral_losses.cli.compare.maps import Frame
from spectral_losses.cli.compare.plot import means, names_of
from spectral_losses.cli.compare.report import Report
from spectral_losses.cli.compare.table import SCORES, head, reach, resolved
from spectral_losses.cli.ui.console import by, long, option_words, printable, short
from spectral_losses.errors import needed

KEY = ' class="key"'  # of headings above names of rows
OPEN = 60  # a table with more rows than these is folded
ALL = ("error", "amplitude_part", "phase_part", "energy_ratio", "coherence")
# Nothing is loaded from elsewhere: the browser is told so.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --soft: #595959; --line: #d9d9d9; --paper: #fff; --band: #f6f6f6 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --soft: #a8a8a8; --line: #444; --paper: #181a1b; --band: #222526 }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1000px; margin: 0 auto; padding: 1.2rem 1rem 3rem }
h1 { font-size: 1.45rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .4rem; padding-top: .6rem; border-top: 2px solid var(--ink) }
h3 { font-size: 1rem; margin: 1.5rem 0 .3rem }
h2, h3, dd, p, figcaption { overflow-wrap: anywhere }
p { margin: .3rem 0 }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem; margin: .8rem 0 }
dt, figcaption, .note { color: var(--soft) }
dd { margin: 0 }
.wide { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; margin: .4rem 0 .8rem }
th, td { padding: .15rem .6rem; text-align: right; white-space: nowrap; vertical-align: bottom }
th { font-weight: 600 }
thead th { white-space: normal; max-width: 10rem }
thead th[colspan] { max-width: none }
tbody th, tbody th, thead th.key { text-align: left; white-space: nowrap; max-width: none }
tbody th:first-child, thead tr:first-child th:first-child { padding-left: 0 }
thead tr:last-child th { border-bottom: 1px solid var(--ink) }
thead th[colspan] { text-align: center; border-bottom: 1px solid var(--line) }
tbody tr:nth-child(even) { background: var(--band) }
tbody th { font-weight: 400 }
tr.rule > * { border-top: 1px solid var(--line) }
summary { cursor: pointer; font-weight: 600; margin: 1.2rem 0 .2rem }
figure { margin: .4rem 0 }
figcaption { font-size: .9rem }
.maps figcaption { color: var(--ink); text-align: center }
.chart { background: #fff; border-radius: 4px; overflow: hidden; max-width: 100% }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: .2rem .6rem }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: .5rem }
footer { font-size: .85rem; color: var(--soft) }
@media (max-width: 480px) { dl { grid-template-columns: minmax(0, 1fr) } dd { margin-bottom: .3rem } }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --band: #fff }
  @page { margin: 14mm }
  body { font-size: 10.5pt }
  main { max-width: none; padding: 0 }
  .wide { overflow: visible }
  table { font-size: 7.5pt }
  th, td { padding: .1rem .3rem }
  .maps { grid-template-columns: 320px 320px }
  .chart { height: auto !important }
  figure, tr, h2, h3 { break-inside: avoid }
  h2, h3, summary { break-after: avoid }
}
"""

SCRIPT = """
const charts = JSON.parse(document.getElementById("charts").textContent);
const drawn = charts.map((chart, i) => {
  const place = document.getElementById("chart-" + i);
  Plotly.newPlot(place, chart.data, chart.layout, {
    responsive: true, displaylogo: false,
    modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
  });
  return place;
});
// A page of paper is narrower than a window.
addEventListener("beforeprint", () => drawn.forEach((place) =>
  Plotly.relayout(place, place.closest(".maps") ? {width: 320} : {width: 660, height: 500})));
addEventListener("afterprint", () => drawn.forEach((place) =>
  Plotly.relayout(place, {width: null, height: parseFloat(place.style.height), autosize: true})));
"""


def page_of(reports: Sequence[Report], frames: Sequence[Frame | None]) -> str:
    """A page as text; all of its numbers are those of the JSON.

    Parameters
    ----------
    reports : sequence of Report
        Of each variable.
    frames : sequence of Frame or None
        What maps are drawn of, for each.
    """
    library = needed("plotly.offline", "--report", "report").get_plotlyjs()
    documents = [document_of(each) for each in reports]
    charts: list[Chart] = []
    body = [_head(reports, documents)]
    if len(reports) > 1:
        body += ["<h2>All variables</h2>", *_tables(["variable"], [((_name(d),), d, d["bands"]) for d in documents])]
    for report, document, frame in zip(reports, documents, frames, strict=True):
        if len(reports) > 1:
            body.append(f"<h2>{_text(_name(document))}</h2>")
        body += _of_variable(report, document, frame, charts)
    versions = f"spectral-losses {documents[0]['version']}, NumPy {np.__version__}"
    names = " against ".join(names_of(reports[0]))
    data = json.dumps(charts, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{_text(names)}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{"".join(f"{part}{chr(10)}" for part in body)}<footer>{_text(versions)}</footer>
</main>
<script>{library}</script>
<script type="application/json" id="charts">{data}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _head(reports: Sequence[Report], documents: Sequence[Mapping[str, Any]]) -> str:
    first = documents[0]
    names = names_of(reports[0])
    said = [(side, first[side]) for side in ("prediction", "truth")]
    variables = [_name(d) + (f" ({d['units']})" if d["units"] else "") for d in documents if d["variable"] is not None]
    if variables:
        said.append(("variable" if len(variables) == 1 else "variables", ", ".join(variables)))
    shapes = dict.fromkeys(
        by(d["shape"]) + ("" if d["dims"] is None else f" ({', '.join(d['dims'])})") for d in documents
    )
    said.append(("shape", "; ".join(shapes)))
    sphere = first["sphere"]
    where = (
        "plane" if sphere is None else f"sphere, {sphere['latitudes']} latitudes, to degree {sphere['highest_degree']}"
    )
    said.append(("geometry", where))
    said.append(("options", option_words(first["options"]) or "defaults"))
    lines = "".join(f"<p>{_text(line)}</p>\n" for line in head(list(reports), options=False))
    entries = "".join(f"<dt>{name}</dt><dd>{_text(value)}</dd>\n" for name, value in said)
    return f"<h1>{_text(names[0])} against {_text(names[1])}</h1>\n{lines}<dl>\n{entries}</dl>"


def _of_variable(
    report: Report, document: Mapping[str, Any], frame: Frame | None, charts: list[Chart]
) -> Iterator[str]:
    yield "<h3>Errors</h3>"
    yield _overall(report, document)
    yield f"<p>{_text(resolved(report))}</p>"
    yield "<h3>Spectra</h3>"
    said = [means(report)] if means(report) else []
    said += ["thin: each channel"] if 1 < len(report.power[0]) <= LISTED else []
    words = "; ".join([*said, "point at a curve for its numbers"])
    yield _figure(spectra_chart(report, document), charts, f"{words[0].upper()}{words[1:]}.")
    if frame is not None:
        where = ", ".join(frame.where)
        yield f"<h3>{_text(f'One frame: {where}' if where else 'The fields')}</h3>"
        if frame.block > 1:
            yield f'<p class="note">Each point is a mean over {frame.block} x {frame.block} points.</p>'
        figures = [_figure(chart, charts, name, above=True) for name, chart in map_charts(frame, report.units)]
        yield f'<div class="maps">{"".join(figures)}</div>'
    if report.per:
        yield f"<h3>{_text(f'Along {report.layout.name(report.layout.per or 0)}')}</h3>"
        if len(report.per) > 1:
            yield _figure(along_chart(report, document), charts, "Bands, index by index.")
        rows = [
            (tuple(way.label(i) for way in report.ways), row, row["bands"])
            for i, row in enumerate(document["per"]["rows"])
        ]
        keys = [way.name + (f" ({way.units})" if way.units else "") for way in report.ways]
        tables = "".join(_tables(keys, rows))
        opened = " open" if len(rows) <= OPEN else ""
        yield f"<details{opened}><summary>{len(rows)} rows</summary>{tables}</details>"


def _figure(chart: Chart, charts: list[Chart], words: str, above: bool = False) -> str:
    charts.append(chart)
    place = f'<div class="chart" id="chart-{len(charts) - 1}" style="height:{chart["layout"]["height"]}px"></div>'
    caption = f"<figcaption>{_text(words)}</figcaption>"
    return f"<figure>{caption + place if above else place + caption}</figure>\n"


def _overall(report: Report, document: Mapping[str, Any]) -> str:
    scale = "wavenumbers" if document["sphere"] is None else "degrees"
    headings = [scale, "error", "amplitude part", "phase part", "energy ratio", "coherence"]
    top = _headers(("", *headings))
    blank = "<td></td>" * 4
    units = f" ({document['units']})" if document["units"] not in (None, "", "1") else ""
    rows = []
    for name, words in SCORES.items():
        if document.get(name) is not None:
            of = "" if name == "anomaly_correlation" else units
            rows.append(("", words + of, f"<td>all</td>{_number(document[name])}{blank}"))
    bands = document["bands"]
    whole = reach(bands[0]["wavenumbers"][0], bands[-1]["wavenumbers"][1])
    rows.append(("", "field error", f"<td>all</td>{_number(document['field_error'])}{blank}"))
    rows.append(("", "spectrum error", f"<td>{whole}</td>{_number(document['spectrum_error'])}{blank}"))
    for name, value in document["losses"].items():
        if name not in ("field_error", "spectrum_error"):
            rows.append(("", name.replace("_", " "), f"<td></td>{_number(value)}{blank}"))
    for band in bands:
        cells = f"<td>{reach(*band['wavenumbers'])}</td>" + "".join(_number(band[name]) for name in ALL)
        rows.append(("rule" if band is bands[0] else "", f"{band['name']} band", cells))
    lines = (f"<tr{f' class={kind}' if kind else ''}><th>{_text(name)}</th>{cells}</tr>" for kind, name, cells in rows)
    return _table(f"<tr>{top}</tr>", lines)


def _tables(keys: Sequence[str], rows: Sequence[tuple[tuple[str, ...], Mapping[str, Any], Any]]) -> Iterator[str]:
    """Several tables with the same rows: one would be wider than a page."""
    first = rows[0][1]
    key, tall = (_headers(keys, more) for more in (KEY, f'{KEY} rowspan="2"'))
    singles = ["field_error", "spectrum_error", *(name for name in SCORES if name in first)]
    losses = [name for name in first["losses"] if name not in singles]
    headings = [SCORES.get(name, name.replace("_", " ")) for name in (*singles, *losses)]
    resolution = first["effective_resolution"]
    known = {row["effective_resolution"]["unit"] for _, row, _ in rows}
    unit = resolution["unit"] if len(known) == 1 else "mixed"
    words = "resolved up to wavenumber" if unit == "wavenumber" else f"effective resolution ({unit})"
    words += ", coarsest" if any(len(row["effective_resolution"]["channels"]) > 1 for _, row, _ in rows) else ""
    top = _headers((*headings, words))
    lines = (
        f"<tr>{_headers(labels)}{''.join(_number(row[name]) for name in singles)}"
        f"{''.join(_number(row['losses'][name]) for name in losses)}{_coarsest(row['effective_resolution'])}</tr>"
        for labels, row, _ in rows
    )
    yield _table(f"<tr>{key}{top}</tr>", lines)
    for names in (ALL[:3], ALL[3:]):
        groups = "".join(f'<th colspan="{len(names)}">{band["name"]}</th>' for band in rows[0][2])
        below = "".join(f"<th>{name.replace('_', ' ')}</th>" for _ in rows[0][2] for name in names)
        lines = (
            f"<tr>{_headers(labels)}{''.join(_number(band[name]) for band in bands for name in names)}</tr>"
            for labels, _, bands in rows
        )
        yield _table(f"<tr>{tall}{groups}</tr><tr>{below}</tr>", lines)


def _headers(names: Iterable[str], more: str = "") -> str:
    return "".join(f"<th{more}>{_text(name)}</th>" for name in names)


def _coarsest(resolution: Mapping[str, Any]) -> str:
    channels = resolution["channels"]
    if None in channels:
        return "<td>nothing</td>"
    value = min(channels) if resolution["unit"] == "wavenumber" else max(channels)
    return f'<td><data value="{value!r}">{long(value)}</data></td>'


def _table(top: str, lines: Iterable[str]) -> str:
    inside = "\n".join(lines)
    return f'<div class="wide"><table><thead>{top}</thead><tbody>\n{inside}\n</tbody></table></div>'


def _number(value: float | None) -> str:
    """A cell: three digits to read, all of them to those who look closer."""
    return (
        "<td>-</td>" if value is None else f'<td><data value="{value!r}" title="{value!r}">{short(value)}</data></td>'
    )


def _name(document: Mapping[str, Any]) -> str:
    return document["variable"] or ""


def _text(words: object) -> str:
    return html.escape(printable(str(words)))
