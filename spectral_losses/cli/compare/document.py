"""A comparison as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spectral_losses import __version__
from spectral_losses.cli.compare.globe import described
from spectral_losses.cli.compare.report import Report, Row, losses_of, shares_of
from spectral_losses.cli.compare.resolution import cross_of
from spectral_losses.cli.ui.console import write
from spectral_losses.plot.curves import round_off


def print_json(reports: list[Report]) -> None:
    """Print one JSON object to stdout; ``spectral-losses compare --help`` documents its keys."""
    documents = [document_of(each) for each in reports]
    document = documents[0]
    if len(reports) > 1:
        shared = ("version", "prediction", "truth", "options")
        document = {name: document[name] for name in shared}
        document["variables"] = [{name: each[name] for name in each if name not in shared} for each in documents]
    write(json.dumps(document, allow_nan=False) + "\n")


def document_of(report: Report) -> dict[str, Any]:
    """One variable as ``spectral-losses compare --help`` documents it."""
    layout = report.layout
    stored = layout if layout.merged is None else layout.merged
    shape, dims = stored.shape, stored.dims
    document: dict[str, Any] = {
        "version": __version__,
        "prediction": report.prediction,
        "truth": report.truth,
        "variable": report.variable,
        "units": report.units,
        "options": report.options,
        "shape": shape,
        "dims": dims,
        "frames": layout.frames,
        "channels": layout.channels,
        "grid": layout.grid,
        "sphere": described(report.grid),
        "reordered": report.moved,
        "repeated": report.repeated,
        "skipped": report.skipped,
        **numbers_of(report, report.overall, [{"wavenumbers": b.centres, "edges": b.edges} for b in report.bands]),
        "spectra": _spectra(report),
    }
    ways = report.ways
    if ways:
        document["per"] = {
            "axis": _one([way.axis for way in ways]),
            "name": _one([None if dims is None else way.name for way in ways]),
            "units": _one([None if way.coordinate is None else way.coordinate.units for way in ways]),
            "rows": [
                {
                    "index": _one([way.indices[index] for way in ways]),
                    "coordinate": _one([way.coordinate and way.coordinate.plain(way.places[index]) for way in ways]),
                    **numbers_of(report, row),
                }
                for index, row in enumerate(report.per)
            ],
        }
    return document


def numbers_of(report: Report, row: Row, of_bands: Sequence[Mapping[str, object]] = ({},) * 3) -> dict[str, object]:
    """One comparison, for JSON; ``of_bands`` is what else there is to say about each band."""
    return {
        "field_error": row.field_error,
        "spectrum_error": row.spectrum_error,
        **row.scores,
        "losses": losses_of(report, row),
        "bands": [
            {"name": band.name, **more, **numbers._asdict()}
            for band, more, numbers in zip(report.bands, of_bands, row.bands, strict=True)
        ],
        "effective_resolution": row.resolution._asdict(),
    }


def curves_of(report: Report, row: Row) -> dict[str, list[list[float | None]]]:
    """Channel by channel and shell by shell what the picture shows, as shares of the mean square."""
    cross = cross_of(row.power, report.grid, report.precision)
    prediction, truth, difference = shares_of(report, row)
    # As the picture: what is weaker is round-off, and has neither a ratio nor a coherence.
    seen = truth > round_off(truth, report.precision)
    ratio = np.divide(prediction, truth, out=np.full_like(truth, np.nan), where=seen)
    return {
        "prediction": prediction.tolist(),
        "truth": truth.tolist(),
        "difference": difference.tolist(),
        "energy_ratio": _known(ratio),
        "coherence": _known(np.where(seen, cross.coherence, np.nan)),
    }


def _spectra(report: Report) -> dict[str, object]:
    grid = report.grid
    return {
        "wavenumber": np.asarray(grid.centres()).tolist(),
        "edges": np.asarray(grid.edges()).tolist(),
        "counts": np.asarray(grid.counts()).tolist(),
        **curves_of(report, report.overall),
    }


def _one(values: list[Any]) -> Any:
    """What there is one of by itself."""
    return values[0] if len(values) == 1 else values


def _known(values: Any) -> list[list[float | None]]:
    return [[float(each) if np.isfinite(each) else None for each in row] for row in values]
