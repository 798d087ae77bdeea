"""The history of a run: what the files hold, what replay makes of them, and runs that are killed and go on."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import Framework

import spectral_losses as sl
from spectral_losses.cli import main

CONFIG = sl.SchedulerConfig(
    source_components=("recFieldError", "predFieldError"),
    target_components="spectrumError",
    warmup_epochs=1,
    min_epochs_before_adapt=1,
    patience=2,
    use_ema=False,
)
METRICS = [1 / 3 + 1 / (1 + i) ** 2 + 0.01 * math.sin(7 * i) for i in range(40)]
METRICS[5], METRICS[9], METRICS[21] = math.nan, math.inf, -math.inf
SUFFIXES = [".csv", ".jsonl", ".ndjson", ".json"]


class Writer:
    """What TensorBoard's SummaryWriter has, as far as it matters."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, float, int]] = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.calls.append((tag, value, step))


def replayed(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    config = tmp_path / "scheduler.json"
    config.write_text(CONFIG.to_json())
    assert main(["replay", str(path), "--config", str(config), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["configurations"]
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_replay_decides_as_the_run_did(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"run{suffix}"
    history, scheduler = sl.History(path), sl.LossScheduler(CONFIG)
    for epoch, error in enumerate(METRICS):
        if epoch == 20:
            history = sl.History(path)  # as a run that was stopped and goes on
        decision = scheduler.step({"spectrum_error": error}, epoch)
        parts = {"recFieldError": 0.1, **({"spectrumError": error} if scheduler.progress else {})}
        history.record(
            epoch, losses=sum(parts.values()), parts=parts, metrics={"spectrum_error": error}, decision=decision
        )
    found = replayed(path, tmp_path, capsys)
    adapted = [decision for decision in scheduler.history if decision]
    assert len(adapted) > 3
    assert [a["epoch"] for a in found["adaptations"]] == [decision.epoch for decision in adapted]
    assert [a["weights"] for a in found["adaptations"]] == [decision.weights for decision in adapted]
    assert found["reasons"]["not finite"] == 3
    assert found["final"]["weights"] == scheduler.weights


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_run_with_a_controller_is_replayed_and_drawn(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, writer = tmp_path / f"run{suffix}", Writer()
    limit = sl.ConstraintConfig("field_error", 1.05, of="source", relative_to=0.4)
    config = sl.ControllerConfig([sl.ConstraintConfig("spectrum_error", 0.5), limit], target="spectrum_error")
    history, controller = sl.History(path, writer), sl.LossController(config)
    for epoch, error in enumerate(METRICS):
        metrics = {"spectrum_error": error, "field_error": 0.5 / (1 + 0.01 * epoch)}
        history.record(epoch, losses=error, metrics=metrics, decision=controller.step(metrics, epoch))
    row = history.rows[-1]
    assert (row["weight/field_error"], row["weight/spectrum_error"]) == tuple(controller.weights.values())
    assert (row["scheduler/progress"], row["scheduler/reason"]) == (1.0, controller.history[-1].reason)
    assert {"weight/spectrum_error", "scheduler/progress"} <= {tag for tag, _, _ in writer.calls}
    file = tmp_path / "controller.json"
    file.write_text(config.to_json())
    plot = tmp_path / "a.png"
    assert main(["replay", str(path), "--config", str(file), "--json", "--plot", str(plot)]) == 0
    (found,) = json.loads(capsys.readouterr().out)["configurations"]
    changes = [decision for decision in controller.history if decision]
    assert [move["weights"] for move in found["adaptations"]] == [decision.weights for decision in changes]
    assert found["reasons"]["not finite"] == 3
    assert found["final"] == {"progress": 1.0, "weights": controller.weights, "ratio": controller.ratio}
    assert plot.stat().st_size > 5000


def test_a_run_with_a_balancer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run.csv"
    history, balancer = sl.History(path), sl.Balancer({"field_error": 1, "spectrum_error": 0.1})
    for epoch, error in enumerate(METRICS):
        balancer.step({"field_error": 3.0, "spectrum_error": 60.0 + epoch})
        row = history.record(epoch, losses=1.0, metrics={"spectrum_error": error}, weights=balancer)
        assert {name: row[f"weight/{name}"] for name in balancer.weights} == balancer.weights
    assert [column for column in row if column.startswith("scheduler")] == []
    assert sl.History(path).epoch == len(METRICS) - 1
    assert replayed(path, tmp_path, capsys)["reasons"]["not finite"] == 3  # by a scheduler, which none was there


def test_the_columns(tmp_path: Path) -> None:
    path, lines = tmp_path / "new" / "run.csv", tmp_path / "run.jsonl"
    scheduler, writer = sl.LossScheduler(CONFIG), Writer()
    history = sl.History(path, str(lines), writer)
    row = history.record(
        3,
        losses={"train": 1, "validation": None},
        parts={"a": np.float32(0.5)},
        metrics={"spectrum_error": math.nan},
        decision=scheduler.step({"spectrum_error": math.nan}, 3),
    )
    names = "epoch,loss/train,loss/validation,part/a,spectrum_error,weight/recFieldError,weight/predFieldError"
    expected = [f"{names},weight/spectrumError,scheduler/progress,scheduler/reason", "3,1.0,,0.5,nan,1.0,1.0,0.0,0.0,"]
    assert path.read_text().splitlines() == [expected[0], f"{expected[1]}not finite"]
    (line,) = lines.read_text().splitlines()
    assert json.loads(line, parse_constant=pytest.fail) == {**row, "spectrum_error": "nan"}
    assert [tag for tag, _, _ in writer.calls] == [
        "loss/train", "part/a", "metric/spectrum_error", "weight/recFieldError", "weight/predFieldError",
        "weight/spectrumError", "scheduler/progress",
    ]  # fmt: skip
    assert {step for _, _, step in writer.calls} == {3}
    assert all(type(value) is float for _, value, _ in writer.calls)


def test_one_loss_and_weights_of_other_things() -> None:
    history = sl.History()
    loss = sl.CompositeLoss({"a": "field_error", "b": "spectrum_error"}, {"a": 0.25})
    decision = sl.LossScheduler(CONFIG).step({"spectrum_error": 1.0})
    row = history.record(0, losses=0.5, weights=loss, decision=decision)
    assert row == {
        "epoch": 0, "loss": 0.5, "weight/a": 0.25, "weight/b": 0.0, "scheduler/progress": 0.0,
        "scheduler/reason": "warmup",
    }  # fmt: skip
    assert history.rows == (row,)


def test_arrays_of_any_framework(framework: Framework) -> None:
    value = sl.field_error(framework.asarray(np.full((1, 4, 4), 1.5)), framework.asarray(np.ones((1, 4, 4))))
    row = sl.History().record(np.int64(2), losses=value, parts={"a": value})
    assert row == {"epoch": 2, "loss": pytest.approx(0.25), "part/a": pytest.approx(0.25)}
    assert type(row["epoch"]) is int


def test_a_tensor_with_a_graph() -> None:
    torch = pytest.importorskip("torch")
    assert sl.History().record(0, losses=torch.tensor(0.5, requires_grad=True) * 2)["loss"] == 1


def test_a_killed_run_keeps_its_rows(tmp_path: Path) -> None:
    code = """
import os, sys, spectral_losses as sl
history = sl.History(*sys.argv[1:])
for epoch in range(3):
    history.record(epoch, metrics={"spectrum_error": 0.5})
os._exit(1)
"""
    paths = [tmp_path / "run.csv", tmp_path / "run.jsonl"]
    assert subprocess.run([sys.executable, "-c", code, *map(str, paths)]).returncode == 1
    assert [len(path.read_text().splitlines()) for path in paths] == [4, 3]
    assert sl.History(*paths).epoch == 2


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_half_a_row_is_dropped(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"run{suffix}"
    first = sl.History(path)
    first.record(0, losses=0.5)
    first.record(1, losses=0.25)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    row = rf"run\{suffix}: row {2 + (suffix == '.csv')} has no line end, may be cut off, and was dropped: "
    with pytest.warns(UserWarning, match=row) as warned:
        again = sl.History(path)
    assert warned[0].filename == __file__
    assert again.epoch == 0
    again.record(1, losses=0.25)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_run_goes_back_to_a_checkpoint(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"run{suffix}"
    first = sl.History(path)
    for epoch in range(5):
        first.record(epoch, losses=float(epoch))
    again = sl.History(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"must not go back, got 3 after 4; rewind\(3\)"):
        again.record(3, losses=30)
    assert path.read_bytes() == before
    again.rewind(3)
    assert again.epoch == 2
    again.record(3, losses=30)
    assert "".join(path.read_text().splitlines()[-2:]).count("2.0") == 1
    assert "30.0" in path.read_text().splitlines()[-1]
    assert len(path.read_text().splitlines()) == 4 + (suffix == ".csv")
    again.rewind(0)
    assert (again.rows, again.epoch) == ((), None)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_new_columns_are_empty_in_the_rows_before(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    history = sl.History(path)
    history.record(0, losses=1, parts={"a, b": 1})
    history.record(1, losses=2, parts={"c": 3})
    history.record(2, losses=None)
    assert path.read_text().splitlines() == [
        'epoch,loss,"part/a, b",part/c', "0,1.0,1.0,", "1,2.0,,3.0", "2,,,",
    ]  # fmt: skip


def test_memory_does_not_grow(tmp_path: Path) -> None:
    history, held = sl.History(tmp_path / "run.csv", tmp_path / "run.jsonl", last=10), []
    tracemalloc.start()
    for rounds in (50, 400):
        for _ in range(rounds):
            history.record((history.epoch or 0) + 1, losses=0.1, metrics={"spectrum_error": 0.2})
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 20_000
    assert [row["epoch"] for row in history.rows] == list(range(441, 451))


def test_it_works_without_numpy(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["numpy"] = sys.modules["array_api_compat"] = None
import spectral_losses as sl
scheduler = sl.LossScheduler(sl.SchedulerConfig())
print(sl.History(sys.argv[1]).record(0, decision=scheduler.step({"spectrum_error": 1}))["scheduler/reason"])
"""
    run = [sys.executable, "-c", code, str(tmp_path / "run.csv")]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "warmup\n"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"losses": "much"}, TypeError, "losses must be a number or a 0-d array, got 'much'"),
        ({"losses": np.ones(1)}, TypeError, "losses must be a number or a 0-d array"),
        ({"losses": np.ones((1, 1))}, TypeError, "losses must be a number or a 0-d array"),
        ({"losses": bytearray(b"0.5")}, TypeError, "losses must be a number or a 0-d array"),
        ({"losses": memoryview(b"0.5")}, TypeError, "losses must be a number or a 0-d array"),
        ({"losses": np.array("0.5")}, TypeError, "losses must be a number or a 0-d array"),
        ({"losses": np.array("0.5", dtype=object)}, TypeError, "losses must be a number or a 0-d array"),
        ({"losses": np.complex64(1)}, TypeError, "losses must be a number or a 0-d array"),
        ({"metrics": {"a": np.True_}}, TypeError, r"metrics\['a'\] must be a number"),
        ({"metrics": {"a": True}}, TypeError, r"metrics\['a'\] must be a number"),
        ({"parts": [1]}, TypeError, "parts must map names to numbers, got list"),
        ({"weights": 0.5}, TypeError, "weights must map names to numbers, got float"),
        ({"metrics": {"Epoch": 1}}, ValueError, "the name 'Epoch' is taken"),
        ({"metrics": {"a\n": 1}}, ValueError, "printable text"),
        ({"metrics": {3: 1}}, ValueError, "printable text"),
        ({"losses": 1, "metrics": {"loss": 1}}, ValueError, "two values for the column 'loss'"),
        ({"epoch": 1.5}, TypeError, "epoch must be an integer, got 1.5"),
        ({"epoch": True}, TypeError, "epoch must be an integer"),
        ({"epoch": -1}, ValueError, "epoch must not be negative, got -1"),
        ({"epoch": 10**301}, ValueError, r"epoch must be at most 1e\+300, got an integer of 1000 bits"),
        ({"epoch": -(10**5000)}, ValueError, r"epoch must be at most 1e\+300, got an integer of 16610 bits"),
    ],
)
def test_what_is_refused_is_not_written(given: Any, error: type[Exception], message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    history, writer = sl.History(path), Writer()
    with pytest.raises(error, match=message):
        sl.History(path, writer).record(**{"epoch": 0, **given})
    assert path.read_bytes() == b""
    assert writer.calls == []
    assert history.rows == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("run.txt", "", r"takes a file that ends in \.csv"),
        ("run.csv", "a,b\n1,2\n", "row 1: not a row of a history: the header must have one column epoch"),
        ("run.csv", "epoch,a\n1,2\n1\n", "row 3: not a row of a history: the header has 2 cells, this row 1"),
        ("run.csv", "epoch,a\nx,2\n", "row 2: not a row of a history"),
        ("run.csv", 'epoch,a\n"x,2\n', "row 2: not a row of a history"),
        ("run.csv", "epoch", "row 1: not a row of a history: its only line has no end"),
        ("run.csv", "epoch,a,b,a\n1,2,3,4\n", "row 1: not a row of a history: the header has 2 columns 'a'"),
        ("run.csv", "epoch,a\n-1,2\n", "row 2: not a row of a history: epoch must not be negative, got -1"),
        ("run.csv", "epoch,a\n1,2\n\n0,2\n", "row 4: not a row of a history: epoch must not go back, got 0 after 1"),
        ("run.csv", f"epoch,a\n1{'0' * 301},2\n", r"row 2: not a row of a history: epoch must be at most 1e\+300"),
        ("run.jsonl", '{"epoch": 1}\n{"epoch": 0}\n', "row 2: not a row of a history: epoch must not go back"),
        ("run.jsonl", '{"epoch": 1}\n{"epoch": 0}', "row 2: not a row of a history: epoch must not go back"),
        ("run.jsonl", '{"epoch": 1}\n{"patience": 3}', "row 2: not a row of a history: has no epoch"),
        ("run.jsonl", '{"epoch": true}\n', "row 1: not a row of a history: epoch must be an integer, got True"),
        ("run.jsonl", '{"epoch": -1}\n', "row 1: not a row of a history: epoch must not be negative"),
        ("run.jsonl", '{"epoch": 1.5}\n', "row 1: not a row of a history: epoch must be an integer, got 1.5"),
        ("run.jsonl", "[" * 200_000 + "\n", "row 1: not a row of a history: nested too deeply"),
        ("run.jsonl", '{"epoch": 1}\n' + "[" * 200_000, "row 2: not a row of a history: nested too deeply"),
        ("config.json", '{"patience": 3}\n', "row 1: not a row of a history: has no epoch"),
        ("config.json", '{"patience": 3}', "row 1: not a row of a history: its only line has no end"),
        ("config.json", "{\n  1\n}", "row 1: not a row of a history"),
    ],
)
def test_other_files_are_refused_and_stay(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        sl.History(path)
    assert path.read_text() == text


def test_other_errors(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"paths or objects with add_scalar\(tag, value, step\), .*, got 3"):
        sl.History(3)
    with pytest.raises(ValueError, match="last must be a number of rows, got -1"):
        sl.History(last=-1)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OSError, match=r"folder\.csv"):
        sl.History(tmp_path / "folder.csv")


def test_it_prints_where_it_writes(tmp_path: Path) -> None:
    history = sl.History(tmp_path / "run.csv", Writer())
    history.record(4)
    assert repr(history) == f"History({str(tmp_path / 'run.csv')!r}, Writer, epoch=4)"
    assert repr(sl.History()) == "History(epoch=None)"


@pytest.mark.parametrize("name", ["run.csv", "run.jsonl"])
def test_a_failed_write_leaves_no_half_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    history = sl.History(path)
    history.record(0, losses=1.0)
    opened = Path.open

    def full(self: Path, mode: str = "r", **options: Any) -> Any:
        file = opened(self, mode, **options)
        if mode == "ab":
            file.write(b"1,0")
            file.close()
            raise OSError(28, "No space left on device")
        return file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OSError, match="No space left"):
            history.record(1, losses=0.5)
    history.record(1, losses=0.5)
    assert sl.History(path).epoch == 1
    assert len(path.read_text().splitlines()) == (3 if name.endswith("csv") else 2)


def test_json_lines_whose_last_row_has_no_line_end_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"epoch": 0, "loss": 1}\n{"epoch": 1, "loss": 0.5}')
    history = sl.History(path)
    assert history.epoch == 1
    history.record(2, losses=0.25)
    assert [json.loads(line)["epoch"] for line in path.read_text().splitlines()] == [0, 1, 2]


def test_a_file_is_named_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="to must name a file once"):
        sl.History(tmp_path / "run.csv", str(tmp_path / "run.csv"))


def test_a_csv_row_without_a_line_end_is_dropped_with_its_text(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_bytes(b"epoch,loss\n0,0.5\n1,0.25")  # the last cell may have been 0.2578
    with pytest.warns(
        UserWarning, match=r"run\.csv: row 3 has no line end, may be cut off, and was dropped: '1,0\.25'"
    ):
        history = sl.History(path)
    assert history.epoch == 0
    history.record(1, losses=0.125)
    assert path.read_bytes() == b"epoch,loss\n0,0.5\n1,0.125\n"


def test_what_was_dropped_is_told_where_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"epoch,loss\n0,0.5\n1,0.25")
    with pytest.raises(ValueError, match="takes a file"), pytest.warns(UserWarning, match=r"dropped: '1,0\.25'"):
        sl.History(tmp_path / "a.csv", tmp_path / "b.txt")


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_line_ends_stay_those_of_the_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"run{suffix}"
    first = sl.History(path)
    first.record(0, losses=1)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    history = sl.History(path)
    history.record(1, losses=2)
    history.record(2, losses=3, metrics={"late": 4})
    history.rewind(2)
    history.record(2, losses=5, metrics={"late": 6})
    data = path.read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == 3 + (suffix == ".csv")
    assert data.endswith(b"2,5.0,6.0\r\n" if suffix == ".csv" else b'"late": 6.0}\r\n')
    assert sl.History(path).epoch == 2


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_another_writer_is_noticed_before_anything_is_written(suffix: str, tmp_path: Path) -> None:
    path, other = tmp_path / f"run{suffix}", tmp_path / "other.csv"
    writer = Writer()
    first = sl.History(other, path, writer)
    first.record(0, losses=1.0)
    second = sl.History(path)
    second.record(1, losses=1.0, metrics={"late": 2.0})
    before, other_before = path.read_bytes(), other.read_bytes()
    for call in (lambda: first.record(2, losses=3.0), lambda: first.rewind(0)):
        with pytest.raises(RuntimeError, match=rf"run\{suffix}: something else has written to it: it had \d+ bytes"):
            call()
    assert (path.read_bytes(), other.read_bytes(), len(writer.calls)) == (before, other_before, 1)
    assert (first.epoch, len(first.rows)) == (0, 1)
    second.record(2, losses=3.0)
    third = sl.History(path)
    third.rewind(1)
    third.record(1, losses=4.0)
    assert sl.History(path).epoch == 1
    with pytest.raises(RuntimeError, match="something else has written to it"):
        second.record(3)


def test_another_header_of_the_same_length_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    history = sl.History(path)
    history.record(0, metrics={"a": 1.0, "b": 2.0})
    path.write_text(path.read_text().replace("a,b", "b,a"))
    with pytest.raises(RuntimeError, match=r"run\.csv: something else has written to it"):
        history.record(1, metrics={"a": 1.0, "b": 2.0})


def test_what_is_written_between_two_looks_is_noticed_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.csv"
    history = sl.History(path)
    history.record(0, losses=1.0)
    opened = Path.open

    def late(self: Path, mode: str = "r", **options: Any) -> Any:
        if mode == "ab":
            with opened(self, mode) as file:
                file.write(b"1,9.0\n")
        return opened(self, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", late)
        history.record(1, losses=2.0)
    with pytest.raises(RuntimeError, match=r"it had 23 bytes when .* and has 29\. Let one History record"):
        history.record(2, losses=3.0)
    assert sl.History(path).epoch == 1


def test_a_file_that_was_touched_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    history = sl.History(path)
    history.record(0, losses=1.0)
    os.utime(path, (0, 0))  # as a backup or a file system of the network may
    history.record(1, losses=2.0)
    assert sl.History(path).epoch == 1


def test_a_file_that_was_taken_away_is_not_begun_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    history = sl.History(path)
    history.record(0, losses=1.0)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"run\.csv"):
        history.record(1, losses=2.0)
    assert not path.exists()


def test_threads_share_a_history(tmp_path: Path) -> None:
    path, lines = tmp_path / "run.csv", tmp_path / "run.jsonl"
    history, failed = sl.History(path, lines, last=10_000), []

    def record(name: str) -> None:
        try:
            for i in range(40):
                history.record(7, losses=i, metrics={f"{name}{i // 20}": i})
                assert history.rows
        except BaseException as error:
            failed.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=record, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failed == []
    assert len(history.rows) == len(lines.read_text().splitlines()) == len(path.read_text().splitlines()) - 1 == 160
    assert len(path.read_text().splitlines()[0].split(",")) == 10
    assert sl.History(path, lines).epoch == 7


def test_copies_and_pickles(tmp_path: Path) -> None:
    history = sl.History(tmp_path / "run.csv")
    history.record(0, losses=1.0)
    for twin in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        assert (twin.rows, twin.epoch, repr(twin)) == (history.rows, history.epoch, repr(history))
    twin.record(1, losses=2.0)
    with pytest.raises(RuntimeError, match="something else has written to it"):
        history.record(1, losses=3.0)


def test_files_beside_it_stay(tmp_path: Path) -> None:
    path, own, link = tmp_path / "run.csv", tmp_path / "run.csv.new", tmp_path / "link.csv"
    history = sl.History(path)
    history.record(0, losses=1.0)
    own.write_text("mine")
    os.link(path, link)
    history.record(1, losses=2.0, metrics={"late": 1.0})
    history.rewind(1)
    assert own.read_text() == "mine"
    assert link.read_text() == "epoch,loss\n0,1.0\n"  # documented: a hard link keeps the rows of before
    assert {file.name for file in tmp_path.iterdir()} == {"run.csv", "run.csv.new", "link.csv"}


def test_a_failed_rewriting_leaves_the_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.csv"
    history = sl.History(path)
    history.record(0, losses=1.0)
    before = path.read_bytes()

    def full(self: Path, target: Path) -> Any:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            history.record(1, losses=2.0, metrics={"late": 1.0})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.csv"]
    history.record(1, losses=2.0, metrics={"late": 1.0})
    assert path.read_text().splitlines() == ["epoch,loss,late", "0,1.0,", "1,2.0,1.0"]


def test_a_header_that_was_not_written_is_written_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.csv"
    history = sl.History(path)
    opened = Path.open

    def full(self: Path, mode: str = "r", **options: Any) -> Any:
        if mode == "ab":
            raise OSError(28, "No space left on device")
        return opened(self, mode, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(OSError, match="No space left"):
            history.record(0, losses=0.5)
    history.record(0, losses=0.5)
    assert path.read_text() == "epoch,loss\n0,0.5\n"


def test_a_row_counts_once_it_is_written_whatever_add_scalar_raises(tmp_path: Path) -> None:
    class Broken(Writer):
        def add_scalar(self, tag: str, value: float, step: int) -> None:
            raise OSError("the writer is closed")

    path = tmp_path / "run.csv"
    history = sl.History(path, Broken())
    with pytest.raises(OSError, match="the writer is closed"):
        history.record(3, losses=0.5)
    assert (history.epoch, history.rows) == (3, ({"epoch": 3, "loss": 0.5},))
    assert sl.History(path).epoch == 3


def test_names_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    sl.History(path).record(0, metrics={"=1+1": 2.0})
    assert path.read_text().splitlines()[0] == "epoch,=1+1"
