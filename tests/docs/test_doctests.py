"""Every example in docstrings, in the pages of docs/ and in README.md runs, and shows what it prints."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
from pathlib import Path
from typing import NamedTuple

import pytest

import spectral_losses

ROOT = Path(__file__).resolve().parents[2]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
OPTIONAL = {
    "torch",
    "jax",
    "dask",
    "cupy",
    "scipy",
    "hypothesis",
    "array_api_strict",
    "xarray",
    "matplotlib",
    "rich",
    "lightning",
    "pytorch_lightning",
    "torchmetrics",
    "yaml",
    "transformers",
    "anemoi",
    "physicsnemo",
    "accelerate",
    "keras",
    "tensorflow",  # which Keras takes where nobody asks for another
    "wandb",
    "mlflow",
    "neuralop",
    "optax",
    "equinox",
    "flax",
}
MODULES = sorted(m.name for m in pkgutil.walk_packages(spectral_losses.__path__, "spectral_losses."))
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page.exists()]


class Section(NamedTuple):
    """What stands under one heading of a page; its examples share a namespace with no others."""

    page: Path
    heading: str
    line: int  # of the heading, from 0
    text: str

    def test(self) -> doctest.DocTest:
        # The blank line in place of a fence ends the output that is expected before it.
        text = re.sub(r"^ *(```|~~~).*$", "", self.text, flags=re.MULTILINE)
        return doctest.DocTestParser().get_doctest(text, {}, self.heading, str(self.page), self.line)


def sections(page: Path, text: str) -> list[Section]:
    """The parts of a page that have examples."""
    lines = text.split("\n")
    fenced, starts = False, [0]
    for i, line in enumerate(lines):
        if re.match(r" *(```|~~~)", line):
            fenced = not fenced
        elif not fenced and re.match(r"#+ ", line):
            starts.append(i)
    cut = [
        Section(page, lines[a].lstrip("# "), a, "\n".join(lines[a:b]))
        for a, b in zip(starts, [*starts[1:], None], strict=True)
    ]
    return [section for section in cut if ">>>" in section.text]


def run(test: doctest.DocTest) -> None:
    """Run the examples of one test; fail with what doctest has to say."""
    for package in sorted(imported(test) & OPTIONAL):
        pytest.importorskip(package)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test, out=said.append, clear_globs=False)  # torch.compile holds on to them
    if runner.failures:
        pytest.fail("".join(said), pytrace=False)


def imported(test: doctest.DocTest) -> set[str]:
    """Packages that the examples import."""
    nodes = [node for example in test.examples for node in ast.walk(ast.parse(example.source))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


SECTIONS = [section for page in PAGES for section in sections(page, page.read_text(encoding="utf-8"))]


# PyTorch and Lightning warn about themselves.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.*")
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.parametrize("section", SECTIONS, ids=lambda s: f"{s.page.relative_to(ROOT)}: {s.heading}")
def test_pages(section: Section) -> None:
    run(section.test())


@pytest.mark.parametrize("name", ["spectral_losses", *MODULES])
def test_modules(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in OPTIONAL:
            raise
        pytest.skip(f"{name} needs {error.name}")
    for test in doctest.DocTestFinder(exclude_empty=True).find(module):
        if test.examples:
            run(test)


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: str(page.relative_to(ROOT / "docs")))
def test_python_in_pages_is_an_example_that_runs(page: Path) -> None:
    for block in re.findall(r"^ *```py\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        assert block.lstrip().startswith(">>> "), block


def test_the_examples_are_found() -> None:
    assert {"spectral_losses.losses", "spectral_losses.testing", "spectral_losses.cli"} <= set(MODULES)
    if (ROOT / "docs" / "index.md").exists():
        assert {"index.md", "mathematics.md"} <= {section.page.name for section in SECTIONS}


BROKEN = """# A page
```python
>>> 1 + 1
3
```
"""
SPLIT = """# One
```python
>>> x = 1
>>> x
1
```
Prose after the fence is no output.

# Two
```console
# not a heading
```
```python
>>> x
1
```
"""


def test_a_wrong_example_fails() -> None:
    (section,) = sections(Path("page.md"), BROKEN)
    with pytest.raises(pytest.fail.Exception, match=r"line 3(.|\n)*Expected:\n *3\nGot:\n *2"):
        run(section.test())


def test_sections_share_no_names() -> None:
    one, two = sections(Path("page.md"), SPLIT)
    assert (one.heading, two.heading) == ("One", "Two")
    run(one.test())
    with pytest.raises(pytest.fail.Exception, match="NameError: name 'x' is not defined"):
        run(two.test())


def test_a_missing_package_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    (section,) = sections(Path("page.md"), "# A page\n>>> import no_such_package.part\n>>> 1\n2\n")
    monkeypatch.setattr(f"{__name__}.OPTIONAL", {"no_such_package"})
    with pytest.raises(pytest.skip.Exception, match="no_such_package"):
        run(section.test())
