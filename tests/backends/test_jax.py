"""What JAX users do: jit, grad, vmap, double precision, spectra through transformations."""

from __future__ import annotations

import pickle
import re
from typing import Any

import numpy as np
import pytest
from frameworks import FRAMEWORKS

import spectral_losses as sl

jax = pytest.importorskip("jax")
FRAMEWORKS["jax"]()
jnp = jax.numpy
check_grads = pytest.importorskip("jax.test_util").check_grads

OLD = tuple(int(part) for part in jax.__version__.split(".")[:2]) < (0, 7)
RNG = np.random.default_rng(5)
P, T = (jnp.asarray(RNG.normal(size=(3, 2, 8, 6))) for _ in range(2))
OPTIONS: dict[str, Any] = {"channels": "sum", "window": "hann", "detrend": "linear", "lengths": (1.0, 2.0)}


def test_jit_and_grad() -> None:
    for loss in (sl.field_error, lambda p, t: sl.spectrum_error(p, t, **OPTIONS)):
        np.testing.assert_allclose(jax.jit(loss)(P, T), loss(P, T), rtol=1e-12)
        gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))(P, T)
        np.testing.assert_allclose(gradient[0], jax.grad(loss)(P, T), rtol=1e-9, atol=1e-15)
        check_grads(loss, (P, T), order=2, modes=["rev"], rtol=1e-3)


def test_one_inverse_transform_and_no_scatter_in_the_gradient() -> None:
    text = str(jax.make_jaxpr(jax.grad(lambda p: sl.spectrum_error(p, T)))(P))
    kinds = re.findall(r"fft_type=(?:jax.lax.FftType.)?(\w+)", text)
    names = {"2": "RFFT", "3": "IRFFT"}  # as jax.lax.FftType prints itself
    kinds = sorted(names.get(kind, kind) for kind in kinds)
    # A function that is called twice is written once: the forward transform of both fields, the inverse of one.
    assert OLD or kinds in (["IRFFT", "RFFT"], ["IRFFT", "RFFT", "RFFT"])
    assert kinds.count("IRFFT") == 1
    assert "scatter" not in text


def test_vmap() -> None:
    for loss in (sl.field_error, sl.spectrum_error):
        each = jnp.stack([loss(p, t) for p, t in zip(P, T, strict=True)])
        np.testing.assert_allclose(jax.vmap(loss)(P, T), each, rtol=1e-12)
        gradients = jax.vmap(jax.grad(loss), in_axes=(0, None))(P, T[0])
        np.testing.assert_allclose(gradients[1], jax.grad(loss)(P[1], T[0]), rtol=1e-9, atol=1e-15)


def test_forward_over_reverse() -> None:
    gradient = jax.grad(lambda p: sl.spectrum_error(p, T))
    h = 1e-6
    _, along = jax.jvp(gradient, (P,), (T,))
    np.testing.assert_allclose(along, (gradient(P + h * T) - gradient(P - h * T)) / (2 * h), rtol=1e-4, atol=1e-8)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda p: sl.spectrum_error(p, T), (P,), (T,))


def test_spectra_are_pytrees() -> None:
    whole = jax.jit(sl.radial_spectrum)(P)
    assert isinstance(whole, sl.Spectrum)
    assert whole.layout == sl.radial_spectrum(P).layout
    each = jax.vmap(sl.radial_spectrum)(P)
    np.testing.assert_allclose(each.power, whole.power)
    assert each.counts.shape == (3, *whole.counts.shape)
    compiled = jax.jit(sl.spectrum_error)
    np.testing.assert_allclose(compiled(P, sl.radial_spectrum(T)), sl.spectrum_error(P, T), rtol=1e-12)
    again = pickle.loads(pickle.dumps(whole))
    np.testing.assert_array_equal(again.power, whole.power)


def test_single_and_double_precision() -> None:
    assert sl.spectrum_error(P, T).dtype == jnp.float64
    assert sl.spectrum_error(P.astype(jnp.float32), T.astype(jnp.float32)).dtype == jnp.float32
    half = P.astype(jnp.bfloat16)
    gradient = jax.grad(lambda p: sl.spectrum_error(p, T.astype(jnp.float32)))(half)
    assert gradient.dtype == jnp.bfloat16
    enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64
    with enable_x64(False):
        single = jnp.asarray(np.asarray(P))
        assert sl.spectrum_error(single, single).dtype == jnp.float32


def test_a_mask_may_be_traced() -> None:
    mask = jnp.asarray(RNG.random((8, 6)) < 0.5)
    found = jax.jit(lambda p, t, m: sl.field_error(p, t, mask=m))(P, T, mask)
    np.testing.assert_allclose(found, sl.field_error(P, T, mask=mask), rtol=1e-12)
    assert np.isnan(jax.jit(lambda m: sl.field_error(P, T, mask=m))(mask & False))
