"""What is slow of `test_every_loss.py`, and runs with ``--slow`` alone.

Each loss is tested everywhere where a call costs little. Where it is compiled, or makes a graph of tasks, one loss of
each way through a backend is: over points, powers, pairs, single modes, and a basis that sums itself. Numbers, equal
fields and gradients are tested for all of them.
"""

from __future__ import annotations

import pytest

TYPICAL = {"field_error", "spectrum_error", "adjusted_error", "sobolev_error", "wavelet_error"}
ALWAYS = {
    "test_reference",
    "test_equal_fields_give_exactly_nothing",
    "test_empty_shells_zeros_and_constants",
}
COSTLY = {"jax", "dask", "torch-cuda"}
COMPILED = {
    "test_second_derivatives_of_jax",
    "test_second_derivatives_of_pytorch",
    "test_compiled_by_pytorch",
    "test_forward_mode_of_pytorch",
    "test_transformations_of_frameworks",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and item.path.name == "test_every_loss.py" and hasattr(item, "callspec"):
            given, function = item.callspec.params, item.originalname
            # The subbands of wavelets make large programs: what is true of their gradients is true of the rest.
            typical = TYPICAL - {"wavelet_error"} if given.get("framework") in COSTLY else TYPICAL
            by_jax = "jax" in (given.get("framework"), given.get("autodiff"))
            large = by_jax and given.get("name") == "wavelet_error"
            costly = {given.get("framework"), given.get("autodiff")} & COSTLY or function in COMPILED
            plain = function == "test_gradients_are_those_of_differences" and given["kind"] == "plain"
            everywhere = (function in ALWAYS or plain) and not large
            if costly and given.get("name", "field_error") not in typical and not everywhere:
                item.add_marker(pytest.mark.slow)
