"""``.npy`` files, memory-mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from spectral_losses.io.stored import StoredArray


def open_npy(path: Path, name: str) -> StoredArray:
    """Open a ``.npy`` file; raises what NumPy raises."""
    mapped = open_memmap(path, mode="r")
    # Mapped anew for every piece: pages of a file that stays mapped count as memory of this process.
    return StoredArray(name, mapped.shape, mapped.dtype, lambda index: np.array(open_memmap(path, mode="r")[index]))
