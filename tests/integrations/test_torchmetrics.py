"""Metrics over batches of unequal size are the losses of all batches in one."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import spectral_losses as sl
from spectral_losses.losses.registry import all_losses

torch = pytest.importorskip("torch")
torchmetrics = pytest.importorskip("torchmetrics")

from spectral_losses.integrations.torchmetrics import FieldError, MeanLoss, MeanSpectrum, PooledLoss, SpectrumError  # noqa: E402

GAUSS = sl.Sphere("gauss")
MASK = torch.rand(6, 8, generator=torch.Generator().manual_seed(3)) > 0.4
CASES: list[tuple[Any, Any, dict[str, Any]]] = [
    # The guard of the field error is relative to the frames of a batch.
    (FieldError, sl.field_error, {"eps": 0}),
    (FieldError, sl.field_error, {"mask": MASK, "eps": 0}),
    (FieldError, sl.field_error, {"mask": MASK.float(), "spatial_axes": (3, 4), "eps": 0}),
    (FieldError, sl.field_error, {"spatial_axes": -1, "eps": 0}),
    (SpectrumError, sl.spectrum_error, {}),
    (SpectrumError, sl.spectrum_error, {"channels": "sum", "window": "hann", "detrend": "linear"}),
    (SpectrumError, sl.spectrum_error, {"spatial_axes": (3, 4), "channel_axis": 1, "bins": 2, "lengths": (1.0, 1.2)}),
    (SpectrumError, sl.spectrum_error, {"channels": "mean", "channel_axis": None, "bins": (0.5, 1.5, 2.5)}),
    (FieldError, sl.field_error, {"mask": MASK, "eps": 0, "grid": GAUSS}),
    (SpectrumError, sl.spectrum_error, {"grid": GAUSS, "bins": 2}),
    (SpectrumError, sl.spectrum_error, {"transform": "dct"}),
]

# Of guards that are relative to the frames of a batch, none.
EPS = {
    name: {"eps": 0.0}
    if loss.compare(torch.rand(1, 1, 8, 8), torch.rand(1, 1, 8, 8)).objective.floor is not None
    else {}
    for name, loss in all_losses().items()
}


@pytest.mark.parametrize("name", EPS)
def test_any_loss_is_a_metric(name: str) -> None:
    options = EPS[name] | ({"bands": 2} if name == "band_error" else {})
    p, t = pair()
    on_the_sphere = [{"grid": GAUSS}] if "grid" in inspect.signature(all_losses()[name]).parameters else []
    for more in ({}, {"channel_weights": (1.0, 2.0, 4.0)}, {"channels": "sum"}, *on_the_sphere):
        metric = MeanLoss(name, **options, **more)
        expected = all_losses()[name](p, t, **options, **more)
        for batch in batches(p, t):
            metric.update(*batch)
        torch.testing.assert_close(metric.compute(), expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("fill", ["smooth", "mean"])
def test_metrics_of_spectra_take_a_mask(fill: str) -> None:
    p, t = pair()
    p[..., ~MASK] = torch.nan
    options = {"mask": MASK, "fill": fill}
    error, loss, spectrum = (
        SpectrumError(**options),
        MeanLoss("adjusted_error", eps=0, **options),
        MeanSpectrum(**options),
    )
    for batch in batches(p, t):
        for metric in (error, loss, spectrum):
            metric.update(*batch)
    torch.testing.assert_close(error.compute(), sl.spectrum_error(p, t, **options))
    torch.testing.assert_close(loss.compute(), sl.adjusted_error(p, t, eps=0, **options))
    found, whole = spectrum.compute(), sl.radial_spectrum(p, pool="frames", **options)
    torch.testing.assert_close(found.power, whole.power)
    assert found.layout == whole.layout
    with pytest.raises(ValueError, match="fill must be one of mean, smooth, got 'men'"):
        SpectrumError(mask=MASK, fill="men")


def test_metrics_of_losses() -> None:
    p, t = pair()
    metric = MeanLoss("correlation_error", mask=MASK)
    metric.update(p, t)
    torch.testing.assert_close(metric.compute(), sl.correlation_error(p, t, mask=MASK))
    assert torch.equal(copy.deepcopy(metric).mask, MASK)
    names = ("log_spectral_distance", "power_ratio_error")
    both = torchmetrics.MetricCollection({name: MeanLoss(name) for name in names})
    both.update(p, t)
    for name, found in both.compute().items():
        torch.testing.assert_close(found, all_losses()[name](p, t))
    with pytest.raises(ValueError, match="loss 'log_distance' is not known"):
        MeanLoss("log_distance")
    with pytest.raises(ValueError, match="pool: a metric is the mean of all rows of adjusted_error, got 0"):
        MeanLoss("adjusted_error", pool=0)
    with pytest.raises((TypeError, ValueError), match="bin_s"):
        MeanLoss("adjusted_error", bin_s=3)


def pair(dtype: Any = torch.float64) -> tuple[Any, Any]:
    p, t = torch.randn(2, 7, 2, 3, 6, 8, dtype=dtype, generator=torch.Generator().manual_seed(0))
    # Batch elements that differ in their error, so that a mean of means would be seen.
    return p * torch.linspace(0.1, 3, 7, dtype=dtype).reshape(7, 1, 1, 1, 1), t


def batches(*tensors: Any) -> Any:
    return zip(*(x.split([1, 4, 2]) for x in tensors), strict=True)


@pytest.mark.parametrize(("kind", "loss", "options"), CASES)
def test_batches_of_unequal_size_give_the_loss_of_all(
    kind: Callable[..., Any], loss: Callable[..., Any], options: dict[str, Any]
) -> None:
    p, t = pair()
    metric, expected = kind(**options), loss(p, t, **options)
    for batch in batches(p, t):
        metric.update(*batch)
    found = metric.compute()
    assert found.shape == ()
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    naive = torch.stack([loss(*batch, **options) for batch in batches(p, t)]).mean()
    assert abs(naive - expected) > 1e-3 * expected
    metric.reset()
    metric.update(p[:2], t[:2])
    torch.testing.assert_close(metric.compute(), loss(p[:2], t[:2], **options), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("kind", "loss", "options"), CASES[:5])
def test_forward_gives_the_batch_and_compute_all(kind: Any, loss: Any, options: dict[str, Any]) -> None:
    p, t = pair()
    metric = kind(**options)
    for a, b in batches(p, t):
        a.requires_grad_()
        value = metric(a, b)
        torch.testing.assert_close(value, loss(a, b, **options))
        torch.testing.assert_close(torch.autograd.grad(value, a)[0], torch.autograd.grad(loss(a, b, **options), a)[0])
    found = metric.compute()
    assert not found.requires_grad  # no graph is kept from batch to batch
    torch.testing.assert_close(found, loss(p, t, **options).detach())


def test_merged_states_and_copies() -> None:
    p, t = pair()
    one, other = SpectrumError(), SpectrumError()
    one.update(p[:2], t[:2])
    other.update(p[2:], t[2:])
    one.merge_state(other)
    torch.testing.assert_close(one.compute(), sl.spectrum_error(p, t))
    for twin in (copy.deepcopy(one), pickle.loads(pickle.dumps(one)), one.clone()):
        assert torch.equal(twin.compute(), one.compute())


def test_a_collection() -> None:
    p, t = pair(torch.float32)
    each = {"field": FieldError(), "masked": FieldError(mask=MASK), "spectrum": SpectrumError()}
    metrics = torchmetrics.MetricCollection({**each, "sum": SpectrumError(channels="sum")})
    for batch in batches(p, t):
        metrics.update(*batch)
    found = metrics.compute()
    expected = {
        "field": sl.field_error(p, t),
        "masked": sl.field_error(p, t, mask=MASK),
        "spectrum": sl.spectrum_error(p, t),
        "sum": sl.spectrum_error(p, t, channels="sum"),
    }
    torch.testing.assert_close({name: value.float() for name, value in found.items()}, expected)
    metrics.reset()
    assert {int(metric.count) for metric in metrics.values()} == {0}


@pytest.mark.parametrize("change", ["half", "bfloat16", "double", "float", "cpu"])
def test_sums_stay_in_float64(change: str) -> None:
    p, t = pair(torch.float32)
    metric = FieldError(mask=MASK.float())
    for batch in batches(p, t):
        metric.update(*batch)
        getattr(metric, change)()
        metric.to(torch.bfloat16)
        metric.to(torch.float32)
    assert metric.total.dtype == torch.float64
    assert metric.count.dtype == torch.int64
    metric.reset()
    assert metric.total.dtype == torch.float64
    assert metric.to("meta").total.device.type == metric.mask.device.type == "meta"


def test_half_precision_of_the_fields() -> None:
    p, t = (x.bfloat16() for x in pair(torch.float32))
    metric = SpectrumError()
    metric.update(p, t)
    torch.testing.assert_close(metric.compute().float(), sl.spectrum_error(p, t))


def test_compute_before_update_warns_as_torchmetrics_does() -> None:
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        assert torch.isnan(FieldError().compute())


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        (FieldError, {"eps": -1}, ValueError, "eps must be finite and at least 0, got -1"),
        (FieldError, {"spatial_axes": (1, 1)}, ValueError, "must not repeat an axis"),
        (FieldError, {"spatial_axes": ()}, ValueError, "one, two or three axes"),
        (FieldError, {"spatial_axes": "xy"}, TypeError, "spatial_axes must be integers"),
        (FieldError, {"mask": torch.zeros(4, 4)}, ValueError, "mask is 0 everywhere"),
        (FieldError, {"mask": torch.tensor([[1.0, -1.0]])}, ValueError, "weights >= 0"),
        (FieldError, {"mask": torch.ones(4)}, ValueError, r"mask must have the 2 spatial axes, got shape \(4,\)"),
        (FieldError, {"bins": "log"}, ValueError, "Unexpected keyword"),
        (SpectrumError, {"eps": "0"}, TypeError, "eps must be a number, got str"),
        (SpectrumError, {"channels": "each"}, ValueError, "channels must be one of separate, sum, mean, got 'each'"),
        (SpectrumError, {"channel_axis": -1}, ValueError, "also one of the spatial axes"),
        (SpectrumError, {"channel_axis": "first"}, ValueError, "channel_axis must be an axis, None or 'auto'"),
        (SpectrumError, {"bins": 0}, ValueError, "bins must be 'unit'"),
        (SpectrumError, {"bins": (2.0, 1.0)}, ValueError, "bins must be 'unit'"),
        (SpectrumError, {"lengths": (1.0, 2.0, 3.0)}, ValueError, r"one value per spatial axis \(2\)"),
        (SpectrumError, {"lengths": -1.0}, ValueError, "lengths must be finite and positive"),
        (SpectrumError, {"window": "han"}, ValueError, "window must be one of"),
        (SpectrumError, {"detrend": "mean"}, ValueError, "detrend must be one of"),
        (FieldError, {"grid": "gauss"}, TypeError, "grid must be None or a Sphere, got 'gauss'"),
        (FieldError, {"grid": GAUSS, "spatial_axes": -1}, ValueError, "a Sphere has two spatial axes"),
        (SpectrumError, {"grid": (90.0, 0.0, -90.0)}, TypeError, "grid must be None or a Sphere"),
        (SpectrumError, {"grid": GAUSS, "lengths": 1.0}, ValueError, "lengths must be None with grid=Sphere"),
        (SpectrumError, {"grid": GAUSS, "window": "hann"}, ValueError, "window must be None with grid=Sphere"),
        (MeanSpectrum, {"grid": GAUSS, "detrend": "linear"}, ValueError, "detrend must be None with grid=Sphere"),
        (MeanSpectrum, {"grid": GAUSS, "bins": sl.Sectors(4)}, ValueError, "bins must not be Sectors"),
    ],
)
def test_options_are_checked_when_it_is_made(kind: Any, options: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        kind(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"spatial_axes": (1, 2), "channel_axis": -1},
        {"spatial_axes": (-3, -2, -1), "channel_axis": 1, "lengths": (1, 2, 1000)},
        {"spatial_axes": 0, "channel_axis": None},
        {"bins": 64},
        {"bins": (10.0, 20.0, 40.0)},
        {"window": ("hann", None), "lengths": 0.001},
        {"grid": sl.Sphere(range(-90, 91, 1), degrees=90), "spatial_axes": (1, 3)},
    ],
)
def test_options_that_some_field_takes_are_taken(options: dict[str, Any]) -> None:
    SpectrumError(**options)


def test_a_field_without_a_batch_counts_as_one() -> None:
    p, t = pair()
    metric = SpectrumError()
    for a, b in zip(p[:, 0], t[:, 0], strict=True):  # channels and space alone
        metric.update(a, b)
    assert int(metric.count) == 7
    torch.testing.assert_close(metric.compute(), sl.spectrum_error(p[:, :1], t[:, :1]))


def test_without_torchmetrics_the_error_says_what_to_install() -> None:
    code = """
import sys
sys.modules["torchmetrics"] = None
try:
    import spectral_losses.integrations.torchmetrics
except ModuleNotFoundError as error:
    print(error.name, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("torchmetrics this module needs torchmetrics, which is not installed: pip")


def test_metrics_of_other_options_stay_apart_in_a_collection() -> None:
    # After a perfect batch, or a prediction of zeros, the states of all of them are alike.
    torchmetrics = pytest.importorskip("torchmetrics")
    y = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    west = torch.zeros(16, 16)
    west[:, :8] = 1
    collection = torchmetrics.MetricCollection(
        {
            "west": FieldError(mask=west),
            "east": FieldError(mask=1 - west),
            "plain": SpectrumError(),
            "window": SpectrumError(window="hann"),
            "sphere": SpectrumError(grid=GAUSS),
            "weighed": FieldError(mask=west, grid=sl.Sphere("cells")),
        }
    )
    for first in (y, torch.zeros_like(y)):
        collection.update(first, y)
        collection.compute()
        collection.reset()
    p = y.clone()
    p[..., :8] *= 1.5
    collection.update(p, y)
    found = collection.compute()
    assert float(found["west"]) == pytest.approx(0.25, rel=1e-4)
    assert float(found["east"]) == 0
    assert float(found["window"]) == pytest.approx(float(sl.spectrum_error(p, y, window="hann")), rel=1e-5)
    assert float(found["sphere"]) == pytest.approx(float(sl.spectrum_error(p, y, grid=GAUSS)), rel=1e-5)


def test_metrics_of_weights_that_print_alike_stay_apart_in_a_collection() -> None:
    torchmetrics = pytest.importorskip("torchmetrics")
    weights = [torch.tensor([1.00001, 2.0, 0.5]), torch.tensor([1.00002, 2.0, 0.5])]
    assert repr(weights[0]) == repr(weights[1])
    p, y = torch.randn(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    options = [{"channel_weights": each} for each in weights]
    collection = torchmetrics.MetricCollection({str(i): MeanLoss("field_error", **options[i]) for i in (0, 1)})
    collection.update(y, y)
    collection.update(p, y)
    for i in (0, 1):
        expected = (sl.field_error(y, y, **options[i]) + sl.field_error(p, y, **options[i])) / 2
        torch.testing.assert_close(collection.compute()[str(i)], expected, rtol=1e-9, atol=0)


def test_the_mask_stays_exact() -> None:
    mask = torch.cos(torch.linspace(-1.5, 1.5, 16))[:, None] * torch.ones(16, 16)
    metric = torch.nn.ModuleList([FieldError(mask=mask)]).to(torch.bfloat16)[0]
    assert torch.equal(metric.mask, mask)
    y = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    metric.update(1.5 * y, y)
    assert float(metric.compute()) == pytest.approx(0.25, rel=1e-4)
    half = sl.field_error((1.5 * y).bfloat16(), y.bfloat16(), mask=mask.bfloat16())
    assert half.item() == pytest.approx(0.25, rel=0.05)


# Mean spectra


SPECTRA: list[dict[str, Any]] = [
    {},
    {"channels": "sum", "window": "hann", "detrend": "linear"},
    {"channels": "mean", "bins": 2},
    {"transform": "dct"},
    {"spatial_axes": (3, 4), "channel_axis": 1, "bins": (3.0, 10.0, 20.0), "lengths": (1.0, 1.2)},
    {"spatial_axes": -1, "channel_axis": None},
    {"grid": GAUSS, "bins": "log", "channels": "sum"},
]


def same(found: sl.Spectrum, expected: sl.Spectrum, rtol: float = 1e-12) -> None:
    """Two spectra agree."""
    assert found.layout == expected.layout
    for mine, other in zip(found, expected, strict=True):
        assert mine.dtype == torch.float64
        torch.testing.assert_close(mine, other.double(), rtol=rtol, atol=0)


@pytest.mark.parametrize("options", SPECTRA)
def test_batches_of_unequal_size_give_the_mean_spectrum_of_all(options: dict[str, Any]) -> None:
    p, _ = pair()
    metric, expected = MeanSpectrum(**options), sl.radial_spectrum(p, **options, pool="frames")
    for (batch,) in batches(p):
        metric.update(batch)
    same(metric.compute(), expected)
    means = torch.stack([sl.radial_spectrum(batch, **options, pool="frames").power for (batch,) in batches(p)])
    assert not torch.allclose(means.mean(dim=0), expected.power, rtol=0.01)
    metric.reset()
    metric.update(p[:2])
    same(metric.compute(), sl.radial_spectrum(p[:2], **options, pool="frames"))
    assert float(sl.spectrum_error(p[:2], metric.compute(), **options, pool="frames")) == pytest.approx(0, abs=1e-20)


def test_a_spectrum_of_float32_is_summed_in_float64() -> None:
    p, _ = pair(torch.float32)
    metric = MeanSpectrum()
    for (batch,) in batches(p):
        metric.update(batch)
        metric.half()
        metric.to(torch.bfloat16)
    assert (metric.total.dtype, metric.count.dtype, metric.shape.dtype) == (torch.float64, torch.int64, torch.int64)
    same(metric.compute(), sl.radial_spectrum(p, pool="frames"), rtol=1e-5)
    assert int(metric.count) == 7 * 2
    assert metric.to("meta").shape.device.type == "meta"


def test_a_call_gives_the_spectrum_of_the_batch() -> None:
    p, _ = pair()
    metric = MeanSpectrum(channels="sum")
    for (batch,) in batches(p):
        same(metric(batch.requires_grad_()), sl.radial_spectrum(batch.detach(), channels="sum", pool="frames"))
    found = metric.compute()
    assert not found.power.requires_grad
    same(found, sl.radial_spectrum(p, channels="sum", pool="frames"))
    assert metric.compute() is not None  # once more, from what is remembered
    same(metric.compute(), found)


def test_merged_and_copied_spectra() -> None:
    p, _ = pair()
    one, other = MeanSpectrum(), MeanSpectrum()
    one.update(p[:2])
    other.update(p[2:])
    one.merge_state(other)
    expected = sl.radial_spectrum(p, pool="frames")
    for twin in (one, copy.deepcopy(one), pickle.loads(pickle.dumps(one)), one.clone()):
        same(twin.compute(), expected)
    one.merge_state(MeanSpectrum())  # which saw nothing
    same(one.compute(), expected)
    fresh, stored = MeanSpectrum(), MeanSpectrum()
    fresh.merge_state(one)
    stored.persistent(True)
    one.persistent(True)
    stored.load_state_dict(one.state_dict())
    for metric in (fresh, stored):
        with pytest.warns(UserWarning, match="before the ``update`` method"):  # of which torchmetrics counts its own
            same(metric.compute(), expected)


def test_spectra_in_a_collection() -> None:
    p, t = pair()
    metrics = torchmetrics.MetricCollection(
        {
            "error": SpectrumError(),
            "prediction": MeanSpectrum(),
            "truth": MeanSpectrum(of="target"),
            "sum": MeanSpectrum(channels="sum"),
        }
    )
    for first in (t, p):  # equal fields, whose states are alike, come first
        metrics.reset()
        metrics.update(first, t)
        for batch in batches(p, t):
            metrics.update(*batch)
        found = metrics.compute()
        same(found["prediction"], sl.radial_spectrum(torch.cat([first, p], 0), pool="frames"), rtol=1e-10)
        same(found["truth"], sl.radial_spectrum(torch.cat([t, t], 0), pool="frames"), rtol=1e-10)
        assert found["sum"].power.shape == found["truth"].power.shape[1:]


def test_fields_without_frames_count_as_one() -> None:
    p, _ = pair()
    metric = MeanSpectrum()
    for field in p[:, 0]:  # channels and space alone
        metric.update(field)
    assert int(metric.count) == len(p)
    torch.testing.assert_close(metric.compute().power, sl.radial_spectrum(p[:, 0], pool="frames").power)


def test_what_a_mean_spectrum_refuses() -> None:
    metric = MeanSpectrum()
    with (
        pytest.warns(UserWarning, match="before the ``update`` method"),
        pytest.raises(ValueError, match="no spectrum is known before the first batch"),
    ):
        metric.compute()
    metric.update(torch.ones(2, 1, 8, 8))
    for shape in ((2, 1, 8, 12), (2, 2, 8, 8), (1, 8, 8)):
        with pytest.raises(ValueError, match=r"one grid and number of channels, got \[\[1, 1, 8, 8\], "):
            metric.update(torch.ones(shape))
        other = MeanSpectrum()
        other.update(torch.ones(shape))
        with pytest.raises((ValueError, RuntimeError)):
            metric.merge_state(other)
    metric.update(torch.ones(5, 1, 8, 8))  # another number of frames
    with pytest.raises(ValueError, match="target must be given"):
        MeanSpectrum(of="target").update(torch.ones(2, 1, 8, 8))
    for options, message in (
        ({"of": "both"}, "of must be one of preds, target, got 'both'"),
        ({"channels": "each"}, "channels must be one of"),
        ({"bins": 0}, "bins must be 'unit'"),
        ({"lengths": (1.0, 2.0, 3.0)}, "one value per spatial axis"),
        ({"window": "han"}, "window must be one of"),
        ({"spatial_axes": ()}, "one, two or three axes"),
    ):
        with pytest.raises(ValueError, match=message):
            MeanSpectrum(**options)


def test_a_mean_spectrum_draws_itself() -> None:
    matplotlib_figure = pytest.importorskip("matplotlib.figure")
    p, t = pair()
    metric = MeanSpectrum(spatial_axes=-1)
    metric.update(p)
    figure, ax = metric.plot()
    assert isinstance(figure, matplotlib_figure.Figure)
    (line,) = ax.get_lines()
    spectrum = metric.compute()
    assert line.get_xdata().tolist() == spectrum.wavenumber.tolist()
    expected = spectrum.power.mean(dim=0) / 8**2
    assert line.get_ydata().tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    other = MeanSpectrum(spatial_axes=-1)
    own = matplotlib_figure.Figure().subplots()
    assert metric.plot(other(t), own) == (own.figure, own)
    assert own.get_lines()[0].get_ydata().tolist() != line.get_ydata().tolist()


def test_a_mean_spectrum_knows_its_sphere() -> None:
    pytest.importorskip("matplotlib")
    metric = MeanSpectrum(grid=sl.Sphere("equiangular"))
    metric.update(torch.randn((2, 1, 9, 16), generator=torch.Generator().manual_seed(0)))
    for options, words in (({}, "radii of the sphere"), ({"radius": 6371, "unit": "km"}, "km")):
        _, ax = metric.plot(**options)
        assert ax.get_xlabel() == "degree $l$"
        assert [each.get_xlabel() for each in ax.child_axes] == [f"wavelength ({words})"]


def gathered(rank: int, world: list[Any]) -> Callable[..., list[Any]]:
    """What `gather_all_tensors` of one rank returns, of metrics in the places of ranks, in the order of its calls."""
    names = iter(["shape", *world[0]._reductions])

    def gather(mine: Any, group: Any = None) -> list[Any]:
        name = next(names)
        every = [getattr(metric, name) for metric in world]
        every[rank] = mine
        return every

    return gather


@pytest.mark.parametrize("options", [{}, {"grid": GAUSS}])
@pytest.mark.parametrize("seen", [(3, 4), (7, 0), (0, 7), (0, 0)])
def test_ranks_that_saw_nothing_join_in(seen: tuple[int, int], options: dict[str, Any]) -> None:
    p, _ = pair()
    world = [MeanSpectrum(**options), MeanSpectrum(**options)]
    for metric, fields in zip(world, (p[: seen[0]], p[7 - seen[1] :]), strict=True):
        if len(fields):
            metric.update(fields)
    expected = sl.radial_spectrum(p, pool="frames", **options)
    for rank, metric in enumerate(world):
        twin, others = metric.clone(), [each.clone() for each in world]
        if any(seen):  # each rank fits its sum to those of the others
            for each in others:
                each.total = each.total + torch.zeros_like(expected.power)
        twin._sync_dist(gathered(rank, others))
        twin._update_count = 1
        if any(seen):
            same(twin.compute(), expected)
        else:
            with pytest.raises(ValueError, match="no spectrum is known"):
                twin.compute()


# Pooled losses


@pytest.mark.parametrize("options", SPECTRA)
@pytest.mark.parametrize("name", ["log_spectral_distance", "coherence_error"])
def test_a_pooled_loss_is_that_of_all_frames(name: str, options: dict[str, Any]) -> None:
    p, t = pair()
    metric, expected = PooledLoss(name, **options), getattr(sl, name)(p, t, **options, pool="frames")
    for batch in batches(p, t):
        metric.update(*batch)
    torch.testing.assert_close(metric.compute(), expected, rtol=1e-9, atol=1e-12)
    stats = metric.statistics()
    torch.testing.assert_close(torch.tensor(stats.loss(name)), metric.compute())
    assert stats.spectra()["target"].layout == sl.radial_spectrum(t, **options, pool="frames").layout
    metric.reset()
    assert metric.statistics().frames == 0
    metric.update(p[:2], t[:2])
    expected = getattr(sl, name)(p[:2], t[:2], **options, pool="frames")
    torch.testing.assert_close(metric.compute(), expected, rtol=1e-9, atol=1e-12)


def test_pooled_losses_of_float32_merged_copied_and_called() -> None:
    p, t = pair(torch.float32)
    one, other = (PooledLoss("adjusted_error", bins="log", eps=1e-6) for _ in range(2))
    torch.testing.assert_close(
        one(p[:2], t[:2]).float(), sl.adjusted_error(p[:2], t[:2], bins="log", eps=1e-6, pool="frames")
    )
    one.half()
    other.update(p[2:], t[2:])
    one.merge_state(other)
    one.merge_state(PooledLoss("adjusted_error", bins="log", eps=1e-6))  # which saw nothing
    expected = sl.adjusted_error(p, t, bins="log", eps=1e-6, pool="frames")
    for twin in (one, copy.deepcopy(one), pickle.loads(pickle.dumps(one)), one.clone()):
        assert twin.total.dtype == torch.float64
        torch.testing.assert_close(twin.compute().float(), expected)
    assert one.statistics().loss("adjusted_error").dtype == "float32"


def test_pooled_losses_in_a_collection() -> None:
    p, t = pair()
    wanted: list[tuple[str, dict[str, Any]]] = [
        ("coherence_error", {}),
        ("log_spectral_distance", {}),
        ("log_spectral_distance", {"side": "excess"}),
        ("log_spectral_distance", {"window": "hann"}),
    ]
    metrics = torchmetrics.MetricCollection(
        {str(i): PooledLoss(name, **options) for i, (name, options) in enumerate(wanted)}
    )
    metrics.update(t, t)  # equal fields, whose states are alike, come first
    for batch in batches(p, t):
        metrics.update(*batch)
    both = torch.cat([t, p], 0), torch.cat([t, t], 0)
    for i, (name, options) in enumerate(wanted):
        expected = getattr(sl, name)(*both, **options, pool="frames")
        torch.testing.assert_close(metrics.compute()[str(i)], expected, rtol=1e-9, atol=1e-12)


def test_what_a_pooled_loss_refuses() -> None:
    for call, kind, message in (
        (lambda: PooledLoss("log_distance"), ValueError, "'log_distance' is not known"),
        (lambda: PooledLoss("field_error", mask=torch.ones(4, 4)), ValueError, "mask: a pooled loss is one number"),
        (lambda: PooledLoss("band_error", reduction="none"), ValueError, "reduction: a pooled loss is one number"),
        (lambda: PooledLoss("band_error", pool=None), ValueError, "pool must be 'frames'"),
        (lambda: PooledLoss("band_error", bin_s=3), ValueError, "Unexpected keyword"),
    ):
        with pytest.raises(kind, match=message):
            call()
    metric = PooledLoss("band_error")
    with (
        pytest.warns(UserWarning, match="before the ``update`` method"),
        pytest.raises(ValueError, match="nothing was summed yet"),
    ):
        metric.compute()
    metric.update(*torch.ones(2, 2, 1, 16, 16))
    with pytest.raises(ValueError, match="one grid and number of channels"):
        metric.update(*torch.ones(2, 2, 1, 16, 12))
