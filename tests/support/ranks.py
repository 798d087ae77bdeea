"""Two processes of ``torch.distributed`` on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

RANKS = 2


def on_ranks(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What a function of a module returns on each rank, of tensors and of what holds them.

    Parameters
    ----------
    work : callable
        Is given its rank, in a process of its own whose group is there.
    folder : Path
        An empty one.
    """
    import torch

    torch.multiprocessing.spawn(_member, (work, str(folder)), nprocs=RANKS)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(RANKS)]


def needs_gloo() -> None:
    """Skip a test, or a module, without PyTorch or without what its processes talk by."""
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this PyTorch has no gloo", allow_module_level=True)


def _member(rank: int, work: Callable[[int], Any], folder: str) -> None:
    import torch
    import torch.distributed as dist

    if sys.platform == "linux":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"  # no name of this machine has to be known
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS, timeout=timedelta(seconds=60)
    )
    torch.save(work(rank), f"{folder}/{rank}.pt")
    dist.barrier()  # no rank takes the group down while another still uses it
    dist.destroy_process_group()
