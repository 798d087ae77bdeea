"""The page that ``compare --report`` writes: its numbers, its figures, what it holds of names, what is refused."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import maps

pytest.importorskip("plotly")
pytest.importorskip("rich")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FITS = """[...document.querySelectorAll(".chart")].every((chart) =>
    Math.abs(chart.querySelector(".main-svg").clientWidth - chart.clientWidth) <= 1)"""
COLOURS = """(place) => (({color, backgroundColor}) => [color, backgroundColor])(
    getComputedStyle(document.querySelector(place)))"""
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """What a page holds: its numbers, words, tags and figures."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.numbers: list[float] = []
        self.words = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.charts: list[dict[str, Any]] = []
        self.open: list[str] = []
        self.feed(path.read_text("utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "data":
            self.numbers.append(float(str(dict(attrs)["value"])))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            if self.tags[-1][1].get("type") == "application/json":
                self.charts = json.loads(data)
        elif self.open and self.open[-1] != "style":
            self.words += data


def written(capsys: pytest.CaptureFixture[str], tmp_path: Path, *argv: object) -> tuple[dict[str, Any], Page]:
    """The JSON of a comparison and the page of it."""
    path = tmp_path / "page.html"
    assert main(["compare", *map(str, argv), "--json", "--report", str(path)]) == 0
    return json.loads(capsys.readouterr().out), Page(path)


def numbers_of(found: dict[str, Any]) -> Iterator[float]:
    """What the tables have of one comparison."""
    names = ("field_error", "spectrum_error", "rmse", "bias", "anomaly_correlation")
    yield from (found[name] for name in names if found.get(name) is not None)
    yield from found["losses"].values()
    for band in found["bands"]:
        numbers = (band[name] for name in ("error", "amplitude_part", "phase_part", "energy_ratio", "coherence"))
        yield from (each for each in numbers if each is not None)


def unpacked(chart: dict[str, Any]) -> Any:
    """The field of a map."""
    z = chart["data"][0]["z"]
    return np.frombuffer(base64.b64decode(z["bdata"]), f"<{z['dtype']}").reshape(
        [int(n) for n in z["shape"].split(",")]
    )


def contrast(one: str, other: str) -> float:
    """Of two colours as browsers write them, by the formula of WCAG 2."""
    lights = []
    for colour in (one, other):
        parts = np.array([float(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        lights.append(float(linear @ [0.2126, 0.7152, 0.0722]))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def save(path: Path, seed: int, shape: tuple[int, ...] = (3, 2, 16, 20)) -> Any:
    truth = np.cumsum(np.random.default_rng(0).standard_normal(shape), -1)
    field = truth + seed * np.random.default_rng(seed).standard_normal(shape)
    np.save(path, field)
    return field


@pytest.fixture
def files(tmp_path) -> tuple[str, str]:
    for name, seed in (("p.npy", 1), ("t.npy", 0)):
        save(tmp_path / name, seed)
    return str(tmp_path / "p.npy"), str(tmp_path / "t.npy")


@pytest.fixture(scope="module")
def globe(tmp_path_factory) -> tuple[str, str]:
    """Two files of two variables on the sphere."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    north, east = np.arange(90, -91, -15.0), np.arange(0, 360, 15.0)
    coords = {
        "time": np.array(["2020-01-01T00", "2020-01-01T06", "2020-01-01T12"], "datetime64[ns]"),
        "latitude": ("latitude", north, {"units": "degrees_north"}),
        "longitude": ("longitude", east, {"units": "degrees_east"}),
    }
    folder = tmp_path_factory.mktemp("globe")
    paths = folder / "f.nc", folder / "e.nc"
    for path, seed in zip(paths, (1, 2), strict=True):
        fields = 280 + np.random.default_rng(seed).standard_normal((2, 3, len(north), len(east)))
        dims = ("time", "latitude", "longitude")
        units = ("K", '"<b>&')
        arrays = {
            n: xarray.DataArray(x, coords, dims, attrs={"units": u})
            for n, x, u in zip("ab", fields, units, strict=True)
        }
        xarray.Dataset(arrays).to_netcdf(path, engine="h5netcdf")
    return str(paths[0]), str(paths[1])


# What it holds


def test_the_tables_have_the_numbers(files, tmp_path, capsys):
    argv = (*files, "--per", "0", "--losses", "log_spectral_distance,field_error", "--climatology", files[1])
    found, page = written(capsys, tmp_path, *argv)
    for numbers in (found, *found["per"]["rows"]):
        assert set(numbers_of(numbers)) <= set(page.numbers)
    for words in ("p.npy against t.npy", *files, "3 x 2 x 16 x 20", "3 frames, 2 channels", f"losses {sl.__version__}"):
        assert words in page.words
    assert f"{found['field_error']:#.3g}" in page.words
    assert "--climatology" in page.words


def test_the_spectra_are_those_of_the_json(files, tmp_path, capsys):
    found, page = written(capsys, tmp_path, *files)
    chart, *drawn = page.charts
    spectra = found["spectra"]
    curves = {(trace.get("name"), trace["yaxis"]): trace for trace in chart["data"] if "name" in trace}
    assert curves.keys() == {("truth", "y"), ("prediction", "y"), ("energy_ratio", "y2"), ("coherence", "y3")}
    for (name, _), trace in curves.items():
        assert trace["x"] == spectra["wavenumber"]
        np.testing.assert_allclose(trace["y"], np.mean(spectra[name], axis=0), rtol=1e-12)
    said = curves["truth", "y"]["text"][2].split("<br>")
    assert said[0] == "<b>wavenumber 3</b>"
    for name in ("truth", "prediction", "energy ratio", "coherence"):
        value = np.mean(spectra[name.replace(" ", "_")], axis=0)[2]
        assert f"{name}: {value:#.3g}" in said
    assert not any("wavelength" in line for line in said)  # of axes of different sizes it has no unit
    assert len([t for t in chart["data"] if t["yaxis"] == "y3"]) == 3  # both channels, and their mean
    assert len(drawn) == 3
    assert "Mean over 3 frames and 2 channels; thin: each channel; point at" in page.words
    assert written(capsys, tmp_path, *files, "--lengths", "1")[1].charts[0]["data"][-1]["text"][0].count("wavelength")


def test_maps_are_of_the_first_frame(files, tmp_path, capsys):
    _, page = written(capsys, tmp_path, *files)
    p, t = (np.load(path)[0, 0] for path in files)
    for chart, field in zip(page.charts[1:], (p, t, p - t), strict=True):
        np.testing.assert_allclose(unpacked(chart), field, rtol=1e-6, atol=1e-6)
    ends = [(chart["data"][0]["zmin"], chart["data"][0]["zmax"]) for chart in page.charts[1:]]
    assert ends[0] == ends[1] == (min(p.min(), t.min()), max(p.max(), t.max()))
    assert ends[2] == (-abs(p - t).max(), abs(p - t).max())
    assert "One frame: axis 0 = 0, channel 0" in page.words
    assert page.charts[1]["layout"]["yaxis"]["autorange"] == "reversed"


def test_large_maps_are_means_of_blocks(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(maps, "POINTS", 50)
    _, page = written(capsys, tmp_path, *files)
    field = np.load(files[1])[0, 0]
    rows, columns = ([slice(i, i + 3) for i in range(0, n, 3)] for n in field.shape)  # 320 points in blocks of 9
    expected = [[field[i, j].mean() for j in columns] for i in rows]
    np.testing.assert_allclose(unpacked(page.charts[2]), expected, rtol=1e-5)
    assert page.charts[2]["data"][0]["x"] == [1, 4, 7, 10, 13, 16, 18.5]
    assert "a mean over 3 x 3 points" in page.words


def test_what_does_not_count_is_left_blank_and_what_is_skipped_is_not_the_first(files, tmp_path, capsys):
    field = np.load(files[0])
    field[0, 0, 2, 3] = np.nan
    np.save(files[0], field)
    shown = unpacked(written(capsys, tmp_path, *files, "--nan", "fill")[1].charts[1])
    assert np.argwhere(np.isnan(shown)).tolist() == [[2, 3]]
    _, page = written(capsys, tmp_path, *files, "--nan", "skip")
    np.testing.assert_allclose(unpacked(page.charts[1]), field[1, 0], rtol=1e-6)
    assert "axis 0 = 1" in page.words


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_fields_of_any_size_are_drawn(files, tmp_path, capsys, scale):
    for path in files:
        np.save(path, scale * np.load(path))
    _, page = written(capsys, tmp_path, *files)
    np.testing.assert_allclose(unpacked(page.charts[1]), np.load(files[0])[0, 0], rtol=1e-12)


@pytest.mark.parametrize(("shape", "axes"), [((4, 1, 32), "-1"), ((2, 1, 8, 8, 8), "-3,-2,-1")])
def test_fields_of_one_or_three_dimensions_have_no_maps(tmp_path, capsys, shape, axes):
    paths = [tmp_path / "p.npy", tmp_path / "t.npy"]
    for seed, path in enumerate(paths):
        save(path, seed, shape)
    found, page = written(capsys, tmp_path, *paths, "--spatial-axes", axes)
    assert len(page.charts) == 1
    assert set(numbers_of(found)) <= set(page.numbers)


def test_curves_along_two_axes(tmp_path, capsys):
    for seed, name in enumerate(("p.npy", "t.npy")):
        save(tmp_path / name, seed, (3, 2, 1, 16, 16))
    found, page = written(capsys, tmp_path, tmp_path / "p.npy", tmp_path / "t.npy", "--per", "0,1")
    rows = found["per"]["rows"]
    curves = [trace for trace in page.charts[-1]["data"] if trace["name"] == "high" and trace["yaxis"] == "y"]
    assert [trace["x"] for trace in curves] == [[0, 1, 2]] * 2
    for place, (trace, dash) in enumerate(zip(curves, ("solid", "dash"), strict=True)):
        assert trace["y"] == [row["bands"][2]["error"] for row in rows[place::2]]
        assert trace["hovertemplate"] == f"%{{y:.3g}}<extra>high, axis 1 {place}</extra>"
        assert trace["line"]["dash"] == dash
    shown = [trace["name"] for trace in page.charts[-1]["data"] if trace["showlegend"]]
    assert shown == ["all", "low", "middle", "high", "axis 1 0", "axis 1 1"]


def test_fields_of_zeros(tmp_path, capsys):
    np.save(tmp_path / "zero.npy", np.zeros((2, 1, 16, 16)))
    found, page = written(capsys, tmp_path, *[tmp_path / "zero.npy"] * 2, "--per", "0")
    assert set(numbers_of(found)) <= set(page.numbers)
    assert "nothing is resolved" in page.words


def test_variables_on_the_sphere(globe, tmp_path, capsys):
    found, page = written(capsys, tmp_path, *globe, "--variable", "a,b", "--per", "time")
    for variable in found["variables"]:
        for numbers in (variable, *variable["per"]["rows"]):
            assert set(numbers_of(numbers)) <= set(page.numbers)
    assert len(page.charts) == 2 * 5
    for words in ("a (K)", "2020-01-01T06:00", "degrees", "effective resolution (km)", "sphere, equiangular latitudes"):
        assert words in page.words
    assert page.charts[0]["layout"]["xaxis"]["title"]["text"] == "degree <i>l</i>"
    assert page.charts[0]["data"][0]["text"][1].startswith("<b>degree 2</b><br>wavelength (km): 163")
    drawn = page.charts[1]["data"][0]
    assert (drawn["y"], drawn["x"]) == (list(np.arange(90, -91, -15.0)), list(np.arange(0, 360, 15.0)))
    assert "autorange" not in page.charts[1]["layout"]["yaxis"]
    assert page.charts[4]["data"][0]["x"] == ["2020-01-01T00:00:00", "2020-01-01T06:00:00", "2020-01-01T12:00:00"]


def test_vectors_and_many_channels(globe, tmp_path, capsys):
    argv = ("--variable", "a+b", "--channels", "separate", "--isel", "time=1")
    xarray = pytest.importorskip("xarray")
    paths = [tmp_path / "f.nc", tmp_path / "e.nc"]
    for path, new in zip(globe, paths, strict=True):
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            dataset.b.attrs = dataset.a.attrs
            dataset.to_netcdf(new, engine="h5netcdf")
    _, page = written(capsys, tmp_path, *paths, *argv)
    with xarray.open_dataset(paths[0], engine="h5netcdf") as dataset:
        np.testing.assert_allclose(unpacked(page.charts[1]), dataset.a[1], rtol=1e-6)
    shape = (2, 9, 8, 8)
    for seed, name in enumerate(("p.npy", "t.npy")):
        save(tmp_path / name, seed, shape)
    _, page = written(capsys, tmp_path, tmp_path / "p.npy", tmp_path / "t.npy")
    assert len(page.charts[0]["data"]) == 4
    assert "thin" not in page.words


def test_longitude_runs_across_whatever_the_order(globe, tmp_path, capsys):
    xarray = pytest.importorskip("xarray")
    turned = [tmp_path / "turned_f.nc", tmp_path / "turned_e.nc"]
    for path, new in zip(globe, turned, strict=True):
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            dataset.transpose("longitude", "time", "latitude").to_netcdf(new, engine="h5netcdf")
    argv = ("--variable", "a", "--grid", "plane")
    straight, other = (written(capsys, tmp_path, *paths, *argv)[1].charts[1] for paths in (globe, turned))
    np.testing.assert_array_equal(unpacked(other), unpacked(straight))
    assert other["data"][0]["x"] == straight["data"][0]["x"]


# Names, and what comes from elsewhere


def test_names_are_no_markup(tmp_path, capsys):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    evil = """<script>alert(1)<\\script>"'&amp;%{x}$a$"""
    paths = [tmp_path / f"<b>&amp;\"'{i}.nc" for i in range(2)]
    for seed, path in enumerate(paths):
        field = np.random.default_rng(seed).standard_normal((2, 16, 16))
        coords = {"x": ("x", np.arange(16.0), {"units": evil}), "t": ("t", np.array([f"{evil}{i}" for i in range(2)]))}
        array = xarray.DataArray(field, coords, ("t", "y", "x"), attrs={"units": evil})
        xarray.Dataset({evil: array}).to_netcdf(path, engine="h5netcdf")
    found, page = written(capsys, tmp_path, *paths, "--per", "t")
    assert found["variable"] == found["units"] == evil
    assert sum(tag == "script" for tag, _ in page.tags) == 3
    for words in (str(paths[0]), f"{evil} ({evil})", f"t = {evil}0", f"RMSE ({evil})"):
        assert words in page.words
    drawn = json.dumps(page.charts)
    assert "&lt;script&gt;alert(1)" in drawn
    assert "<script" not in drawn
    assert "&#37;{x}&#36;a" in drawn
    assert "%{x}$" not in drawn
    data = (tmp_path / "page.html").read_text("utf-8").partition('id="charts">')[2].partition("</script>")[0]
    assert "<" not in data


def test_control_characters_and_other_bytes_are_escapes(tmp_path, capsys):
    path = tmp_path / "a\x1b[31m.npy"
    save(path, 0)
    _, page = written(capsys, tmp_path, path, path)
    assert "\x1b" not in page.words
    assert r"a\x1b[31m.npy" in page.words


def test_nothing_comes_from_elsewhere(files, tmp_path, capsys):
    _, page = written(capsys, tmp_path, *files, "--per", "0")
    assert not any({"src", "href", "srcset", "data", "action"} & attributes.keys() for _, attributes in page.tags)
    (policy,) = (a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert str(policy).startswith("default-src 'none';")
    assert "http" not in str(policy)
    head = (tmp_path / "page.html").read_text().partition("<script>")[0]
    assert "@import" not in head
    assert "url(" not in head


# What is refused


def test_paths_that_are_refused(files, tmp_path, capsys):
    for path, words in (
        ("page.htm", "--report: takes a file that ends in .html, got"),
        ("none/page.html", "No such file or directory"),
        ("folder.html", "Is a directory"),
        ("link.html", "is the same file as"),
    ):
        (tmp_path / "folder.html").mkdir(exist_ok=True)
        if path == "link.html":
            (tmp_path / path).symlink_to(files[0])
        assert main(["compare", *files, "--report", str(tmp_path / path)]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("spectral-losses: error: ")
        assert printed.err.count("\n") == 1
        assert words in printed.err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder.html", "link.html", "p.npy", "t.npy"]


def test_an_error_leaves_what_was_there(files, tmp_path, capsys):
    (tmp_path / "page.html").write_text("before")
    field = np.load(files[0])
    field[-1, -1, -1, -1] = np.inf
    np.save(files[0], field)
    assert main(["compare", *files, "--report", str(tmp_path / "page.html")]) == 2
    assert "not finite at [2, 1, 15, 19]" in capsys.readouterr().err
    assert (tmp_path / "page.html").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 3


def test_without_plotly_the_extra_is_named(files, tmp_path, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "plotly", None)
    assert main(["compare", *files, "--report", str(tmp_path / "page.html")]) == 2
    assert (
        "--report needs plotly, which is not installed: pip install plotly (the extra 'report'"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(("factor", "mark", "height"), [(1e6, "▲ to 1.0e+12", 1), (1e-6, "▼ to 1e-12", 0)])
def test_ratios_out_of_range_are_marked(tmp_path, capsys, factor, mark, height):
    truth = save(tmp_path / "t.npy", 0, (3, 1, 16, 16))
    k = np.hypot(16 * np.fft.fftfreq(16)[:, None], np.arange(9))
    np.save(tmp_path / "p.npy", np.fft.irfft2(np.fft.rfft2(truth) * np.where(k > 4.5, factor, 1), s=(16, 16)))
    _, page = written(capsys, tmp_path, tmp_path / "p.npy", tmp_path / "t.npy", "--per", "0", "--bands", "2,4")
    chart, along = page.charts[0], page.charts[-1]
    (cut,) = [each for each in chart["layout"]["annotations"] if each["text"] == mark]
    assert (cut["x"], cut["y"]) == (pytest.approx(np.log10(5)), height)
    (cut,) = [each for each in along["layout"]["annotations"] if each["text"] == mark]
    assert (cut["x"], cut["font"]["color"]) == (0, "#CC79A7")
    assert along["layout"]["yaxis2"]["type"] == "log"


def test_the_effective_resolution_is_a_line(files, tmp_path, capsys):
    truth = np.random.default_rng(0).standard_normal((20, 1, 32, 32))
    k = np.hypot(np.fft.fftfreq(32)[:, None] * 32, np.fft.rfftfreq(32) * 32)
    np.save(files[1], truth)
    np.save(files[0], np.fft.irfft2(np.where(k < 8.5, np.fft.rfft2(truth), 0), s=(32, 32)))
    found, page = written(capsys, tmp_path, *files)
    (resolution,) = found["effective_resolution"]["channels"]
    layout = page.charts[0]["layout"]
    (line,) = [each for each in layout["shapes"] if each.get("yref") == "y3 domain"]
    assert line["x0"] == line["x1"] == pytest.approx(32 / resolution)
    assert f"resolved to {resolution:.2g} grid points" in [each["text"] for each in layout["annotations"]]


def test_units_are_squared(globe, tmp_path, capsys):
    _, page = written(capsys, tmp_path, *globe, "--variable", "a,b")
    titles = [page.charts[place]["layout"]["yaxis"]["title"]["text"] for place in (0, 4)]
    assert titles == ["power <i>P<sub>l</sub></i> (K²)", "power <i>P<sub>l</sub></i> ((&quot;&lt;b&gt;&amp;)²)"]


# In a browser


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_in_a_browser(globe, tmp_path, capsys, browser, scheme):
    """It says no error, asks for nothing, does not scroll sideways, and has its numbers where it is pointed at."""
    written(capsys, tmp_path, *globe, "--variable", "a", "--per", "time")
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto((tmp_path / "page.html").as_uri())
    for width in (390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        for _ in range(100):
            if page.evaluate(FITS):
                break
            page.wait_for_timeout(50)
        assert page.evaluate(FITS)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        for place, words in (("#chart-0", "coherence: "), ("#chart-1", "longitude"), ("#chart-4", "2020")):
            page.locator(place).scroll_into_view_if_needed()
            box = page.locator(f"{place} .nsewdrag[data-subplot='xy']").bounding_box()
            page.mouse.move(box["x"] + 0.52 * box["width"], box["y"] + box["height"] / 2, steps=2)
            page.locator(f"{place} .hoverlayer", has_text=words).wait_for(timeout=5000)
            if place == "#chart-0":
                shown = page.locator(f"{place} .hoverlayer").text_content()
                for name in ("degree", "wavelength (km): ", "truth: ", "prediction: ", "energy ratio: "):
                    assert name in shown
    # Charts lie on white; the page and its words are legible in both schemes.
    colours = [page.evaluate(COLOURS, place) for place in ("body", "p", "td", "dt", "figcaption")]
    for ink, _ in colours:
        assert contrast(ink, colours[0][1]) > 4.5
    assert page.evaluate(COLOURS, ".chart")[1] == "rgb(255, 255, 255)"
    page.emulate_media(media="print")
    assert page.evaluate(COLOURS, "body") == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.close()
    assert said == [(tmp_path / "page.html").as_uri()]
