"""The tables of losses, made from the losses themselves.

``{losses}`` has a row for each loss that is registered: a link to its section, the first line of its docstring, what it
looks at, and what it is called elsewhere, which is told in the body, a line for each loss.
``{loss-options}`` has what each takes. That is found by trying: an option is taken if the loss does not refuse it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses

PAGES = ("fields", "power", "phases", "multiscale")  # of the families, in the order of the chapter
BASES = {"Points": "fields", "Modes": "modes", "Weighed": "modes", "Wavelets": "wavelets"}
TRIED: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "stored `Spectrum`": lambda x: {"target": sl.radial_spectrum(x)},
    "`shell_weights`": lambda x: {"shell_weights": 1.0},
    '`bins="modes"`': lambda x: {"bins": "modes"},
    "`pool`": lambda x: {"pool": "frames"},
    "`window`, `detrend`": lambda x: {"window": "hann", "detrend": "linear"},
    "`mask`": lambda x: {"mask": np.ones(x.shape[-2:])},
    "`Sphere`": lambda x: {"grid": sl.Sphere("equiangular")},
}


class Losses(SphinxDirective):
    """What each loss is."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """A row for each loss; a name in the body that is none, or one that is missing, is an error."""
        homes = sections(Path(self.env.doc2path(self.env.docname)).parent)
        lines = dict(line.split(":", 1) for line in self.content if line.strip())
        registered = all_losses()
        for what, names in (("section of its family's page", homes), ("line in this table", lines)):
            if missing := sorted(registered.keys() - names.keys()):
                raise self.error(f"no {what} for {', '.join(missing)}")
        if unknown := sorted(lines.keys() - registered.keys()):
            raise self.error(f"no such loss: {', '.join(unknown)}")
        rows = [
            (f"[`{name}`]({homes[name]}.md#{name})", summary(registered[name]), lines[name].strip(), needs(name))
            for name in homes
            if name in registered
        ]
        return table(self, ("loss", "in words", "known elsewhere as", "looks at"), rows)


class LossOptions(SphinxDirective):
    """What each loss takes."""

    def run(self) -> list[nodes.Node]:
        """A row for each loss, a column for each option that is tried."""
        homes = sections(Path(self.env.doc2path(self.env.docname)).parent)
        rows = [
            (f"`{name}`", *("yes" if takes(name, tried) else "" for tried in TRIED.values()), own(name))
            for name in homes
            if name in all_losses()
        ]
        return table(self, ("loss", *TRIED, "its own"), rows)


def sections(folder: Path) -> dict[str, str]:
    """The page of each loss, in the order of the chapter."""
    return {
        name: page
        for page in PAGES
        for name in re.findall(r"^## `(\w+)`$", (folder / f"{page}.md").read_text("utf-8"), flags=re.MULTILINE)
    }


def summary(loss: Callable[..., Any]) -> str:
    """The first line of a docstring, in Markdown."""
    return (inspect.getdoc(loss) or "").split("\n\n")[0].replace("\n", " ").replace("|", r"\|")


def needs(name: str) -> str:
    """What a loss looks at: a word for its basis, and of shells the statistics of a pair that its objective needs."""
    x = example()
    comparison = all_losses()[name].compare(x, x)  # type: ignore[attr-defined]
    basis = type(comparison.plan.basis).__name__
    return BASES.get(basis) or f"${', '.join(comparison.objective.needs)}$"


def takes(name: str, tried: Callable[[Any], dict[str, Any]]) -> bool:
    """Whether a loss does not refuse an option."""
    x = example()
    options = {"channel_axis": None, **tried(x)}
    try:
        all_losses()[name](x, options.pop("target", x), **options)
    except (TypeError, ValueError):
        return False
    return True


def own(name: str) -> str:
    """Options that are in the signature of one loss alone, besides the guard ``eps``."""
    given = {
        each: {p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
        for each, function in all_losses().items()
    }
    others = set().union(*(names for each, names in given.items() if each != name))
    return ", ".join(f"`{option}`" for option in sorted(given[name] - others - {"eps"}))


def example() -> Any:
    """Two frames on a grid that is one of latitudes and longitudes, too."""
    return np.random.default_rng(0).normal(size=(2, 9, 16))


def table(directive: SphinxDirective, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[nodes.Node]:
    """A table of Markdown, parsed where the directive stands, with the directive's name for a class."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]
    parent = nodes.Element()
    directive.state.nested_parse(StringList(lines, source="losses"), 0, parent)
    for each in parent.findall(nodes.table):
        each["classes"].append(directive.name)
    return parent.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("losses", Losses)
    app.add_directive("loss-options", LossOptions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
