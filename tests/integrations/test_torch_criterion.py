"""The criterion in PyTorch training loops: saved, moved, compiled, pickled; and means without a process group."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from importlib import import_module
from typing import Any

import pytest
from frameworks import no_waiting

import spectral_losses as sl

torch = pytest.importorskip("torch")

from spectral_losses.integrations.torch import CompositeCriterion, mean_over_ranks  # noqa: E402

FIELD_AND_SPECTRUM = {"field_error": "field_error", "spectrum_error": "spectrum_error"}


def pair(*shape: int, dtype: Any = torch.float32, seed: int = 0) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    p, t = (torch.randn(shape or (4, 1, 8, 8), generator=generator, dtype=dtype) for _ in range(2))
    return p, t


def saved(state: Any) -> Any:
    """A state after a way through a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def never(prediction: Any, target: Any) -> Any:
    raise AssertionError("a component without weight is not computed")


def test_the_total_and_its_parts() -> None:
    p, t = pair()
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM, {"field_error": 0.3, "spectrum_error": 0.7})
    p.requires_grad_()
    total = criterion(p, t)
    assert total.shape == ()
    torch.testing.assert_close(total, 0.3 * sl.field_error(p, t) + 0.7 * sl.spectrum_error(p, t))
    total.backward()
    assert torch.all(torch.isfinite(p.grad))
    assert list(criterion.parts) == ["field_error", "spectrum_error"]
    assert not any(part.requires_grad for part in criterion.parts.values())
    torch.testing.assert_close(criterion.parts["spectrum_error"], sl.spectrum_error(p, t).detach())


def test_made_from_a_composite_loss_that_stays_its_own() -> None:
    loss = sl.CompositeLoss(FIELD_AND_SPECTRUM, {"spectrum_error": 2})
    criterion = CompositeCriterion(loss)
    assert criterion.weights == loss.weights == {"field_error": 0.0, "spectrum_error": 2.0}
    criterion.set_weights({"field_error": 1})
    assert loss.weights == {"field_error": 0.0, "spectrum_error": 2.0}
    with pytest.raises(TypeError, match="weights must not be given beside a CompositeLoss"):
        CompositeCriterion(loss, {"field_error": 1})


def test_a_component_without_weight_is_not_computed() -> None:
    criterion = CompositeCriterion({"a": "field_error", "never": never}, {"a": 1})
    criterion(*pair())
    assert list(criterion.parts) == ["a"]
    criterion.load_state_dict({"weight.a": torch.tensor(0.0), "weight.never": torch.tensor(1.0)})
    with pytest.raises(AssertionError, match="not computed"):
        criterion(*pair())


def test_weights_from_a_scheduler_and_its_decision() -> None:
    config = sl.SchedulerConfig(trigger="epoch", interval=1, warmup_epochs=0)
    scheduler = sl.LossScheduler(config)
    names = list(scheduler.weights)
    criterion = CompositeCriterion(dict.fromkeys(names, "field_error"))
    criterion.set_weights(scheduler)
    assert criterion.weights == scheduler.weights
    decision = scheduler.step({"spectrum_error": 1.0}, 1)
    assert decision
    criterion.set_weights(decision)
    assert criterion.weights == decision.weights
    assert {name: value.item() for name, value in criterion.state_dict().items()} == {
        f"weight.{name}": weight for name, weight in decision.weights.items()
    }


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ({"spectrum_eror": 1}, ValueError, "did you mean 'spectrum_error'"),
        ({"spectrum_error": float("nan")}, ValueError, "must be finite"),
        ({"spectrum_error": "1"}, TypeError, "must be a number"),
        (0.5, TypeError, "must map names to numbers, got float"),
    ],
)
def test_weights_that_are_refused_change_nothing(weights: Any, error: Any, message: str) -> None:
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM, {"field_error": 0.1})
    with pytest.raises(error, match=message):
        criterion.set_weights(weights)
    assert criterion.weights == {"field_error": 0.1, "spectrum_error": 0.0}


def test_names() -> None:
    criterion = CompositeCriterion({"type": "field_error", "forward": torch.nn.MSELoss()})
    criterion.set_weights({"type": 0.25})
    assert set(criterion.state_dict()) == {"weight.type", "weight.forward"}
    twin = CompositeCriterion({"type": "field_error", "forward": torch.nn.MSELoss()})
    twin.load_state_dict(saved(criterion.state_dict()))
    assert twin.weights == {"type": 0.25, "forward": 1.0}
    for name in ("a.b", ""):
        with pytest.raises(ValueError, match=f"names without dots.*got {name!r}"):
            CompositeCriterion({name: "field_error"})
    with pytest.raises(RuntimeError, match=r"weight\.forward"):
        CompositeCriterion({"type": "field_error"}).load_state_dict(criterion.state_dict())
    assert "(type): 0.25 * Component('field_error')" in repr(criterion)


def test_a_component_that_is_a_module_belongs_to_it() -> None:
    class Perceptual(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = torch.nn.Conv2d(1, 2, 3)

        def forward(self, prediction: Any, target: Any) -> Any:
            return (self.features(prediction) - self.features(target)).square().mean()

    criterion = CompositeCriterion({"perceptual": Perceptual(), "field_error": "field_error"})
    assert "component.perceptual.features.weight" in criterion.state_dict()
    twin = copy.deepcopy(criterion).double()
    assert next(twin.parameters()).dtype == torch.float64
    assert next(criterion.parameters()).dtype == torch.float32
    p, t = pair(dtype=torch.float64)
    torch.testing.assert_close(twin(p, t), criterion(p.float(), t.float()).double(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_dtype_is_that_of_the_losses(dtype: Any) -> None:
    p, t = pair(dtype=dtype)
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM)
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert criterion(p, t).dtype == expected
    assert criterion.to(dtype)(p, t).dtype == expected


@pytest.mark.parametrize("change", ["half", "bfloat16", "double", "float", "cpu"])
def test_a_change_of_dtype_or_device_leaves_the_weights(change: str) -> None:
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM, {"field_error": 0.1, "spectrum_error": 0.9})
    getattr(criterion, change)()
    assert {str(value.dtype) for value in criterion.state_dict().values()} == {"torch.float64"}
    assert saved(criterion.state_dict())["weight.field_error"].item() == 0.1
    assert criterion.to("meta").state_dict()["weight.field_error"].device.type == "meta"
    assert criterion.to_empty(device="cpu").state_dict()["weight.field_error"].item() == 0.1  # the host knows


def test_a_device_without_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as Apple's, for which the meta device stands in."""
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM)
    moved = []

    class Probe:
        device = type("device", (), {"type": "mps"})()

    def fn(tensor: Any) -> Any:
        assert tensor.dtype != torch.float64
        return Probe

    made = torch.tensor
    monkeypatch.setattr(torch, "tensor", lambda value, dtype, device: moved.append((dtype, device.type)) or made(value))
    criterion.weight._apply(fn)
    assert moved == [(torch.float32, "mps")] * 2


def test_copies_are_whole_and_apart() -> None:
    p, t = pair()
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM, {"field_error": 0.3, "spectrum_error": 0.7})
    expected = criterion(p.requires_grad_(), t)
    for twin in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert torch.equal(twin(p, t), expected)
        twin.set_weights({"field_error": 9})
        assert criterion.weights == {"field_error": 0.3, "spectrum_error": 0.7}
        assert criterion.state_dict()["weight.field_error"].item() == 0.3


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_parts_outlive_transforms() -> None:
    p, t = pair()
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM)
    torch.func.grad(lambda p: criterion(p, t))(p)
    assert float(copy.deepcopy(criterion).parts["field_error"]) == pytest.approx(float(sl.field_error(p, t)))
    torch.func.vmap(torch.func.grad(lambda p, t: criterion(p[None], t[None])))(p, t)
    parts = pickle.loads(pickle.dumps(criterion)).parts
    torch.testing.assert_close(parts["spectrum_error"].mean(), sl.spectrum_error(p, t))


def test_weights_set_in_inference_mode_can_be_trained_with() -> None:
    """Lightning calls its callbacks there."""
    p, t = pair()
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM)
    with torch.inference_mode():
        criterion.set_weights({"field_error": 0.5})
        criterion.to("cpu")
    assert not any(value.is_inference() for value in criterion.state_dict().values())
    criterion(p.requires_grad_(), t).backward()


# PyTorch warns about itself while it compiles.
@pytest.mark.filterwarnings("ignore:.*should not be instantiated.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_new_weights_compile_nothing(dtype: Any) -> None:
    torch._dynamo.reset()
    compilations = []

    def backend(graph: Any, inputs: Any) -> Any:
        compilations.append(graph)
        return graph.forward

    criterion = CompositeCriterion(
        {**FIELD_AND_SPECTRUM, "mse": torch.nn.functional.mse_loss}, {"field_error": 1, "spectrum_error": 0, "mse": 1}
    )
    whole = torch.compile(lambda p, t: 2 * criterion(p, t), fullgraph=True, backend=backend)
    p, t = pair(dtype=dtype)
    p.requires_grad_()
    config = sl.SchedulerConfig(
        trigger="epoch", interval=1, warmup_epochs=0,
    )  # fmt: skip
    scheduler = sl.LossScheduler(config)
    for epoch in range(4):
        scheduler.step({"spectrum_error": 1.0}, epoch)
        criterion.set_weights(scheduler)
        found = whole(p, t)
        parts = criterion.parts
        expected = 2 * criterion(p, t)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close({name: parts[name] for name in criterion.parts}, criterion.parts)
        gradients = [torch.autograd.grad(value, p)[0] for value in (found, expected)]
        torch.testing.assert_close(*gradients, rtol=2e-2 if dtype == torch.bfloat16 else 1e-4, atol=1e-7)
    assert scheduler.progress > 0.3
    criterion.set_weights({"field_error": 0, "mse": -0.5})
    torch.testing.assert_close(whole(p, t), 2 * criterion(p, t))
    criterion.load_state_dict(saved(criterion.state_dict()))
    torch.testing.assert_close(whole(p, t), 2 * criterion(p, t))
    assert len(compilations) == 1


@pytest.mark.filterwarnings("ignore:.*should not be instantiated.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.parametrize("kind", ["field", "stored", "each"])
def test_new_batches_compile_nothing(kind: str) -> None:
    torch._dynamo.reset()
    compilations = []

    def backend(graph: Any, inputs: Any) -> Any:
        compilations.append(graph)
        return graph.forward

    components = {"spectrum_error": "spectrum_error", "late": sl.Component("spectrum_error", frames=-1)}
    if kind != "stored":
        components["field_error"] = "field_error"
    criterion = CompositeCriterion(components)
    whole = torch.compile(lambda p, t: criterion(p, t), fullgraph=True, backend=backend)
    for seed in range(4):
        p, t = pair(2, 1, 1, 8, 8, seed=seed)
        p.requires_grad_()
        stored = sl.radial_spectrum(t)
        targets = {"field_error": t, "spectrum_error": stored, "late": stored}
        target = {"field": t, "stored": stored, "each": targets}[kind]
        found, expected = whole(p, target), criterion(p, t)
        torch.testing.assert_close(found, expected)
        gradients = [torch.autograd.grad(value, p)[0] for value in (found, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-7)
    assert len(compilations) == 1


@pytest.mark.filterwarnings("ignore:.*should not be instantiated.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
def test_masks_of_each_batch() -> None:
    torch._dynamo.reset()
    compilations = []

    def backend(graph: Any, inputs: Any) -> Any:
        compilations.append(graph)
        return graph.forward

    criterion = CompositeCriterion(FIELD_AND_SPECTRUM)
    whole = torch.compile(lambda p, t, m: criterion(p, t, mask=m), fullgraph=True, backend=backend)
    for seed in range(3):
        p, t = pair(seed=seed)
        mask = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) > 0.2
        t[~mask] = float("nan")
        p.requires_grad_()
        found = criterion(p, t, mask)
        torch.testing.assert_close(found, sl.field_error(p, t, mask=mask) + sl.spectrum_error(p, t, mask=mask))
        torch.testing.assert_close(whole(p, t, mask), found)
        found.backward()
        assert not p.grad[~mask].any()
        assert p.grad.isfinite().all()
    assert len(compilations) == 1
    with pytest.raises(TypeError, match="mask: component 'mse' takes none"):
        CompositeCriterion({"mse": torch.nn.MSELoss()})(p, t, mask)


def test_targets_of_each_component() -> None:
    p, t = pair()
    p.requires_grad_()
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM)
    stored = sl.radial_spectrum(t)
    found = criterion(p, {"field_error": t, "spectrum_error": stored})
    torch.testing.assert_close(found, criterion(p, t))
    found.backward()
    assert torch.all(torch.isfinite(p.grad))
    with pytest.raises(TypeError, match="component 'field_error': target must be a field, got a Spectrum"):
        criterion(p, stored)
    with pytest.raises(TypeError, match="option 'channels' belongs to a component"):
        CompositeCriterion(FIELD_AND_SPECTRUM, channels="sum")


def test_autocast() -> None:
    p, t = pair(2, 1, 12, 12)
    model = torch.nn.Linear(12, 12)
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM, {"field_error": 0.4, "spectrum_error": 0.6})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = model(p)
        assert prediction.dtype == torch.bfloat16
        total = criterion(prediction, t)
    assert total.dtype == torch.float32
    torch.testing.assert_close(total, criterion(prediction.float(), t), rtol=0, atol=0)
    total.backward()
    assert torch.all(torch.isfinite(model.weight.grad))


def test_accumulated_gradients_are_those_of_the_whole_batch() -> None:
    p, t = pair(6, 1, 8, 8)
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM, {"field_error": 0.4, "spectrum_error": 0.6})
    whole = torch.nn.Linear(8, 8)
    pieces = copy.deepcopy(whole)
    criterion(whole(p), t).backward()
    for batch in (slice(0, 2), slice(2, 4), slice(4, 6)):
        (criterion(pieces(p[batch]), t[batch]) / 3).backward()
    torch.testing.assert_close(pieces.weight.grad, whole.weight.grad)


class Run:
    """A training run whose weights move, all of whose state can be saved."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.inputs, self.target = pair(4, 1, 8, 8)
        self.model = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.03)
        self.criterion = CompositeCriterion(FIELD_AND_SPECTRUM)
        config = sl.SchedulerConfig(patience=1, min_delta=0.05, warmup_epochs=1)
        self.scheduler = sl.LossScheduler(config)
        self.criterion.set_weights(self.scheduler)
        self.stateful = ("model", "optimizer", "criterion", "scheduler")

    def epoch(self, number: int) -> tuple[float, dict[str, float]]:
        self.optimizer.zero_grad()
        total = self.criterion(self.model(self.inputs), self.target)
        total.backward()
        self.optimizer.step()
        errors = sl.evaluate(self.model(self.inputs), self.target)
        self.criterion.set_weights(self.scheduler.step(errors, number))
        return total.item(), errors

    def save(self) -> Any:
        return saved({name: getattr(self, name).state_dict() for name in self.stateful})

    def load(self, state: Any) -> None:
        for name in self.stateful:
            getattr(self, name).load_state_dict(state[name])


def test_a_checkpoint_in_the_middle_resumes_bit_for_bit() -> None:
    run = Run()
    before = [run.epoch(number) for number in range(12)]
    assert 0 < run.scheduler.progress < 1  # in the middle of the way
    state, weights = run.save(), run.criterion.weights
    resumed = Run()
    resumed.load(state)
    assert resumed.criterion.weights == weights  # without the scheduler's help
    after = [run.epoch(number) for number in range(12, 20)]
    assert [resumed.epoch(number) for number in range(12, 20)] == after
    assert resumed.criterion.weights == run.criterion.weights != weights
    for name, value in run.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)
    assert before[0][0] > after[-1][0]


def test_means_without_a_process_group_are_ones_own() -> None:
    metrics = {"b": torch.tensor(0.5), "a": 0.1}
    assert list(mean_over_ranks(metrics, 7).items()) == [("b", 0.5), ("a", 0.1)]
    assert mean_over_ranks({}) == {}
    for count in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="count must be finite and at least 0"):
            mean_over_ranks(metrics, count)
    with pytest.raises(ValueError, match="count must be positive on some rank"):
        mean_over_ranks(metrics, 0)
    with pytest.raises(TypeError, match="metrics must map names to numbers, got list"):
        mean_over_ranks([0.5])  # type: ignore[arg-type]


@pytest.mark.gpu
def test_no_call_waits_for_the_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    criterion = CompositeCriterion(FIELD_AND_SPECTRUM, {"field_error": 1}).cuda()
    assert {value.device.type for value in criterion.state_dict().values()} == {"cuda"}
    p, t = (x.cuda() for x in pair())
    p.requires_grad_()
    criterion.set_weights({"spectrum_error": 0.5})
    criterion(p, t).backward()  # constants are uploaded once
    with no_waiting():
        for weight in (0.0, 0.25, 0.5):
            criterion.set_weights({"spectrum_error": weight})
            criterion(p, t).backward()
    on_cpu = CompositeCriterion(FIELD_AND_SPECTRUM, criterion.weights)(p.cpu(), t.cpu())
    torch.testing.assert_close(criterion(p, t).cpu(), on_cpu, rtol=1e-4, atol=0)


def test_a_loaded_weight_that_is_not_finite_is_refused() -> None:
    criterion = CompositeCriterion({"a": "field_error", "b": "spectrum_error"}, {"a": 1.0})
    state = criterion.state_dict()
    state["weight.a"] = torch.tensor(float("nan"))
    with pytest.raises(RuntimeError, match="weight 'a' must be finite, got nan"):
        criterion.load_state_dict(state)
    for wrong, message in ((0.5, "received <class 'float'>"), (torch.tensor([0.5, float("nan")]), "size mismatch")):
        with pytest.raises(RuntimeError, match=message):  # as PyTorch says it
            criterion.load_state_dict({**state, "weight.a": wrong})
    assert criterion.weights == {"a": 1.0, "b": 0.0}


def test_loaded_weights_are_double_however_they_were_saved() -> None:
    criterion = CompositeCriterion({"a": "field_error"}, {"a": 1.0})
    criterion.load_state_dict({"weight.a": torch.tensor(0.5)}, assign=True)
    assert criterion.state_dict()["weight.a"].dtype == torch.float64
    assert criterion.weights == {"a": 0.5}


def test_it_is_made_of_plain_data_and_written_with_the_weights_that_it_has() -> None:
    settings = {
        "components": {"a": {"loss": "field_error"}, "b": {"loss": "spectrum_error", "bins": {"Sectors": [4, "unit"]}}},
        "weights": {"a": 1.0, "b": 0.0},
    }
    criterion = CompositeCriterion.from_dict(settings)
    assert criterion.to_dict() == settings
    criterion.set_weights({"b": 0.5})
    assert criterion.to_dict() == {**settings, "weights": {"a": 1.0, "b": 0.5}}
    prediction, target = torch.randn(2, 3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    total = criterion(prediction, target)
    expected = sl.field_error(prediction, target) + 0.5 * sl.spectrum_error(prediction, target, bins=sl.Sectors(4))
    torch.testing.assert_close(total, expected)


def test_without_transformers_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here, because the tests of that module are skipped where the package is missing."""
    monkeypatch.delitem(sys.modules, "spectral_losses.integrations.transformers", raising=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ModuleNotFoundError, match=r"needs transformers, which is not installed: pip install 'tr"):
        import_module("spectral_losses.integrations.transformers")
