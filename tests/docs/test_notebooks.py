"""The notebooks under docs/examples run from top to bottom, and show what they are stored with."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from frameworks import needs

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
NAMES = ("evaluate_a_forecast", "train_on_colab", "weather_on_the_sphere")
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")


def stored(name: str) -> Any:
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return notebook


@pytest.fixture
def executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a notebook in a folder of the test's."""
    manager = pytest.importorskip("jupyter_client.kernelspec").KernelSpecManager()
    if "python3" not in manager.find_kernel_specs():
        pytest.skip("there is no kernel python3")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import notebooks

    yield lambda name: notebooks.executed(EXAMPLES / f"{name}.ipynb", tmp_path)
    sys.modules.pop("notebooks")
    assert {path.name for path in tmp_path.iterdir()} <= {"ipython"}


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def printed(notebook: Any) -> str:
    text = "".join(output["text"] for output in outputs(notebook) if output["output_type"] == "stream")
    return re.sub(r"\x1b\[[\d;]*m", "", text)  # the table of `compare` is bold where it is looked at


def pictures(notebook: Any) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def test_all_notebooks_are_known() -> None:
    assert sorted(path.stem for path in EXAMPLES.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_stored_with_its_outputs_and_nothing_else(name: str) -> None:
    notebook = stored(name)
    assert all(not cell.metadata for cell in notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert pictures(notebook) >= 1
    assert all(output["output_type"] in ("stream", "display_data") for output in outputs(notebook))
    assert all(output.get("name") != "stderr" for output in outputs(notebook))
    assert set().union(*(output.get("data", {}) for output in outputs(notebook))) == {"image/png"}
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))  # from top to bottom
    assert (EXAMPLES / f"{name}.ipynb").stat().st_size < 300_000


@pytest.mark.parametrize("name", NAMES)
def test_elsewhere_it_installs_itself_before_it_is_imported(name: str) -> None:
    first = next(cell.source for cell in stored(name).cells if cell.cell_type == "code")
    ((extras,),) = [re.findall(r'%pip install -q "spectral-losses\[([\w,]+)\]"', first)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


@needs("torch", "matplotlib", "ipykernel", "nbclient")
@pytest.mark.filterwarnings("ignore")  # those of Jupyter
def test_the_training_runs(executed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECTRAL_LOSSES_EPOCHS", "3")
    notebook = executed("train_on_colab")
    assert "epoch 2: disabled" in printed(notebook)
    assert "epoch 2: waiting" in printed(notebook)
    assert len(re.findall(r"field error \d\.\d+  distance \d+\.\d+", printed(notebook))) == 2
    assert pictures(notebook) == 2


@needs("xarray", "rich", "plotly", "matplotlib", "ipykernel", "nbclient")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["evaluate_a_forecast", "weather_on_the_sphere"])
def test_what_is_stored_is_what_comes_out(name: str, executed: Any) -> None:
    before, after = stored(name), executed(name)
    assert NUMBER.sub("#", printed(after)).split() == NUMBER.sub("#", printed(before)).split()
    wanted = [float(number) for number in NUMBER.findall(printed(before))]
    assert len(wanted) > 40
    assert [float(number) for number in NUMBER.findall(printed(after))] == pytest.approx(wanted, rel=0.02, abs=0.011)
    assert pictures(after) == pictures(before)
