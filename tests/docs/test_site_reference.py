"""Every public name is in the reference, docs/api, once, and in the table of its topic."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "spectral_losses"
DOCS = ROOT / "docs"
INDEX = (DOCS / "api" / "index.md").read_text("utf-8")
FILES = (  # whose names are public: those of `__all__`, and of the table of what is loaded lazily
    "__init__.py",
    "losses/__init__.py",
    "plot/__init__.py",
    "testing/__init__.py",
    "testing/arrays.py",
    *(f"integrations/{path.name}" for path in sorted((PACKAGE / "integrations").glob("[a-z]*.py"))),
)
SHOWN = re.compile(r"^\.\. (autofunction|autoclass|py:data):: (\S+)\n((?: +\S.*\n)*)", flags=re.MULTILINE)


def shown_on(page: Path) -> list[tuple[str, str]]:
    """The names that have their entry on a page, in order, each with the directive that makes it."""
    return [
        (name, kind) for kind, name, options in SHOWN.findall(page.read_text("utf-8")) if ":noindex:" not in options
    ]


def tables(index: str) -> dict[str, list[str]]:
    """The full names in the table of each topic, by the page that its heading leads to."""
    found = {}
    for page, text in re.findall(r"^## \[[^]]+\]\((\S+)\)\n(.*?)(?=^## |\Z)", index, flags=re.MULTILINE | re.DOTALL):
        (module,) = re.findall(r"^\.\. currentmodule:: (\S+)$", text, flags=re.MULTILINE)
        _, names = text.split(":nosignatures:\n")
        found[page] = [f"{module}.{name}" for name in names.split("```")[0].split()]
    return found


def names_of(path: Path) -> list[str]:
    """What a file says that it makes public; read, not imported."""
    found: list[str] = []
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("__all__", "_HOMES"):
            found += ast.literal_eval(node.value)
    return found


def home_of(file: str) -> str:
    """The module under which the names of a file are shown."""
    package, _, module = file.removesuffix(".py").rpartition("/")
    if package == "integrations":
        return f"spectral_losses.integrations.{module}"
    return "spectral_losses" if package in ("", "losses") else f"spectral_losses.{package}"


@pytest.mark.parametrize("file", FILES)
def test_every_public_name_is_in_the_reference(file: str) -> None:
    names = names_of(PACKAGE / file)
    assert names
    shown = {name for page in (DOCS / "api").glob("*.md") for name, _ in shown_on(page)}
    assert {f"{home_of(file)}.{name}" for name in names} - shown == set()


def test_no_name_is_in_the_reference_twice() -> None:
    times = Counter(name for page in DOCS.rglob("*.md") for name, _ in shown_on(page))
    assert times
    assert [name for name, n in times.items() if n > 1] == []


def test_every_page_of_the_reference_has_a_table_and_a_place_among_the_pages() -> None:
    pages = {path.name for path in (DOCS / "api").glob("*.md")} - {"index.md"}
    assert pages <= tables(INDEX).keys()
    toctree = re.findall(r"```{toctree}\n:hidden:\n\n(.*?)```", INDEX, flags=re.DOTALL)[0].split()
    assert [f"{page}.md" for page in toctree] == [page for page in tables(INDEX) if page in pages]


@pytest.mark.parametrize("page", tables(INDEX))
def test_the_table_of_a_topic_has_what_its_page_shows_in_that_order(page: str) -> None:
    shown = shown_on(DOCS / "api" / page)
    assert tables(INDEX)[page] == [name for name, kind in shown if kind != "py:data"]
