"""What else is handed the numbers of a row: TensorBoard, MLflow, Weights & Biases, and what looks like one of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any


def takes_numbers(tracker: Any) -> bool:
    """Whether it has one of the methods that `hand_over` calls."""
    return callable(getattr(tracker, "add_scalar", None)) or _method(tracker) is not None


def hand_over(tracker: Any, numbers: Mapping[str, float], epoch: int) -> None:
    """Give it all numbers of an epoch, by tag."""
    if callable(getattr(tracker, "add_scalar", None)):
        for tag, value in numbers.items():
            tracker.add_scalar(tag, value, epoch)
    elif numbers:
        getattr(tracker, str(_method(tracker)))(dict(numbers), step=epoch)


def _method(tracker: Any) -> str | None:
    """The name of a method that takes numbers and their step: the ``log`` of Python's loggers is none."""
    for name in ("log_metrics", "log"):
        method = getattr(tracker, name, None)
        if callable(method):
            try:
                inspect.signature(method).bind({}, step=0)
            except (TypeError, ValueError):  # it takes something else; of functions in C that may not be known
                continue
            return name
    return None
