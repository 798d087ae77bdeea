"""``.npy`` files, memory-mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from spectral_losses.io.stored import Index, StoredArray


def open_npy(path: Path, name: str) -> StoredArray:
    """Open a ``.npy`` file; raises what NumPy raises."""
    mapped = open_memmap(path, mode="r")
    shape, dtype, offset = mapped.shape, mapped.dtype, mapped.offset
    order: Literal["C", "F"] = "C" if mapped.flags.c_contiguous else "F"

    def load(index: Index) -> NDArray[Any]:
        # Mapped anew for every piece: pages of a file that stays mapped count as memory of this process. The header is
        # not read anew: that takes Python's parser, which two threads cannot use at once in Python 3.11.
        return np.array(np.memmap(path, dtype, "r", offset, shape, order)[index])

    return StoredArray(name, shape, dtype, load)
