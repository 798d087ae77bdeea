"""From an array to its backend: subclasses, strangers, plug-ins that work and plug-ins that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import spectral_losses as sl
from spectral_losses_backends import registry

X = np.random.default_rng(7).normal(size=(2, 8, 6))


class Entry:
    """An entry point."""

    def __init__(self, name: str, target: Any) -> None:
        self.name, self.value, self.target = name, "somewhere:backend", target

    def load(self) -> Any:
        if isinstance(self.target, Exception):
            raise self.target
        return self.target


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Arrays of a framework that nobody has heard of."""
    xp = pytest.importorskip("array_api_strict")

    class Stranger:
        __module__ = "mylib.core"

        def __init__(self, values: Any) -> None:
            self.values = xp.asarray(values)

        def __array_namespace__(self, api_version: str | None = None) -> Any:
            return xp

        def __getattr__(self, name: str) -> Any:
            return getattr(self.values, name)

    monkeypatch.setattr(registry, "_known", {})
    return Stranger


def plug(monkeypatch: pytest.MonkeyPatch, *entries: Entry) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: entries if group == "spectral_losses.backends" else ())


def test_subclasses_take_the_backend_of_their_parent(tmp_path: Any) -> None:
    path = tmp_path / "x.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    assert float(sl.spectrum_error(mapped, X)) == 0
    assert registry.backend_of(mapped, "x").name == "numpy"
    assert registry.backend_of(X[0, 0, 0], "x").name == "numpy"


def test_a_plug_in_serves_its_arrays(monkeypatch: pytest.MonkeyPatch, stranger: Any) -> None:
    from spectral_losses_backends.base import Backend

    mine = Backend()
    mine.name = "mylib"
    plug(monkeypatch, Entry("otherlib", ValueError("never loaded")), Entry("mylib", mine))
    assert registry.backend_of(stranger(X), "x") is mine


def test_a_broken_plug_in_warns_and_is_skipped(monkeypatch: pytest.MonkeyPatch, stranger: Any) -> None:
    plug(monkeypatch, Entry("mylib", ImportError("no such library")))
    with pytest.warns(RuntimeWarning, match="somewhere:backend.*could not be loaded.*no such library"):
        assert registry.backend_of(stranger(X), "x").name == "generic"


def test_built_ins_never_scan_for_plug_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(group: str) -> Any:
        raise AssertionError("scanned")

    monkeypatch.setattr(registry, "_known", {})
    monkeypatch.setattr(registry, "entry_points", refuse)
    assert float(sl.field_error(X, X)) == 0


def test_records_reach_backends_loaded_before_and_after() -> None:
    from spectral_losses_backends.base import Backend

    told: list[Any] = []
    backend = Backend()
    backend.register = lambda cls, arrays, static: told.append((cls, tuple(arrays), tuple(static)))  # type: ignore[method-assign]
    registry._prepare(backend)
    try:
        assert (sl.Spectrum, ("wavenumber", "power", "edges", "counts"), ("layout",)) in told

        @registry.record(arrays=("a",), static=())
        class Late:
            a: Any

        assert told[-1] == (Late, ("a",), ())
    finally:
        registry._ready.remove(backend)
        registry._records[:] = [r for r in registry._records if r[0] is sl.Spectrum]


def test_constants_are_built_once_and_forgotten_in_the_end() -> None:
    from spectral_losses_backends.base import Backend

    backend = Backend()
    made = [backend.cached(i % 300, lambda i=i: i) for i in range(300)]
    assert made == list(range(300))
    assert len(backend._constants) == 256
    assert backend.cached(299, lambda: "built again") == 299
    assert backend.cached(0, lambda: "built again") == "built again"
