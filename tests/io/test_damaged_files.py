"""Damaged files: one error that names the file, never another number, and nothing else that is hidden by it."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses.io
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks
from spectral_losses.errors import UserError
from spectral_losses.io import Chunks, note, noted, open_array
from spectral_losses.io.classic import check_length
from spectral_losses.io.errors import FieldFileError

xarray = pytest.importorskip("xarray")
h5py = pytest.importorskip("h5py")
pytest.importorskip("netCDF4")
OLD_ZARR = pytest.importorskip("zarr").__version__ < "3"

SHAPE = (2, 1, 4, 6)
FIELD = np.random.default_rng(0).standard_normal(SHAPE)
WHOLE = tuple(slice(0, n) for n in SHAPE)


def npz(field: Any, method: int) -> bytes:
    member, archive = io.BytesIO(), io.BytesIO()
    np.save(member, field)
    with zipfile.ZipFile(archive, "w", method) as file:
        file.writestr("wind.npy", member.getvalue())
    return archive.getvalue()


ARCHIVES = {
    "stored": npz(FIELD, zipfile.ZIP_STORED),
    "deflated": npz(FIELD, zipfile.ZIP_DEFLATED),
    "bzip2": npz(FIELD, zipfile.ZIP_BZIP2),
    "lzma": npz(FIELD, zipfile.ZIP_LZMA),
    "stored, Fortran order": npz(np.asfortranarray(FIELD), zipfile.ZIP_STORED),
    "deflated, Fortran order": npz(np.asfortranarray(FIELD), zipfile.ZIP_DEFLATED),
}
# What is read one after another: in the order of the file, in pieces of it, and not in its order.
ORDERS: dict[str, list[Any]] = {
    "at once": [WHOLE],
    "frame by frame": [(slice(i, i + 1), *WHOLE[1:]) for i in range(2)],
    "backwards": [(slice(i, i + 1), *WHOLE[1:]) for i in (1, 0)],
    "rows": [(*WHOLE[:2], slice(i, i + 2), WHOLE[3]) for i in (0, 2)],
}


def read(path: Path, order: list[Any], **options: str) -> Any:
    found = np.full(SHAPE, np.nan)
    with open_array(path, **options) as stored:
        assert stored.shape == SHAPE
        for index in order:
            found[index] = stored.read(index)
    return found


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ARCHIVES)
def test_no_bit_of_an_npz_flips_unseen(tmp_path, kind, order):
    content, path = ARCHIVES[kind], tmp_path / "a.npz"
    path.write_bytes(content)
    np.testing.assert_array_equal(read(path, ORDERS[order]), FIELD)
    with zipfile.ZipFile(path) as archive:
        directory = archive.start_dir
    unseen = []
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        with contextlib.suppress(FieldFileError):
            np.testing.assert_array_equal(read(path, ORDERS[order]), FIELD)
            unseen.append(place)
    # Where the numbers are as they were, it was a time or a version that flipped, or padding of what is compressed.
    inside = [place for place in unseen if 30 + len("wind.npy") <= place < directory]
    assert len(inside) <= (0 if "stored" in kind else 20)


@pytest.mark.parametrize("kind", ["npy", *ARCHIVES, "classic", "nc", "h5", "zarr"])
def test_any_damage_is_told_on_one_line(tmp_path, kind):
    path, whole = tmp_path / f"bad.{'npz' if kind in ARCHIVES else kind.replace('classic', 'nc')}", tmp_path / "whole"
    if kind in ARCHIVES:
        whole.write_bytes(ARCHIVES[kind])
    elif kind == "npy":
        with whole.open("wb") as file:
            np.save(file, FIELD)
    else:
        data = xarray.Dataset({"wind": (("time", "channel", "y", "x"), FIELD)}, coords={"x": np.arange(6.0)})
        save: Callable[..., Any] = data.to_zarr if kind == "zarr" else data.to_netcdf
        options: dict[str, Any] = {"consolidated": False} if kind == "zarr" else {"engine": "h5netcdf"}
        save(whole, **({"format": "NETCDF3_CLASSIC", "engine": "netcdf4"} if kind == "classic" else options))
    drawn = random.Random(0)
    refusals = 0
    for _ in range(60):
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, path)
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        damaged = drawn.choice(files)
        content = bytearray(damaged.read_bytes())
        if drawn.random() < 0.3:
            del content[drawn.randrange(len(content)) :]
        else:
            content[drawn.randrange(min(len(content), 400))] ^= 1 << drawn.randrange(8)
        damaged.write_bytes(content)
        told = _refusal(path)
        if told is not None:
            refusals += 1
            assert told.startswith(str(path))
            assert "\n" not in told
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert refusals > 10


def _refusal(path: Path) -> str | None:
    try:
        with open_array(path) as stored:
            stored.read(tuple(slice(0, n) for n in stored.shape))
    except FieldFileError as error:
        return str(error)
    return None


def _encrypted(content: bytes) -> bytes:
    directory = content.index(b"PK\x01\x02")
    return content[: directory + 8] + b"\x01" + content[directory + 9 :]


def _unknown_method(content: bytes) -> bytes:
    directory = content.index(b"PK\x01\x02")
    return content[: directory + 10] + struct.pack("<H", 97) + content[directory + 12 :]


@pytest.mark.parametrize(("damage", "kind"), [(_encrypted, "RuntimeError"), (_unknown_method, "NotImplementedError")])
def test_archives_that_cannot_be_unpacked(tmp_path, damage, kind):
    path = tmp_path / "a.npz"
    path.write_bytes(damage(ARCHIVES["deflated"]))
    with pytest.raises(FieldFileError, match=rf"a\.npz: cannot be read: .* \({kind}\)"):
        read(path, [WHOLE])


def test_a_header_without_its_end(tmp_path):
    path = tmp_path / "a.npy"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2, 16, 16)"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(6144))
    with pytest.raises(FieldFileError, match=r"a\.npy: cannot be read: "):
        read(path, [WHOLE])


@pytest.mark.skipif(OLD_ZARR, reason="the third format of Zarr 2 was an experiment")
def test_a_key_of_zarr_that_nobody_knows(tmp_path):
    path = tmp_path / "a.zarr"
    xarray.Dataset({"wind": (tuple("abcd"), FIELD)}).to_zarr(path, consolidated=False, zarr_format=3)
    description = json.loads((path / "wind" / "zarr.json").read_text())
    (path / "wind" / "zarr.json").write_text(json.dumps({**description, "shapf": [1]}))
    with pytest.raises(FieldFileError, match=r"a\.zarr: cannot be read: "):
        read(path, [WHOLE])


@pytest.mark.parametrize("version", [2] if OLD_ZARR else [2, 3])
@pytest.mark.parametrize("group", [None, "winds"])
def test_a_chunk_of_zarr_that_is_lost(tmp_path, version, group):
    path = tmp_path / "a.zarr"
    data = xarray.Dataset({"wind": (tuple("abcd"), FIELD)})
    encoding = {"wind": {"chunks": (1, 1, 4, 6), "_FillValue": np.nan}}
    data.to_zarr(path, group=group, consolidated=False, zarr_format=version, encoding=encoding)
    name = "wind" if group is None else f"{group}/wind"
    assert np.isfinite(read(path, [WHOLE], variable=name)).all()
    (path / name / ("1.0.0.0" if version == 2 else "c/1/0/0/0")).unlink()
    told = rf"a\.zarr is not finite at \[1, 0, 0, 0\]: nan; 1 chunk of {name} is not in the store, that from \[1, "
    with pytest.raises(FieldFileError, match=told):
        read(path, [WHOLE], variable=name)
    # What is NaN in the file is not lost.
    data.where(data.wind < 1).to_zarr(path, group=group, consolidated=False, zarr_format=version, mode="w")
    with pytest.raises(FieldFileError, match="spectra take whole fields"):
        read(path, [WHOLE], variable=name)


@pytest.mark.parametrize("kind", ["packed", "sharded"])
def test_a_lost_chunk_with_a_finite_fill_value_is_told(tmp_path, capsys, kind):
    zarr = pytest.importorskip("zarr", minversion="3")
    path = tmp_path / "a.zarr"
    field = np.random.default_rng(0).standard_normal((6, 16, 16))
    field[0], field[1] = 1.5, 0  # a chunk of one value, and one that may be left out of the store
    if kind == "packed":
        encoding: dict[str, Any] = {"chunks": (1, 8, 16), "dtype": "i2", "scale_factor": 1e-3, "add_offset": 1.0}
        encoding["_FillValue"] = -32768
        xarray.Dataset({"rain": (("time", "y", "x"), field)}).to_zarr(
            path, consolidated=False, zarr_format=3, encoding={"rain": encoding}
        )
        told = "2 chunks of rain are not in the store, the first from [4, 0, 0] on, and read as the fill value 1\n"
    else:
        options: dict[str, Any] = {"shards": (2, 16, 16), "dimension_names": ("time", "y", "x"), "fill_value": 0.0}
        zarr.open_group(path, mode="w").create_array("rain", data=field, chunks=(1, 8, 16), **options)
        told = "1 chunk of rain is not in the store, that from [4, 0, 0] on, and reads as the fill value 0\n"

    def told_by(*words: str) -> str:
        assert main([*words, "--json"]) == 0
        return capsys.readouterr().err

    assert told_by("compare", str(path), str(path)) == ""
    shutil.rmtree(path / "rain" / "c" / ("4" if kind == "packed" else "2"))
    for words in (["compare", str(path), str(path)], ["spectrum", str(path)]):
        assert told_by(*words) == f"spectral-losses: warning: {path}: {told}"
    assert told_by("compare", str(path), str(path), "--isel", "time=0:4") == ""  # it is what was read


def test_only_chunks_of_one_value_are_asked_about(tmp_path, monkeypatch):
    from spectral_losses.io import chunks

    path, asked = tmp_path / "a.zarr", []
    field = np.random.default_rng(0).standard_normal((8, 1, 4, 6))
    field[3] = 2.5
    data = xarray.Dataset({"wind": (tuple("abcd"), field)})
    data.to_zarr(path, consolidated=False, encoding={"wind": {"chunks": (1, 1, 4, 3)}})
    monkeypatch.setattr(chunks, "_is_stored", lambda array, place: asked.append(place) or True)
    with open_array(path) as stored:
        for _ in range(2):
            for i in range(0, 8, 2):
                stored.read((slice(i, i + 2), slice(0, 1), slice(1, 3), slice(0, 6)))
        assert stored.lacking() == ""
    assert asked == [(3, 0, 0, 0), (3, 0, 0, 1)]


def test_absent_chunks_are_noted_where_they_are_to_be_told():
    a, b = (Chunks("x.zarr", name, (1, 4)) for name in "ab")
    b.absent[0, 0] = 0.0
    with noted([a, b]) as found:
        b.absent[2, 1] = np.nan
    assert (a.absent, b.absent) == ({}, {(0, 0): 0.0})
    note([a, b], found)
    assert a.words() == ""
    assert b.words().startswith("2 chunks of b are not in the store, the first from [0, 0] on")
    assert sorted(b.absent) == [(0, 0), (2, 1)]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("spare", [-8, 8, 1 << 24])
def test_a_member_is_as_long_as_its_header_says(tmp_path, monkeypatch, spare, method):
    """Neither is a small field unpacked from a large member, nor does a shape that became smaller go unseen."""
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: pytest.fail("a temporary file"))
    member = io.BytesIO()
    np.save(member, np.asfortranarray(FIELD))
    content = member.getvalue()
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as file:
        file.writestr("wind.npy", content[:spare] if spare < 0 else content + bytes(spare))
    size = FIELD.nbytes + spare
    with pytest.raises(FieldFileError, match=rf"a\.npz: cannot be read: wind\.npy has {size} bytes of {FIELD.nbytes} "):
        read(tmp_path / "a.npz", [WHOLE])


@pytest.mark.parametrize("budget", [1, blocks.BUDGET])
@pytest.mark.parametrize(
    "argv", [[], ["--channel-axis", "0"], ["--spatial-axes", "0,1"], ["--spatial-axes=1,2", "--per", "3"]]
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_compare_gives_no_number_for_a_flipped_bit(tmp_path, capsys, monkeypatch, save, argv, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    path = tmp_path / "a.npz"
    save(path, wind=np.random.default_rng(0).standard_normal((8, 8, 8, 8)))
    assert main(["compare", str(path), str(path), "--json", *argv]) == 0
    capsys.readouterr()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert main(["compare", str(path), str(path), "--json", *argv, "--plot", str(tmp_path / "a.png")]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"spectral-losses: error: {path}: cannot be read: ")
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("records", [(), ("time",), ("time", "alone")])
def test_no_byte_of_a_classic_file_is_missing_unseen(tmp_path, kind, records):
    netcdf = pytest.importorskip("netCDF4")
    path = tmp_path / "a.nc"
    with netcdf.Dataset(path, "w", format=kind) as file:
        file.title = "of an odd length"
        for name, size in (("time", None if records else 3), ("y", 5), ("x", 7)):
            file.createDimension(name, size)
        file.createVariable("y", "f4", ("y",))[:] = np.arange(5)
        if "alone" not in records:
            file.createVariable("flag", "i1", ("time", "y"))[:] = np.ones((3, 5))
        wind = file.createVariable("wind", "f8" if records else "f4", ("time", "y", "x"))
        wind.units = "m s-1"
        wind[:] = np.random.default_rng(0).standard_normal((3, 5, 7))
    content = path.read_bytes()
    check_length(path)
    for lost in (1, 4, 100, len(content) // 2):
        path.write_bytes(content[:-lost])
        with pytest.raises(
            FieldFileError, match=rf"a.nc: cannot be read: it has {len(content) - lost} bytes, and its header"
        ):
            read(path, [])
    path.write_bytes(b"CDF\x01" + bytes(10))
    with pytest.raises(FieldFileError, match=r"a\.nc: cannot be read: "):
        read(path, [])


# What is not the reader's


RAISED = [KeyError("a key"), RuntimeError("a codec"), TypeError("a type"), zipfile.BadZipFile("a sum"), EOFError()]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("early", [True, False])
def test_whatever_a_reader_raises_names_the_file(tmp_path, monkeypatch, error, early):
    def broken(*_: object) -> Any:
        raise error

    path = tmp_path / "a.npy"
    np.save(path, FIELD)
    with open_array(path) as stored:
        late = spectral_losses.io.StoredArray(stored.name, SHAPE, stored.dtype, broken)
    monkeypatch.setattr("spectral_losses.io.npy.open_npy", broken if early else lambda *_: late)
    with pytest.raises(FieldFileError, match=rf"a\.npy: cannot be read: .*{type(error).__name__}") as caught:
        read(path, [WHOLE])
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("kind", [MemoryError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("early", [True, False])
def test_what_is_no_damage_passes(tmp_path, monkeypatch, kind, early):
    def broken(*_: object) -> Any:
        raise kind

    path = tmp_path / "a.npy"
    np.save(path, FIELD)
    late = spectral_losses.io.StoredArray("a.npy", SHAPE, FIELD.dtype, broken)
    monkeypatch.setattr("spectral_losses.io.npy.open_npy", broken if early else lambda *_: late)
    with pytest.raises(kind):
        read(path, [WHOLE])


def test_errors_of_others_pass(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    np.save(path, FIELD)
    with pytest.raises(ZeroDivisionError), open_array(path):
        raise ZeroDivisionError
    with pytest.raises(UserError, match=r"^mine$"), open_array(path):
        raise UserError("mine")

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("spectral_losses.io._check", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        read(path, [WHOLE])
