"""`Spectrum` itself: printed, stored in files, stacked to batches, collated by PyTorch."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frameworks import FRAMEWORKS, Framework

import spectral_losses as sl

RNG = np.random.default_rng(5)
FIELD = RNG.normal(size=(4, 2, 12, 10))
OPTIONS: list[dict[str, Any]] = [
    {},
    {"bins": (0.1, 71.3, 145.7), "lengths": (0.1, 1 / 3), "spatial_axes": (2, 3)},
    {"bins": ("log", 2), "window": ("hann", None), "channels": "sum"},
    {"bins": 3, "detrend": "linear", "pool": (0,), "channel_axis": None},
]


def test_printed_in_a_line(framework: Framework) -> None:
    text = repr(sl.radial_spectrum(framework.asarray(FIELD.astype("float32"))))
    assert text.startswith("Spectrum(5 shells, power of shape (4, 2, 5), float32, ")
    assert len(text) < 90


def test_printed_while_it_is_taken_apart() -> None:
    assert repr(sl.Spectrum(None, None, None, None)) == "Spectrum(power=None)"
    jax = pytest.importorskip("jax")
    spectrum = sl.radial_spectrum(jax.numpy.asarray(FIELD))  # JAX learns of spectra with its first array
    said = []
    jax.jit(lambda s: said.append(repr(s)) or s.power)(spectrum)
    assert said[0].startswith("Spectrum(5 shells, power of shape (4, 2, 5), float")


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_through_a_file(framework: Framework, tmp_path: Path, options: dict[str, Any], dtype: str) -> None:
    field = framework.asarray(FIELD.astype(dtype))
    stored = sl.radial_spectrum(field, **options)
    if framework.name in ("cupy", "torch-cuda"):
        with pytest.raises(TypeError):  # NumPy reads no GPU
            stored.save(tmp_path / "target")
        return
    stored.save(tmp_path / "target")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    loaded = sl.Spectrum.load(tmp_path / "target")
    for ours, theirs in zip(stored, loaded, strict=True):
        assert type(theirs) is np.ndarray
        assert theirs.dtype == dtype
        np.testing.assert_array_equal(framework.to_numpy(ours), theirs)
    assert loaded.layout == stored.layout
    assert repr(loaded.layout) == repr(stored.layout)  # 1 and 1.0 are equal
    hash(loaded.layout)
    again = sl.Spectrum.load(str(tmp_path / "target"), like=framework.asarray)
    assert type(again.power) is type(stored.power)
    other = framework.asarray(np.roll(FIELD, 1).astype(dtype))
    loss = sl.log_spectral_distance
    assert float(loss(other, again, **options)) == float(loss(other, stored, **options))


def test_from_one_framework_to_another(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    single = FIELD.astype("float32")
    sl.radial_spectrum(torch.tensor(single).requires_grad_()).save(tmp_path / "a.npz")
    other = np.roll(single, 1)
    found = sl.spectrum_error(other, sl.Spectrum.load(tmp_path / "a.npz"))
    assert float(found) == pytest.approx(float(sl.spectrum_error(other, single)), rel=1e-5)
    sl.radial_spectrum(single).save(tmp_path / "b.npz")
    loaded = sl.Spectrum.load(tmp_path / "b.npz", like=torch.from_numpy)
    found = sl.spectrum_error(torch.tensor(other), loaded)
    assert float(found) == pytest.approx(float(sl.spectrum_error(other, single)), rel=1e-5)


def test_files_that_hold_no_spectrum(tmp_path: Path) -> None:
    array, other, text = (tmp_path / name for name in ("array.npy", "other.npz", "text.npz"))
    np.save(array, FIELD)
    np.savez(other, power=FIELD)
    text.write_text("no archive")
    for path in (array, other, text):
        with pytest.raises(ValueError, match=rf"{path.name} must be a spectrum that Spectrum\.save wrote"):
            sl.Spectrum.load(path)
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, **dict.fromkeys(("wavenumber", "power", "edges", "counts"), np.array([{}])), layout="[]")
    with pytest.raises(ValueError, match="allow_pickle"):
        sl.Spectrum.load(pickled)
    with pytest.raises(FileNotFoundError):
        sl.Spectrum.load(tmp_path / "nothing.npz")


def samples(framework: Framework, options: dict[str, Any]) -> list[sl.Spectrum]:
    return [sl.radial_spectrum(framework.asarray(field), **options) for field in FIELD[:, None]]


@pytest.mark.parametrize(
    ("of_sample", "of_batch"),
    [
        ({}, {}),
        ({"channels": "sum", "window": "hann"}, {"channels": "sum", "window": "hann"}),
        ({"pool": 0}, {"pool": 1}),
    ],
)
def test_samples_are_stacked_to_a_batch(
    framework: Framework, of_sample: dict[str, Any], of_batch: dict[str, Any]
) -> None:
    batch = sl.Spectrum.stack(samples(framework, of_sample))
    whole = sl.radial_spectrum(framework.asarray(FIELD[:, None]), **of_batch)
    assert batch.layout == whole.layout
    np.testing.assert_allclose(framework.to_numpy(batch.power), framework.to_numpy(whole.power), rtol=1e-12)
    other = framework.asarray(np.roll(FIELD, 1)[:, None])
    expected = float(sl.spectrum_error(other, whole, **of_batch))
    assert float(sl.spectrum_error(other, batch, **of_batch)) == pytest.approx(expected, rel=1e-10)


def test_what_cannot_be_stacked() -> None:
    with pytest.raises(ValueError, match="at least one, got none"):
        sl.Spectrum.stack([])
    with pytest.raises(ValueError, match="one grid and set of options"):
        sl.Spectrum.stack([sl.radial_spectrum(FIELD), sl.radial_spectrum(FIELD, bins=2)])


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_loader_makes_batches(name: str, workers: int) -> None:
    torch = pytest.importorskip("torch")
    data = [(torch.tensor(x), s) for x, s in zip(FIELD[:, None], samples(FRAMEWORKS[name](), {"pool": 0}), strict=True)]
    seen = 0
    context = "spawn" if workers else None  # a worker that knows nothing but what is pickled
    for fields, batch in torch.utils.data.DataLoader(
        data, batch_size=2, num_workers=workers, multiprocessing_context=context
    ):
        assert isinstance(batch, sl.Spectrum)
        assert all(torch.is_tensor(array) for array in batch)
        whole = sl.radial_spectrum(fields, pool=1)
        assert batch.layout == whole.layout
        torch.testing.assert_close(batch.power, whole.power)
        assert float(sl.spectrum_error(fields, batch, pool=1)) < 1e-30
        seen += len(fields)
    assert seen == len(FIELD)


@pytest.mark.parametrize(
    "made",
    [
        "sl.radial_spectrum(x)",
        "pickle.loads(pickle.dumps(sl.radial_spectrum(x)))",
        "sl.Spectrum.load(path)",
    ],
)
def test_the_order_of_imports_is_of_no_consequence(tmp_path: Path, made: str) -> None:
    pytest.importorskip("torch")
    path = tmp_path / "target.npz"
    sl.radial_spectrum(FIELD[0]).save(path)
    code = f"""
import pickle
import numpy as np
import spectral_losses as sl
from spectral_losses import Spectrum, spectrum_error
x, path = np.ones((2, 8, 6)), {str(path)!r}
import torch
print(type(torch.utils.data.default_collate([{made}]).power).__name__)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["Tensor"]


def test_moved_as_tensors_are() -> None:
    torch = pytest.importorskip("torch")
    spectrum = sl.radial_spectrum(torch.tensor(FIELD))
    moved = spectrum.to("meta")
    assert {array.device.type for array in moved} == {"meta"}
    assert moved.layout == spectrum.layout
    assert spectrum.to(torch.float32).power.dtype == torch.float32


def test_copies_and_pickles() -> None:
    spectrum = sl.radial_spectrum(FIELD, bins="log")
    for twin in (copy.deepcopy(spectrum), pickle.loads(pickle.dumps(spectrum))):
        np.testing.assert_array_equal(twin.power, spectrum.power)
        assert twin.layout == spectrum.layout
