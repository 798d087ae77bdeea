"""``.pt`` and ``.pth`` files of PyTorch, of which nothing but tensors is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectral_losses.errors import needed
from spectral_losses.io.errors import FieldFileError
from spectral_losses.io.stored import Index, StoredArray


def open_pt(path: Path, name: str, key: str | None) -> StoredArray:
    """Open one tensor, mapped where the file is of a kind that can be; raises what `torch.load` raises.

    It is loaded with ``weights_only=True``: a file that holds code is refused.
    """
    torch = needed("torch", f"reading {path.suffix} files", extra="torch")
    options: dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    try:
        held = torch.load(path, mmap=True, **options)
    except RuntimeError:  # of the time before these were archives
        held = torch.load(path, **options)
    if torch.is_tensor(held):
        if key is not None:
            raise FieldFileError(f"{name} holds one tensor, without a name")
        found = {"": held}
    elif isinstance(held, dict):
        found = {each: value for each, value in held.items() if isinstance(each, str) and torch.is_tensor(value)}
    else:
        raise FieldFileError(f"{name} holds no tensor, and no dictionary of tensors, but a {type(held).__name__}")
    if key is None and len(found) == 1:
        (key,) = found
    if key not in found:
        problem = f"has no tensor {key!r}" if key is not None else "holds several tensors, choose one with --key"
        listed = ", ".join(found)
        raise FieldFileError(f"{name} {problem if found else 'holds no tensor'}{f': {listed}' if found else ''}")
    tensor = found[key].detach()
    lacking = tensor.dtype == torch.bfloat16  # in NumPy
    dtype = np.dtype("float32" if lacking else str(tensor.dtype).removeprefix("torch."))

    def load(index: Index) -> NDArray[Any]:
        piece = tensor[index]
        return np.asarray((piece.float() if lacking else piece).numpy().copy())

    return StoredArray(name, tuple(tensor.shape), dtype, load, variable=key or None)
