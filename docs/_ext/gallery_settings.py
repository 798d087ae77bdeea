"""How the examples of the gallery are run: in which order, in which style, and with warnings as errors."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

ORDER = (
    "what_field_error_misses",
    "what_each_loss_sees",
    "spectra_of_forecasts",
    "effective_resolution",
    "amplitude_and_phase",
    "energy_spectrum",
    "edges",
    "directions",
    "waves_near_a_pole",
    "train_after_a_ramp",
    "controller_on_a_plant",
    "stored_target_spectrum",
)

STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": "medium",
    "figure.dpi": 110,
    "legend.frameon": False,
    "savefig.dpi": 110,
}

_filters: list[Any] = []


def order(name: str) -> int:
    """The place of an example, by the name of its file."""
    return ORDER.index(Path(name).stem)


def prepare(settings: dict[str, Any], name: str, when: str) -> None:
    """The style of the figures, and no warning goes unheard, from before each example until after it."""
    import matplotlib as mpl

    if when == "before":
        mpl.rcParams.update(STYLE)
        _filters[:] = warnings.filters
        warnings.simplefilter("error")
    else:
        warnings.filters[:] = _filters
