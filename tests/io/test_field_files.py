"""Files of fields: every format gives the numbers of the same arrays, and every bad file one clear line."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses.cli import main
from spectral_losses.cli.compare import blocks
from spectral_losses.io import open_array

xarray = pytest.importorskip("xarray")
h5py = pytest.importorskip("h5py")
pytest.importorskip("netCDF4")
zarr = pytest.importorskip("zarr")

DIMS = ("time", "channel", "y", "x")
SHAPE = (4, 2, 9, 12)


def fields(dtype: Any = np.float64) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    truth = rng.standard_normal(SHAPE)
    return (truth + 0.2 * rng.standard_normal(SHAPE)).astype(dtype), truth.astype(dtype)


def compare(capsys: pytest.CaptureFixture[str], *argv: object) -> Any:
    assert main(["compare", *map(str, argv), "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def refused(capsys: pytest.CaptureFixture[str], *argv: object) -> str:
    assert main(["compare", *map(str, argv)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("spectral-losses: error: ")
    assert printed.err.endswith("\n")
    assert printed.err.count("\n") == 1
    return printed.err


def assert_same(found: Any, p: Any, t: Any, rel: float = 1e-12, **options: Any) -> None:
    expected = sl.evaluate(p, t, **options)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=rel)


def dataset(field: Any, dims: tuple[str, ...] = DIMS, name: str = "wind") -> Any:
    return xarray.Dataset({name: (dims, field)})


def _npz(save: Callable[..., None]) -> Callable[[Path, Any], None]:
    return lambda path, field: save(path, wind=field)


def _fortran(path: Path, field: Any) -> None:
    np.savez_compressed(path, wind=np.asfortranarray(field))


def _hdf5(path: Path, field: Any) -> None:
    with h5py.File(path, "w") as file:
        file["wind"] = field


def _chunked(path: Path, field: Any) -> None:
    chunks = {"wind": {"chunksizes": (3, 1, 9, 12), "zlib": True}}
    dataset(field).to_netcdf(path, engine="netcdf4", encoding=chunks)


FORMATS: dict[str, tuple[str, Callable[[Path, Any], Any]]] = {
    "npy": (".npy", np.save),
    "npy, Fortran order": (".npy", lambda path, field: np.save(path, np.asfortranarray(field))),
    "npy, big-endian": (".npy", lambda path, field: np.save(path, field.astype(">f8"))),
    "npz": (".npz", _npz(np.savez)),
    "npz, Fortran order": (".npz", lambda path, field: np.savez(path, wind=np.asfortranarray(field))),
    "npz, compressed": (".npz", _npz(np.savez_compressed)),
    "npz, compressed, Fortran order": (".npz", _fortran),
    "NetCDF 4": (".nc", lambda path, field: dataset(field).to_netcdf(path, engine="netcdf4")),
    "NetCDF 4, chunked": (".nc4", _chunked),
    "NetCDF 3": (".cdf", lambda path, field: dataset(field).to_netcdf(path, format="NETCDF3_64BIT")),
    "NetCDF 4 as HDF5": (".h5", lambda path, field: dataset(field).to_netcdf(path, engine="h5netcdf")),
    "HDF5": (".hdf5", _hdf5),
    "Zarr 2": (".zarr", lambda path, field: dataset(field).to_zarr(path, consolidated=False, zarr_format=2)),
}


if zarr.__version__ >= "3":  # before, its own third format was an experiment
    FORMATS["Zarr 3"] = ".zarr", lambda path, field: dataset(field).to_zarr(path, consolidated=False, zarr_format=3)


@pytest.fixture(params=FORMATS)
def files(request, tmp_path) -> tuple[Path, Path]:
    suffix, write = FORMATS[request.param]
    paths = tmp_path / f"prediction{suffix}", tmp_path / f"truth{suffix}"
    for path, field in zip(paths, fields(), strict=True):
        write(path, field)
    return paths


@pytest.mark.parametrize("budget", [1, 2000, blocks.BUDGET])
def test_every_format_holds_the_same_field(files, capsys, monkeypatch, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    assert_same(compare(capsys, *files), *fields())


@pytest.mark.parametrize(
    "index",
    [
        (slice(0, 4), slice(0, 2), slice(0, 9), slice(0, 12)),
        (slice(1, 3), slice(0, 2), slice(0, 9), slice(0, 12)),
        (slice(2, 3), slice(1, 2), slice(0, 9), slice(0, 12)),
        (slice(1, 3), slice(1, 2), slice(0, 9), slice(0, 12)),
        (slice(0, 4), slice(0, 2), slice(3, 5), slice(2, 3)),
        (slice(3, 4), slice(1, 2), slice(8, 9), slice(11, 12)),
    ],
)
def test_pieces_are_read_in_any_order(files, index):
    truth = fields()[1]
    later = (slice(3, 4), *index[1:])
    with open_array(files[1]) as stored:
        assert (stored.shape, stored.dtype.newbyteorder("=")) == (SHAPE, np.float64)
        for piece in (index, later, index):
            assert stored.read(piece).dtype.isnative
            np.testing.assert_array_equal(stored.read(piece), truth[piece])


def test_formats_may_be_mixed(tmp_path, capsys):
    p, t = fields()
    np.save(tmp_path / "p.npy", p)
    dataset(t).to_netcdf(tmp_path / "t.nc")
    found = compare(capsys, tmp_path / "p.npy", tmp_path / "t.nc", "--per", "time")
    assert_same(found, p, t)
    assert found["per"]["name"] == "time"
    found = compare(capsys, tmp_path / "t.nc", tmp_path / "p.npy", "--per", "time")
    assert_same(found, t, p)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_key_chooses_one_of_several_arrays(tmp_path, capsys, save):
    p, t = fields()
    save(tmp_path / "p.npz", u=p, v=p + 1)
    save(tmp_path / "t.npz", u=t, v=t + 1)
    paths = tmp_path / "p.npz", tmp_path / "t.npz"
    assert_same(compare(capsys, *paths, "--key", "u"), p, t)
    assert_same(compare(capsys, *paths, "--key", "v"), p + 1, t + 1)
    assert "p.npz holds several arrays, choose one with --key: u, v\n" in refused(capsys, *paths)
    assert "p.npz has no array 'w': u, v\n" in refused(capsys, *paths, "--key", "w")


def test_a_compressed_array_of_frames_needs_no_temporary_file(tmp_path, capsys, monkeypatch):
    p, t = fields()
    monkeypatch.setattr(blocks, "BUDGET", 1)
    np.savez_compressed(tmp_path / "p.npz", p)
    np.savez_compressed(tmp_path / "f.npz", np.asfortranarray(t))
    monkeypatch.setattr("tempfile.TemporaryFile", lambda: pytest.fail("a temporary file"))
    assert compare(capsys, tmp_path / "p.npz", tmp_path / "p.npz")["field_error"] == 0
    assert compare(capsys, tmp_path / "p.npz", tmp_path / "p.npz", "--per", "1")["field_error"] == 0
    with pytest.raises(pytest.fail.Exception):
        main(["compare", str(tmp_path / "f.npz"), str(tmp_path / "f.npz")])


# Names of dimensions and variables


@pytest.mark.parametrize(
    ("dims", "options"),
    [
        (("time", "channel", "lat", "lon"), {"channel_axis": 1}),
        (("time", "level", "latitude", "longitude"), {"channel_axis": None}),
        (("sample", "Component", "Y", "X"), {"channel_axis": 1}),
        (("x", "y", "variable", "time"), {"spatial_axes": (0, 1), "channel_axis": 2}),
        (("time", "x", "y", "z"), {"spatial_axes": (1, 2, 3), "channel_axis": None}),
        (("z", "time", "lat", "lon"), {"channel_axis": None}),
        (("time", "member", "level", "x"), {"spatial_axes": 3, "channel_axis": None}),
        (("time", "bottom_top", "south_north", "west_east"), {"channel_axis": None}),
        (("a", "b", "c", "d"), {"channel_axis": None}),
        (("dim_0", "dim_1", "dim_2", "dim_3"), {"channel_axis": 1}),
    ],
)
def test_dimensions_are_known_by_their_names(tmp_path, capsys, dims, options):
    rng = np.random.default_rng(0)
    t = rng.standard_normal((6, 7, 8, 9))
    p = t + 0.1 * rng.standard_normal(t.shape)
    for name, field in (("p.nc", p), ("t.nc", t)):
        dataset(field, dims).to_netcdf(tmp_path / name)
    found = compare(capsys, tmp_path / "p.nc", tmp_path / "t.nc", "--channels", "sum", "--grid", "plane")
    assert_same(found, p, t, channels="sum", **options)


def test_options_override_names(tmp_path, capsys):
    rng = np.random.default_rng(0)
    t = rng.standard_normal((6, 7, 8, 9))
    p = t + 0.1 * rng.standard_normal(t.shape)
    paths = tmp_path / "p.nc", tmp_path / "t.nc"
    for path, field in zip(paths, (p, t), strict=True):
        dataset(field).to_netcdf(path)
    given = ["--spatial-axes", "x", "--channel-axis", "y", "--channels", "sum"]
    assert_same(compare(capsys, *paths, *given), p, t, spatial_axes=3, channel_axis=2, channels="sum")
    given = ["--spatial-axes", "time,y,-1", "--channel-axis", "none"]
    assert_same(compare(capsys, *paths, *given), p, t, spatial_axes=(0, 2, 3), channel_axis=None)


def test_a_prediction_with_its_dimensions_in_another_order(tmp_path, capsys):
    p, t = fields()
    dataset(p).transpose("x", "time", "y", "channel").to_netcdf(tmp_path / "p.nc")
    dataset(t).to_netcdf(tmp_path / "t.nc")
    assert_same(compare(capsys, tmp_path / "p.nc", tmp_path / "t.nc"), p, t)


def test_what_was_compared_is_told(tmp_path, capsys):
    p, t = fields()
    both = xarray.Dataset({"u": (DIMS, t), "v": (DIMS, t + 1)})
    both.to_netcdf(tmp_path / "two.nc")
    dataset(p).to_netcdf(tmp_path / "group.nc", group="run/1")
    np.savez(tmp_path / "two.npz", u=p, w=t)
    np.save(tmp_path / "one.npy", p)

    def told(first: str, second: str, *argv: str) -> object:
        return compare(capsys, tmp_path / first, tmp_path / second, *argv)["variable"]

    assert told("two.nc", "two.nc", "--variable", "v") == "v"
    assert told("group.nc", "one.npy", "--variable", "run/1/wind") == "run/1/wind"
    assert told("one.npy", "two.npz", "--key", "w") == "w"
    assert told("two.npz", "two.nc", "--key", "w", "--variable", "u") == "w against u"
    assert told("one.npy", "one.npy") is None
    argv = [str(tmp_path / "two.nc")] * 2
    assert main(["compare", *argv, "--variable", "v", "--window", "hann,none"]) == 0
    assert "variable v, --window hann,none\n" in capsys.readouterr().out


def test_a_link_of_hdf5_into_another_file_is_followed(tmp_path):
    _, t = fields()
    _hdf5(tmp_path / "t.h5", t)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["wind"] = h5py.ExternalLink("t.h5", "wind")
    with open_array(tmp_path / "link.h5") as stored:
        np.testing.assert_array_equal(stored.read(tuple(slice(0, n) for n in SHAPE)), t)


def test_weather_packed_as_integers(tmp_path, capsys):
    """What ERA5 looks like: packed, latitude downwards, times, bounds, and more than one variable."""
    rng = np.random.default_rng(1)
    t2m = 280 + rng.standard_normal((3, 9, 12))
    paths = tmp_path / "p.nc", tmp_path / "t.nc"
    for path, shift in zip(paths, (0.5, 0.0), strict=True):
        era5 = xarray.Dataset(
            {
                "t2m": (("time", "latitude", "longitude"), t2m + shift),
                "time_bnds": (("time", "nv"), np.zeros((3, 2))),
                "number": ((), np.int32(0)),
            },
            coords={
                "time": ("time", np.arange(3), {"units": "hours since 1900-01-01", "bounds": "time_bnds"}),
                "latitude": np.linspace(90, -90, 9),
                "longitude": np.arange(0, 360, 30.0),
            },
        )
        packed = {"dtype": "int16", "scale_factor": 0.001, "add_offset": 280.0, "_FillValue": -32767}
        era5.to_netcdf(path, encoding={"t2m": packed})
    packed_fields = [280 + 0.001 * np.rint((t2m - 280 + shift) / 0.001) for shift in (0.5, 0.0)]
    found = compare(capsys, *paths)
    assert_same(found, *packed_fields, rel=1e-4, channel_axis=None, grid=sl.Sphere("equiangular"))
    assert found["channels"] == 1
    assert found["sphere"] == {"latitudes": "equiangular", "highest_degree": 4}


def test_several_variables_are_listed(tmp_path, capsys):
    p, t = fields()
    paths = tmp_path / "p.nc", tmp_path / "t.nc"
    for path, field in zip(paths, (p, t), strict=True):
        both = xarray.Dataset({"u": (DIMS, field), "v": (DIMS, field + 1), "n": (DIMS, field.astype(int))})
        both.to_netcdf(path)
    assert_same(compare(capsys, *paths, "--variable", "v"), p + 1, t + 1)
    assert "p.nc holds several variables, choose one with --variable: u, v\n" in refused(capsys, *paths)
    assert "p.nc has no variable 'w'; of floats it has u, v\n" in refused(capsys, *paths, "--variable", "w")
    assert "p.nc holds int64; spectra take real floats" in refused(capsys, *paths, "--variable", "n")


@pytest.mark.parametrize("chunks", [None, (2, 3, 8)])
def test_hdf5_of_a_solver(tmp_path, capsys, chunks):
    """What PDEBench looks like: no dimension scales, coordinates as plain arrays, or a group for each run."""
    rng = np.random.default_rng(2)
    t = rng.standard_normal((5, 6, 16)).astype(np.float32)
    p = (t + 0.1 * rng.standard_normal(t.shape)).astype(np.float32)
    paths = tmp_path / "p.hdf5", tmp_path / "t.hdf5"
    for path, field in zip(paths, (p, t), strict=True):
        with h5py.File(path, "w") as file:
            file.create_dataset("tensor", data=field, chunks=chunks)
            file["x-coordinate"] = np.arange(16.0)
            file["t-coordinate"] = np.arange(7.0)
            file.create_dataset("0001/data", data=field[:, :, None] + np.ones((16, 1), np.float32))
    found = compare(capsys, *paths, "--spatial-axes", "-1", "--channel-axis", "none", "--per", "1")
    assert_same(found, p, t, 1e-6, spatial_axes=-1, channel_axis=None)
    assert len(found["per"]["rows"]) == 6
    found = compare(capsys, *paths, "--variable", "0001/data")
    q, s = (x[:, :, None] + np.ones((16, 1), np.float32) for x in (p, t))
    assert_same(found, q, s, 1e-6)


@pytest.mark.parametrize("suffix", [".h5", ".nc", ".zarr"])
def test_groups(tmp_path, capsys, suffix):
    p, t = fields()
    paths = tmp_path / f"p{suffix}", tmp_path / f"t{suffix}"
    for path, field in zip(paths, (p, t), strict=True):
        if suffix == ".zarr":
            dataset(field).to_zarr(path, group="run/1", consolidated=False)
        else:
            engine = "h5netcdf" if suffix == ".h5" else "netcdf4"
            dataset(field).to_netcdf(path, group="run/1", engine=engine)
    assert_same(compare(capsys, *paths, "--variable", "run/1/wind"), p, t)
    assert "holds groups, choose a variable with --variable: run/1/wind\n" in refused(capsys, *paths)
    assert "has no group 'run/2'" in refused(capsys, *paths, "--variable", "run/2/wind")
    assert "has no variable 'run/1/u'; of floats it has wind\n" in refused(capsys, *paths, "--variable", "run/1/u")


def test_no_variable_of_floats(tmp_path, capsys):
    dataset(np.ones(SHAPE, int)).to_netcdf(tmp_path / "n.nc")
    assert "n.nc holds no variable of floats\n" in refused(capsys, tmp_path / "n.nc", tmp_path / "n.nc")


# Bad files


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".nc", ".h5", ".zarr"])
def test_missing_files(tmp_path, capsys, suffix):
    np.save(tmp_path / "t.npy", fields()[1])
    message = refused(capsys, tmp_path / f"missing{suffix}", tmp_path / "t.npy")
    assert message.endswith(f"missing{suffix}: no such file\n")
    message = refused(capsys, tmp_path / "t.npy", tmp_path / f"missing{suffix}")
    assert message.endswith(f"missing{suffix}: no such file\n")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".zarr"])
@pytest.mark.parametrize("content", [b"", b"not what the suffix says " * 50, None])
def test_unreadable_files(tmp_path, capsys, suffix, content):
    bad = tmp_path / f"bad{suffix}"
    if content is None:
        bad.mkdir()
    else:
        bad.write_bytes(content)
    assert f"bad{suffix}: cannot be read: " in refused(capsys, bad, bad)


@pytest.mark.parametrize("name", ["fields.txt", "fields", "fields.npy.gz"])
def test_unknown_suffixes(tmp_path, capsys, name):
    (tmp_path / name).write_text("1 2 3")
    assert f"{name}: a file of fields ends in .npy, .npz, .nc," in refused(capsys, tmp_path / name, tmp_path / name)


@pytest.mark.parametrize("cut", [100, 1000, 3000])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_truncated_files(tmp_path, capsys, suffix, cut):
    whole = io.BytesIO()
    (np.save if suffix == ".npy" else np.savez)(whole, fields()[1])
    bad = tmp_path / f"bad{suffix}"
    bad.write_bytes(whole.getvalue()[:cut])
    assert f"bad{suffix}: cannot be read: " in refused(capsys, bad, bad)


@pytest.mark.parametrize("budget", [1, blocks.BUDGET])
def test_damaged_data_are_noticed_while_reading(tmp_path, capsys, monkeypatch, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    bad = tmp_path / "bad.npz"
    np.savez_compressed(bad, fields()[1])
    assert compare(capsys, bad, bad)["field_error"] == 0
    with zipfile.ZipFile(bad) as archive:
        check = archive.infolist()[0].CRC
    bad.write_bytes(bad.read_bytes().replace(check.to_bytes(4, "little"), bytes(4)))
    assert "bad.npz: cannot be read: Bad CRC-32" in refused(capsys, bad, bad)


def test_damaged_chunks_are_noticed_while_reading(tmp_path, capsys):
    bad = tmp_path / "bad.nc"
    _chunked(bad, fields()[1])
    with h5py.File(bad) as file:
        chunk = file["wind"].id.get_chunk_info(2)
    data = bytearray(bad.read_bytes())
    data[chunk.byte_offset : chunk.byte_offset + 60] = bytes(60)
    bad.write_bytes(bytes(data))
    assert "bad.nc: cannot be read: " in refused(capsys, bad, bad)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (np.ones(SHAPE, np.int32), "holds int32; spectra take real floats: float16, float32 or float64"),
        (np.ones(SHAPE, bool), "holds bool"),
        (np.ones(SHAPE, np.complex64), "holds complex64"),
        (np.ones(SHAPE, np.longdouble), f"holds {np.dtype(np.longdouble).name}"),
        (np.ones(SHAPE, "f4,f4"), "holds "),
        (np.ones((4, 0, 9, 12)), "is empty: its shape is (4, 0, 9, 12)"),
        (np.float64(3), "spatial_axes: axis -2 is out of range for fields of shape () (0 dimensions)"),
        (np.ones(12), "spatial_axes: axis -2 is out of range for fields of shape (12,) (1 dimensions)"),
        (np.ones((12, 1)), "spatial axis 1 of 2 has 1 point"),
        (np.ones((5, 5)), "3 bands take 3 shells: there are 2, shells lie from 1 to 2"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_that_are_no_fields(tmp_path, capsys, suffix, field, message):
    path = tmp_path / f"field{suffix}"
    (np.save if suffix == ".npy" else np.savez)(path, field)
    assert message in refused(capsys, path, path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_python_objects_are_not_unpickled(tmp_path, capsys, suffix):
    path = tmp_path / f"field{suffix}"
    (np.save if suffix == ".npy" else np.savez)(path, np.array([[None]]), allow_pickle=True)
    assert path.name in refused(capsys, path, path)


def test_unequal_shapes(tmp_path, capsys):
    p, t = fields()
    np.save(tmp_path / "p.npy", p[:-1])
    np.save(tmp_path / "t.npy", t)
    message = refused(capsys, tmp_path / "p.npy", tmp_path / "t.npy")
    for words in ("the shapes differ", "(3, 2, 9, 12) in ", "p.npy", "(4, 2, 9, 12) in ", "t.npy"):
        assert words in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["p", "t"])
@pytest.mark.parametrize("budget", [1, 2000, blocks.BUDGET])
def test_values_that_are_not_finite(tmp_path, capsys, monkeypatch, which, value, budget):
    monkeypatch.setattr(blocks, "BUDGET", budget)
    for name, field in zip("pt", fields(), strict=True):
        if name == which:
            field[2, 1, 3, 7] = field[3, 0, 0, 0] = value
        np.save(tmp_path / f"{name}.npy", field)
    message = refused(capsys, tmp_path / "p.npy", tmp_path / "t.npy", "--plot", tmp_path / "a.png")
    assert f"{which}.npy is not finite at [2, 1, 3, 7]: {value}; " in message
    assert not (tmp_path / "a.png").exists()


def test_a_fill_value_is_not_finite(tmp_path, capsys):
    _, t = fields()
    t[1, 0, 2, 3] = np.nan
    encoding = {"wind": {"dtype": "int16", "scale_factor": 0.001, "_FillValue": -1}}
    dataset(t).to_netcdf(tmp_path / "t.nc", encoding=encoding)
    assert "t.nc is not finite at [1, 0, 2, 3]: nan; " in refused(capsys, tmp_path / "t.nc", tmp_path / "t.nc")


def test_values_whose_squares_overflow(tmp_path, capsys):
    for name, field in zip("pt", fields(np.float32), strict=True):
        np.save(tmp_path / f"{name}.npy", field * np.float32(1e25))
    message = refused(capsys, tmp_path / "p.npy", tmp_path / "t.npy")
    assert "too large, their squares overflow in float32" in message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path, capsys):
    np.save(tmp_path / "t.npy", fields()[1])
    (tmp_path / "t.npy").chmod(0)
    assert "t.npy: cannot be read: Permission denied\n" in refused(capsys, tmp_path / "t.npy", tmp_path / "t.npy")


@pytest.mark.parametrize(
    ("suffix", "package"),
    [
        (".nc", "xarray"),
        (".h5", "xarray"),
        (".nc", "netCDF4"),
        (".h5", "h5netcdf"),
        (".h5", "h5py"),
        (".zarr", "zarr"),
    ],
)
def test_missing_packages(tmp_path, capsys, monkeypatch, suffix, package):
    for each in ("xarray", "netCDF4", "h5py", "h5netcdf", "zarr"):
        importlib.import_module(each)  # h5netcdf remembers for good whether it found h5py when it was imported
    path = tmp_path / f"t{suffix}"
    if suffix == ".zarr":
        dataset(fields()[1]).to_zarr(path, consolidated=False)
    else:
        dataset(fields()[1]).to_netcdf(path)
    monkeypatch.setitem(sys.modules, package, None)
    message = refused(capsys, path, path)
    assert f"reading {suffix} files needs {package}, which is not installed: " in message
    assert f"pip install {package} (the extra 'cli' of spectral-losses" in message


def test_files_are_closed(files):
    with contextlib.ExitStack() as stack:
        stored = [stack.enter_context(open_array(path)) for path in files]
        for array in stored:
            array.read(tuple(slice(0, n) for n in SHAPE))
    for path in files:
        path.rename(path.with_name(f"moved{path.name}"))
