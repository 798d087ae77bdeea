"""Tensors of PyTorch and files behind URLs: the same numbers, and one line for all else."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectral_losses.io import open_array
from spectral_losses.io.errors import FieldFileError
from spectral_losses.io.urls import is_url

FIELD = np.random.default_rng(0).standard_normal((3, 2, 5, 6))
PART = (slice(1, 3), slice(0, 2), slice(0, 5), slice(2, 6))


def read(path: Any, **options: Any) -> Any:
    with open_array(path, **options) as stored:
        return stored.read(PART)


# Tensors


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_tensors(torch, tmp_path, kind, archive):
    x = torch.asarray(FIELD).to(getattr(torch, kind)).requires_grad_()
    expected = x.detach().double().numpy()[PART]
    for name, held, key in (("one", x, None), ("named", {"u": x}, None), ("some", {"u": x * 2, "v": x, "n": 3}, "v")):
        path = tmp_path / f"{name}.pt"
        torch.save(held, path, _use_new_zipfile_serialization=archive)
        found = read(path, key=key)
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == ("float32" if kind == "bfloat16" else kind)
    with open_array(path, key="v") as stored:
        assert (stored.variable, stored.shape) == ("v", FIELD.shape)


def test_tensors_that_are_not_there(torch, tmp_path):
    x, path = torch.asarray(FIELD), tmp_path / "a.pt"
    for held, key, told in (
        ({"u": x, "v": x}, None, "holds several tensors, choose one with --key: u, v"),
        ({"u": x, "v": x}, "w", "has no tensor 'w': u, v"),
        ({"n": 3}, None, "holds no tensor"),
        ([x, x], None, "holds no tensor, and no dictionary of tensors, but a list"),
        (x, "u", "holds one tensor, without a name"),
        (x.long(), None, "holds int64; spectra take real floats"),
    ):
        torch.save(held, path)
        with pytest.raises(FieldFileError, match=f"a.pt {told}"):
            read(path, key=key)


class Code:
    """What runs when it is loaded by pickle."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path("it_ran"),)


@pytest.mark.parametrize("archive", [True, False, None])
def test_code_is_not_run(torch, tmp_path, monkeypatch, archive):
    monkeypatch.chdir(tmp_path)
    if archive is None:
        Path("a.pt").write_bytes(pickle.dumps(Code()))
    else:
        torch.save({"u": torch.asarray(FIELD), "v": Code()}, "a.pt", _use_new_zipfile_serialization=archive)
    with pytest.raises(FieldFileError, match=r"a\.pt: cannot be read: "):
        read("a.pt", key="u")
    assert not Path("it_ran").exists()


def test_damaged_tensors_are_told_on_one_line(torch, tmp_path):
    whole, path, drawn, refusals = tmp_path / "whole.pt", tmp_path / "bad.pt", random.Random(0), 0
    torch.save({"u": torch.asarray(FIELD)}, whole)
    content = whole.read_bytes()
    for _ in range(60):
        bad = bytearray(content)
        if drawn.random() < 0.5:
            del bad[drawn.randrange(len(bad)) :]
        else:
            bad[drawn.randrange(len(bad))] ^= 1 << drawn.randrange(8)
        path.write_bytes(bad)
        told = refusal(path)
        if told is not None:
            refusals += 1
            assert told.startswith(str(path))
            assert "\n" not in told
    assert refusals > 20


def refusal(path: Path) -> str | None:
    try:
        read(path)
    except FieldFileError as error:
        return str(error)
    return None


# URLs


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("s3://bucket/a.zarr", True),
        ("simplecache::https://host/a.nc", True),
        ("memory://a.nc", True),
        (r"C:\a.nc", False),
        ("C:/a.nc", False),
        ("a.nc:u", False),
        ("/data/a.nc", False),
    ],
)
def test_what_is_a_url(name, found):
    assert is_url(name) is found


@pytest.fixture
def files(tmp_path) -> dict[str, str]:
    """One of each kind, in memory and on the disk."""
    xarray, fsspec = pytest.importorskip("xarray"), pytest.importorskip("fsspec")
    for module in ("zarr", "h5netcdf"):
        pytest.importorskip(module)
    data = xarray.Dataset({"wind": (tuple("tzyx"), FIELD)}, coords={"t": [0.0, 1.0, 2.0]})
    data.to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    data.to_zarr(tmp_path / "a.zarr", consolidated=False, zarr_format=2)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "a.nc"), "/fields/a.nc")
    memory.put(str(tmp_path / "a.zarr"), "/fields/a.zarr", recursive=True)
    return {
        each: f"{root}/a.{kind}"
        for kind in ("nc", "zarr")
        for each, root in ((f"{kind} in memory", "memory://fields"), (f"{kind} on the disk", f"file://{tmp_path}"))
    }


@pytest.mark.parametrize("kind", ["nc in memory", "nc on the disk", "zarr in memory", "zarr on the disk"])
def test_files_behind_urls(files, kind):
    np.testing.assert_array_equal(read(files[kind]), FIELD[PART])
    with open_array(files[kind], variable="wind") as stored:
        assert stored.dims == tuple("tzyx")
        assert stored.name == files[kind]


@pytest.mark.parametrize("url", ["memory://none/a.nc", "memory://none/a.zarr", "nowhere://a.nc", "memory://a.npy"])
def test_urls_that_lead_nowhere(files, url):
    with pytest.raises(FieldFileError) as caught:
        read(url)
    assert str(caught.value).startswith(f"{url}: ")
