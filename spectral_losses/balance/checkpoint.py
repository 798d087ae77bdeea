"""Saved states of a balancer: written, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spectral_losses.balance.rule import BalancerState
from spectral_losses.messages import listed
from spectral_losses.scheduler.checkpoint import check_origin, is_number

FORMAT, VERSION = "spectral_losses.Balancer", 1
"""What a saved state calls itself, and the meaning of its fields."""


def saved_state(first: str, state: BalancerState, frozen: bool) -> dict[str, Any]:
    """Everything to go on from, in plain types; levels and scales are relative to the first loss."""
    return {"format": FORMAT, "version": VERSION, "first": first, "frozen": frozen, "state": state._asdict()}


def restore(saved: Any, first: str, names: tuple[str, ...]) -> tuple[BalancerState, bool]:
    """A state of these losses beside the first one, and whether it is frozen, from what `saved_state` returned.

    Raises
    ------
    ValueError
        It is nothing that a balancer would save, or of other losses.
    TypeError
        It is no mapping.
    """
    if not isinstance(saved, Mapping):
        raise TypeError(f"state must be what state_dict returns, got {type(saved).__name__}")
    check_origin(saved, FORMAT, VERSION)
    if saved.get("first") != first:
        raise ValueError(f"state must be one with {first!r} as the first loss, got {saved.get('first')!r}")
    tables, frozen = saved.get("state"), saved.get("frozen")
    if not isinstance(tables, Mapping) or tables.keys() != set(BalancerState._fields) or not isinstance(frozen, bool):
        raise ValueError(f"state is not one that a Balancer saves, got {dict(saved)!r}")
    for field, table in tables.items():
        if not isinstance(table, Mapping) or not all(_allowed(field, value) for value in table.values()):
            raise ValueError(f"state['state'][{field!r}] is not one that a Balancer saves, got {table!r}")
        if table.keys() != set(names):
            raise ValueError(
                f"state must be one of {listed(names)} beside the first loss, got {listed(table) or 'none'}"
            )
    return BalancerState(
        *({name: float(tables[field][name]) for name in names} for field in BalancerState._fields)
    ), frozen


def _allowed(field: str, x: Any) -> bool:
    """Whether a field of `BalancerState` may have a value."""
    if not is_number(x):
        return False
    return field == "levels" or 0 <= x <= (1 if field == "seen" else x)
