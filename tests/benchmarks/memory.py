"""Extra peak memory of a call."""

from __future__ import annotations

import ctypes
import gc
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

CLEAR = Path("/proc/self/clear_refs")


def peak(function: Callable[[], object], device: str = "cpu", repeats: int = 3) -> float | None:
    """Most bytes held during a call beyond what was held before it; None where that cannot be known.

    On the CPU it is the growth of the resident set, on CUDA what PyTorch's allocator has given out.
    """
    function()  # the first time loads code, builds constants and starts threads
    gc.collect()
    once = growth_on_cuda if device == "cuda" else growth_of_resident_set
    try:
        return statistics.median([once(function) for _ in range(repeats)])
    except OSError:  # not Linux, or not permitted
        return None


def available(device: str = "cpu") -> float:
    """Bytes that can still be allocated, or infinity where that is not known."""
    torch = sys.modules.get("torch")
    if device == "cuda" and torch is not None:
        return float(torch.cuda.mem_get_info()[0])
    try:
        return 1024.0 * field("/proc/meminfo", "MemAvailable")
    except OSError:
        return float("inf")


def growth_of_resident_set(function: Callable[[], object]) -> float:
    """Peak of the resident set in a call, less what it was before (Linux)."""
    if sys.platform == "linux":
        # What is free in the heap would otherwise be used again without being seen.
        ctypes.CDLL(None).malloc_trim(0)
    CLEAR.write_text("5")  # the peak starts anew
    before = field("/proc/self/status", "VmRSS")
    result = function()
    extra = field("/proc/self/status", "VmHWM") - before
    del result
    return 1024.0 * extra


def growth_on_cuda(function: Callable[[], object]) -> float:
    """Peak of PyTorch's allocator in a call, less what it was before."""
    import torch

    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    function()
    torch.cuda.synchronize()
    return float(torch.cuda.max_memory_allocated() - before)


def field(path: str, key: str) -> int:
    """A number in KiB from a file of /proc."""
    found = re.search(rf"{key}:\s+(\d+)", Path(path).read_text())
    if found is None:
        raise OSError(f"{path} has no {key}")
    return int(found[1])
