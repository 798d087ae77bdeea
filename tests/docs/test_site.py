"""The site, built, as a reader's browser sees it.

``SITE`` names a folder that was built already, which ``.ci/run docs`` does. Without it, ``--slow`` builds the pages
once for this file, in a copy, and the examples of the gallery are not run. What needs a browser is skipped where
there is none: it takes Chromium, and ``pip install playwright``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import built_site
import pytest

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("sphinx", "myst_parser", "furo", "sphinx_gallery", "mathjax", "matplotlib", "torch", "hypothesis")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages."""
    if built := os.environ.get("SITE"):
        return Path(built)
    if not request.config.getoption("--slow"):
        pytest.skip("builds the pages: runs with --slow, or where SITE names a folder of them")
    for package in NEEDED:
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("_build", "auto_gallery"))
    shutil.copyfile(ROOT / "CHANGELOG.md", folder / "CHANGELOG.md")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-D", "plot_gallery=0", "-b", "html"]
    paths = [str(ROOT), str(ROOT / "backends"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    subprocess.run([*command, folder / "docs", folder / "html"], check=True, env=environment)
    return folder / "html"


def test_links_lead_somewhere_pictures_have_texts_and_nothing_comes_from_elsewhere(site: Path) -> None:
    assert built_site.problems(site) == []
    assert len(built_site.pages_of(site)) > 40


def test_the_tables_of_losses_have_all_of_them(site: Path) -> None:
    page = (site / "losses" / "index.html").read_text("utf-8")
    tables = re.findall(r'<table class="[^"]*\b(?:losses|loss-options)\b.*?</table>', page, flags=re.DOTALL)
    assert len(tables) == 2
    for name in all_losses():
        assert all(f">{name}<" in table for table in tables), name


def test_what_a_loss_takes_is_what_it_does_not_refuse(site: Path) -> None:
    page = (site / "losses" / "index.html").read_text("utf-8")
    table = re.findall(r'<table class="[^"]*\bloss-options\b.*?</table>', page, flags=re.DOTALL)[0]
    rows = {}
    for row in re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL):
        cells = [re.sub(r"<.*?>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, flags=re.DOTALL)]
        rows[cells[0]] = cells[1:]
    taken = {name: dict(zip(rows["loss"], cells, strict=True)) for name, cells in rows.items()}
    assert taken["log_spectral_distance"]["pool"] == taken["log_spectral_distance"]["shell_weights"] == "yes"
    assert taken["field_error"]["mask"] == "yes"
    assert taken["focal_frequency_error"]["pool"] == taken["wavelet_error"]["Sphere"] == ""
    assert taken["focal_frequency_error"]["its own"] == "alpha, whiten"


def test_a_name_of_the_package_is_a_link_wherever_a_docstring_has_it(site: Path) -> None:
    def names(html: str) -> set[str]:
        found = re.findall(r'<code class="xref py py-obj [^>]*>(.*?)</code>', html)
        return {re.sub("<.*?>", "", each) for each in found}

    plain, shown = set(), set()
    for path in built_site.pages_of(site):
        page = path.read_text("utf-8")
        shown |= names(page)
        plain |= names(re.sub(r"<a .*?</a>", "", page, flags=re.DOTALL))
    assert {"CompositeLoss", "radial_spectrum"} <= shown
    assert plain & set(dir(sl)) == set()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_in_a_browser(site: Path, browser: Any, width: int) -> None:
    """No page says an error, asks for a file that is not there, leaves a formula as it was, or scrolls sideways."""
    page = browser.new_page(viewport={"width": width, "height": 844})
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{page.url}: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))
    page.on("requestfailed", lambda request: said.append(f"{page.url}: {request.url}"))
    for path in built_site.pages_of(site):
        page.goto(path.as_uri())
        if page.evaluate("'MathJax' in window"):
            page.evaluate("MathJax.startup.promise.then(() => null)")
        raw = page.evaluate("[...document.querySelectorAll('.math')].filter(x => !x.querySelector('svg')).length")
        wrong = page.evaluate("document.querySelectorAll('[data-mjx-error], mjx-merror').length")
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if raw or wrong or wide > 0:
            said.append(f"{page.url}: {raw} formulas not set, {wrong} with errors, {wide} pixels too wide")
    page.close()
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_lie_on_white(site: Path, browser: Any, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto((site / "index.html").as_uri())
    colour = "getComputedStyle(document.querySelector({!r})).backgroundColor"
    white = "rgb(255, 255, 255)"
    assert page.evaluate(colour.format("article figure img")) == white
    assert (page.evaluate(colour.format("body")) == white) == (scheme == "light")
    page.close()
