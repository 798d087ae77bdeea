"""The programs under docs/examples that the pages show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import needs

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="the examples are not here")


@pytest.fixture
def misses(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import what_field_error_misses

    yield what_field_error_misses
    for name in ("what_field_error_misses", "turbulence"):
        sys.modules.pop(name)


def test_a_blurred_and_a_moved_flow_have_one_field_error(misses: Any) -> None:
    result, fields, energy = misses.compare(32, time=0.5, blur=1.0)
    assert fields.shape == (3, 2, 32, 32)
    assert result.wavenumber.tolist() == list(range(1, 11))
    assert result.blurred["field_error"] == pytest.approx(result.moved["field_error"], rel=1e-9)
    assert 1e-3 < result.blurred["field_error"] < 0.1
    assert result.moved["spectrum_error"] < 1e-20 < 1e-3 < result.blurred["spectrum_error"]
    np.testing.assert_allclose(result.moved_ratio, 1, rtol=1e-10)
    # Each mode loses exp(-(blur k)^2) of its energy: within a shell, between that at its two edges.
    low, high = (np.exp(-((2 * np.pi / 32 * (result.wavenumber + d)) ** 2)) for d in (-0.5, 0.5))
    assert np.all((high <= result.blurred_ratio) & (result.blurred_ratio <= low))
    # The shells hold nearly all of the kinetic energy; a shell's measure is not quite its number of modes.
    assert energy[0].sum() == pytest.approx(np.mean(np.sum(fields[0] ** 2, axis=0)) / 2, rel=0.1)
    np.testing.assert_allclose(energy[1:] / energy[0], [result.blurred_ratio, result.moved_ratio])


@needs("matplotlib")
def test_the_picture_and_the_table(misses: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert misses.main([str(tmp_path / "new"), "--n", "32", "--time", "0.2", "--blur", "0.8"]) == 0
    picture = tmp_path / "new" / misses.PICTURE
    assert picture.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    rows = {line[:28].strip(): line[28:].split() for line in printed.splitlines()[:-1]}
    blurred, moved = rows["field error"]
    assert blurred == moved
    assert 0 < float(blurred) < 0.1
    assert rows["spectrum error"][1] == "0.0000" < rows["spectrum error"][0]
    assert rows["energy / truth at k = 4"][1] == "1"
    assert printed.splitlines()[-1] == f"wrote {picture}"


@needs("array_api_strict", "scipy", "hypothesis")
def test_the_example_backend_is_found_and_conforms(tmp_path: Path) -> None:
    folder = EXAMPLES / "strict_backend"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    # What an installer would write.
    site = tmp_path / "site"
    info = site / "strict_backend-0.1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strict-backend\nVersion: 0.1\n")
    ((group, entries),) = project["entry-points"].items()
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))

    def run(*paths: Path) -> subprocess.CompletedProcess[str]:
        given = [*map(str, paths), os.environ.get("PYTHONPATH", "")]
        pytest_here = f"-m pytest -q -p no:cacheprovider -c {os.devnull}".split()
        env = {"PYTHONPATH": os.pathsep.join(filter(None, given)), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *pytest_here, f"--rootdir={folder}", str(folder / "test_strict_backend.py")],
            env={**os.environ, **env},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    found = run(folder, site)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "2 passed" in found.stdout
    missing = run(folder)
    assert "1 failed, 1 passed" in missing.stdout, missing.stdout + missing.stderr


@pytest.fixture
def scheduled(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import scheduled_run

    yield scheduled_run
    sys.modules.pop("scheduled_run")


def test_the_scheduled_run_shows_every_reason_and_arrives(scheduled: Any) -> None:
    seen = scheduled.run()
    decisions = [each.decision for each in seen]
    assert len(seen) == scheduled.EPOCHS
    assert {decision.reason for decision in decisions} == set(scheduled.REASONS)
    assert [d.epoch for d in decisions if d.reason == "not finite"] == [scheduled.NAN]
    assert decisions[-1].weights["spectrum_error"] == scheduled.CONFIG.final_weight_target
    # It holds until the learning rate falls, and soon after that there is an improvement.
    held = [d.epoch for d in decisions if d.reason == "holding"]
    assert scheduled.SMALLER_RATE - 1 in held
    assert max(held) < scheduled.SMALLER_RATE + 5
    # A move lowers the floor to which the error falls.
    assert seen[-1].error < 0.1 * seen[scheduled.CONFIG.warmup_epochs].error
    assert [str(each) for each in scheduled.run()] == [str(each) for each in seen]


@needs("matplotlib")
def test_the_scheduled_run_prints_what_the_page_shows(scheduled: Any, tmp_path: Path, capsys: Any) -> None:
    picture = tmp_path / "new" / "run.png"
    assert scheduled.main(["--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    *printed, last = capsys.readouterr().out.splitlines()
    assert last == f"wrote {picture}"
    page = (EXAMPLES.parent / "scheduler.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```text\n(epoch 0: .*?)```", page, re.DOTALL)
    lines = [line for line in shown.splitlines() if line != "..."]
    assert len(lines) > 3
    assert [line for line in printed if line in lines] == lines
