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

PIECE = 1 << 20  # bytes at a time of what is only passed through
_Load = Callable[[Index], NDArray[Any]]


def open_npz(path: Path, name: str, key: str | None, stack: contextlib.ExitStack) -> StoredArray:
    """Open one array of an ``.npz``; raises what `zipfile` and NumPy raise.

    It is unpacked piece by piece while the pieces are read in the order in which they lie in the file. Where they
    are not (space before frames, or Fortran order), it is mapped: inside the archive, or, if it is compressed, in a
    temporary file. Either way the archive's check sum is looked at: no later than with the last piece, or before any
    piece is mapped.
    """
    archive = stack.enter_context(zipfile.ZipFile(path))
    member = archive.getinfo(_choose(archive, name, key))
    stream = stack.enter_context(archive.open(member))
    header = _read_header(stream)
    # With bytes to spare, as a damaged shape leaves them, the end would not be reached, where the sum is checked.
    if member.file_size != header.length + header.size and not header.dtype.hasobject:
        raise ValueError(f"{member.filename} has {member.file_size - header.length} bytes of {header.size}")
    mapped: list[_Load] = []

    def load(index: Index) -> NDArray[Any]:
        if not mapped and _place(index, header) == stream.tell():
            shape = [piece.stop - piece.start for piece in index]
            data = stream.read(math.prod(shape) * header.dtype.itemsize)
            return np.frombuffer(data, header.dtype).reshape(shape)
        if not mapped:
            mapped.append(_mapped_whole(path, archive, member, header, stack))
        return mapped[0](index)

    return StoredArray(name, header.shape, header.dtype, load, variable=member.filename.removesuffix(".npy"))


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


def _mapped_whole(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, header: _Header, stack: contextlib.ExitStack
) -> _Load:
    # Opened anew: a seek of the other stream, even one to the same place, switches the check of the sum off.
    with archive.open(member) as stream:
        if member.compress_type == zipfile.ZIP_STORED:
            while stream.read(PIECE):
                pass
            return _mapped(path, header, _data_start(path, member))
        file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        shutil.copyfileobj(stream, file, PIECE)
    file.flush()
    return _mapped(file, header, 0)


def _mapped(file: Any, header: _Header, start: int) -> _Load:
    def load(index: Index) -> NDArray[Any]:
        order: Any = header.order
        # Mapped anew for every piece, as in `open_npy`.
        mapped = np.memmap(file, header.dtype, "r", start + header.length, header.shape, order)
        return np.array(mapped[index])

    return load


def _place(index: Index, header: _Header) -> int | None:
    """Where a piece starts in the member, None where it is not one run of bytes."""
    shape = header.shape
    extents = [piece.stop - piece.start for piece in index]
    leading = next((axis for axis, extent in enumerate(extents) if extent != 1), len(shape))
    if header.order == "F" or any(e != n for e, n in list(zip(extents, shape, strict=True))[leading + 1 :]):
        return None
    first = int(np.ravel_multi_index([piece.start for piece in index], shape)) if shape else 0
    return header.length + first * header.dtype.itemsize
