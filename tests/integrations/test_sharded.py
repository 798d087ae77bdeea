"""Arrays on several devices: what JAX sends between eight, and PyTorch on two ranks beside one process."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import Any

import pytest
from frameworks import needs
from ranks import RANKS, needs_gloo, on_ranks

import spectral_losses as sl

EIGHT_DEVICES = """
import re
import sys

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec as P

import spectral_losses as sl

assert len(jax.devices()) == 8
explicit = sys.argv[1] == "explicit"
kinds = getattr(jax.sharding, "AxisType", None)
old = tuple(map(int, jax.__version__.split(".")[:2])) < (0, 7)
if kinds is None:  # JAX before 0.5
    mesh = jax.make_mesh((4, 2), ("a", "b"))
else:
    mesh = jax.make_mesh((4, 2), ("a", "b"), axis_types=(kinds.Explicit if explicit else kinds.Auto,) * 2)
target, noise = np.random.default_rng(0).normal(size=(2, 8, 2, 8, 12)).astype("float32")
prediction = 0.8 * target + 0.5 * noise
every = [
    ("log_spectral_distance", P(("a", "b")), {"pool": "frames"}),
    ("field_error", P(("a", "b")), {}),
    ("adjusted_error", P("a", "b"), {}),
    ("spectrum_error", P(("a", "b")), {"grid": sl.Sphere("equiangular")}),
]
for name, spec, options in every[2:3] if explicit else every:
    x, y = (jax.device_put(z, NamedSharding(mesh, spec)) for z in (prediction, target))
    both = jax.jit(jax.value_and_grad(lambda p, t: getattr(sl, name)(p, t, **options)))
    text = both.lower(x, y).compile().as_text()
    sent = set(re.findall(r" (all-[a-z]+|collective-[a-z]+|reduce-scatter)(?:-start)?[(]", text))
    gathers = explicit and kinds is not None and old  # as the page says
    assert sent == ({"all-reduce", "all-gather"} if gathers else {"all-reduce"}), (name, sent)
    value, gradient = both(x, y)
    expected, slope = sl.value_and_grad(name, **options)(prediction.astype(float), target.astype(float))
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-5 * abs(slope).max())
    assert gradient.sharding.is_equivalent_to(x.sharding, x.ndim)
if not explicit and hasattr(jax, "shard_map"):  # over one axis of the mesh; the other one is XLA's
    def mean_of_shares(p, t):
        return jax.lax.pmean(sl.spectrum_error(p, t), "a")

    x, y = (jax.device_put(z, NamedSharding(mesh, P("a", "b"))) for z in (prediction, target))
    shares = jax.shard_map(mean_of_shares, mesh=mesh, in_specs=P("a"), out_specs=P(), axis_names={"a"})
    both = jax.jit(jax.value_and_grad(shares))
    assert "all-gather" not in both.lower(x, y).compile().as_text()
    expected, slope = sl.value_and_grad("spectrum_error")(prediction.astype(float), target.astype(float))
    value, gradient = both(x, y)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-5 * abs(slope).max())
cut = jax.device_put(prediction, NamedSharding(mesh, P(None, None, "a")))
value = jax.jit(sl.field_error)(cut, cut + 1)
np.testing.assert_allclose(value, sl.field_error(prediction, prediction + 1), rtol=1e-5)
if explicit and kinds is not None:
    try:
        jax.jit(sl.spectrum_error)(cut, cut)
    except ValueError as error:
        assert "sharded along space" in str(error) and "reshard" in str(error), error
    else:
        raise AssertionError
print("done")
"""


@needs("jax")
@pytest.mark.parametrize("kind", ["auto", "explicit"])
def test_jax_gathers_no_fields(kind: str) -> None:
    devices = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", EIGHT_DEVICES, kind],
        env={**os.environ, **devices, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == "done\n", done.stderr


def fields() -> Any:
    torch = pytest.importorskip("torch")
    x = torch.randn(2, 6, 1, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    x[:, 0] *= 1e-4  # an almost empty frame, in which a guard shows
    return x


def model_of() -> Any:
    import torch

    torch.manual_seed(0)
    return torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular").double()


def criterion_of() -> Any:
    from spectral_losses.integrations.torch import CompositeCriterion

    return CompositeCriterion(
        {
            "field_error": sl.Component("field_error", eps=1e-2),
            "coherence_error": sl.Component("coherence_error", pool="frames"),
        }
    )


def gradients(model: Any, loss: Any, x: Any, y: Any) -> tuple[Any, list[Any]]:
    model.zero_grad()
    value = loss(model(x), y)
    value.backward()
    return value.detach(), [
        (p.grad.full_tensor() if hasattr(p.grad, "full_tensor") else p.grad).clone() for p in model.parameters()
    ]


def work(rank: int) -> dict[str, Any]:
    """What one process finds."""
    import torch
    from torch.distributed.device_mesh import init_device_mesh

    from spectral_losses.integrations.torch import over_ranks

    found: dict[str, Any] = {}
    x, y = fields()[:, rank::RANKS]
    mesh = init_device_mesh("cpu", (RANKS,))
    found.update(of_dtensors(mesh))
    try:
        from torch.distributed.fsdp import fully_shard
    except ImportError:  # PyTorch before 2.6
        pass
    else:
        sharded = model_of()
        fully_shard(sharded, mesh=mesh)
        compiled = torch.compile(criterion_of(), fullgraph=True, backend="aot_eager")
        with warnings.catch_warnings(), over_ranks():
            warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")  # of the compiler
            found["compiled"] = gradients(sharded, compiled, x, y)
    return found


def of_dtensors(mesh: Any) -> dict[str, Any]:
    """DTensors cut along the batch and along space."""
    from torch.distributed.tensor import Shard, distribute_tensor

    found: dict[str, Any] = {}
    p, t = fields()
    for axis in (0, 2):
        x, y = (distribute_tensor(z, mesh, [Shard(axis)]) for z in (p, t))
        found[f"field error, {axis}"] = sl.field_error(x, y).full_tensor()
        try:
            sl.log_spectral_distance(x, y, pool="frames")
        except TypeError as error:
            found[f"refused, {axis}"] = str(error)
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank found."""
    needs_gloo()
    return on_ranks(work, tmp_path_factory.mktemp("ranks"))


def test_a_compiled_criterion_beside_fsdp(found: list[dict[str, Any]]) -> None:
    import torch

    if "compiled" not in found[0]:
        pytest.skip("this PyTorch has no fully_shard")
    expected = gradients(model_of(), criterion_of(), *fields())
    for rank in found:
        torch.testing.assert_close(rank["compiled"], expected, rtol=1e-9, atol=1e-12)


def test_dtensors_are_whole_or_refused(found: list[dict[str, Any]]) -> None:
    import torch

    p, t = fields()
    for rank in found:
        for axis in (0, 2):
            torch.testing.assert_close(rank[f"field error, {axis}"], sl.field_error(p, t))
            message = rank[f"refused, {axis}"]
            assert "DTensor" in message
            assert "to_local()" in message
            assert "full_tensor()" in message
            assert "docs/sharded.md" in message
