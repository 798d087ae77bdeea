"""``.npz`` files, without holding a whole array: members are mapped, or unpacked as they are read."""

from __future__ import annotations

import contextlib
import math
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from spectral_losses.io.errors import FieldFileError
from spectral_losses.io.stored import Index, StoredArray


def open_npz(path: Path, name: str, key: str | None, stack: contextlib.ExitStack) -> StoredArray:
    """Open one array of an ``.npz``.

    A member that is not compressed is memory-mapped inside the archive. A compressed one is unpacked piece
    by piece, in order; where the pieces do not lie one after the other in it (space before frames, or Fortran
    order), it is unpacked into a temporary file, which is then mapped.
    """
    try:
        archive = stack.enter_context(zipfile.ZipFile(path))
    except zipfile.BadZipFile as error:
        raise FieldFileError(f"{name}: cannot be read: {error}") from error
    member = archive.getinfo(_choose(archive, name, key))
    stream = stack.enter_context(archive.open(member))
    header = _read_header(stream)
    if member.file_size < header.length + header.size:
        raise ValueError(f"{member.filename} ends early")
    if member.compress_type == zipfile.ZIP_STORED:
        load = _mapped(path, header, _data_start(path, member))
    else:
        load = _unpacked(stream, header, stack)
    return StoredArray(name, header.shape, header.dtype, load)


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: str  # "C" or "F"
    length: int  # bytes before the data
    size: int  # bytes of data


def _choose(archive: zipfile.ZipFile, name: str, key: str | None) -> str:
    keys = [entry.removesuffix(".npy") for entry in archive.namelist() if entry.endswith(".npy")]
    if key is None and len(keys) == 1:
        return f"{keys[0]}.npy"
    if key not in keys:
        problem = f"has no array {key!r}" if key is not None else "holds several arrays, choose one with --key"
        listed = ", ".join(keys)
        raise FieldFileError(f"{name} {problem if keys else 'holds no array'}{f': {listed}' if keys else ''}")
    return f"{key}.npy"


def _read_header(stream: IO[bytes]) -> _Header:
    version = npy_format.read_magic(stream)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    return _Header(shape, dtype, "F" if fortran else "C", stream.tell(), math.prod(shape) * dtype.itemsize)


def _data_start(path: Path, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member start; the archive's directory does not say how long its header is."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    return member.header_offset + 30 + int(name) + int(extra)


def _mapped(file: Any, header: _Header, start: int) -> Callable[[Index], NDArray[Any]]:
    def load(index: Index) -> NDArray[Any]:
        order: Any = header.order
        # Mapped anew for every piece, as in `open_npy`.
        mapped = np.memmap(file, header.dtype, "r", start + header.length, header.shape, order)
        return np.array(mapped[index])

    return load


def _unpacked(stream: IO[bytes], header: _Header, stack: contextlib.ExitStack) -> Callable[[Index], NDArray[Any]]:
    spooled: list[Callable[[Index], NDArray[Any]]] = []

    def load(index: Index) -> NDArray[Any]:
        first = None if spooled or header.order == "F" else _first_of_run(index, header.shape)
        if first is None:
            if not spooled:
                file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
                stream.seek(0)
                shutil.copyfileobj(stream, file, 1 << 20)
                file.flush()
                spooled.append(_mapped(file, header, 0))
            return spooled[0](index)
        shape = [piece.stop - piece.start for piece in index]
        start = header.length + first * header.dtype.itemsize
        if stream.tell() != start:  # a seek switches the check of the sum off, even one to the same place
            stream.seek(start)
        data = stream.read(math.prod(shape) * header.dtype.itemsize)
        return np.frombuffer(data, header.dtype).reshape(shape)

    return load


def _first_of_run(index: Index, shape: tuple[int, ...]) -> int | None:
    """Number of the first value, where a piece is one run of values in C order."""
    extents = [piece.stop - piece.start for piece in index]
    leading = next((axis for axis, extent in enumerate(extents) if extent != 1), len(shape))
    if any(extent != n for extent, n in list(zip(extents, shape, strict=True))[leading + 1 :]):
        return None
    return int(np.ravel_multi_index([piece.start for piece in index], shape)) if shape else 0
