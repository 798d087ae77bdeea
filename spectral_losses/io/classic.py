"""How long a classic NetCDF file has to be: its reader takes what lies behind the end of a shorter one for zeros."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import IO, NamedTuple

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}  # bytes of each type


def check_length(path: Path) -> None:
    """Refuse a classic NetCDF file that is shorter than its header says; others are left to their reader.

    The header is that of https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html

    Raises
    ------
    ValueError
        A file that is too short, or a header that is none.
    """
    with path.open("rb") as file:
        magic = file.read(4)
        if magic[:3] != b"CDF" or magic[3:] not in (b"\x01", b"\x02", b"\x05"):
            return
        wanted = _Header(file, magic[3]).length()
    there = path.stat().st_size
    if there < wanted:
        raise ValueError(f"it has {there} bytes, and its header says {wanted}")


class _Variable(NamedTuple):
    begin: int
    size: int  # bytes, of one record where there are several
    is_record: bool


class _Header:
    def __init__(self, file: IO[bytes], version: int) -> None:
        self.file = file
        self.count = ">q" if version == 5 else ">i"
        self.offset = ">i" if version == 1 else ">q"

    def length(self) -> int:
        records = self._number(self.count)
        lengths = [self._dimension() for _ in range(self._elements())]
        self._attributes()
        variables = [self._variable(lengths) for _ in range(self._elements())]
        slabs = [each.size for each in variables if each.is_record]
        # Records are padded to four bytes, unless there is but one variable that has some.
        step = slabs[0] if len(slabs) == 1 else sum(size + -size % 4 for size in slabs)
        ends = [each.begin + each.size + (step * (records - 1) if each.is_record else 0)
                for each in variables if records > 0 or not each.is_record]  # fmt: skip
        return max(ends, default=0)

    def _number(self, kind: str) -> int:
        return int(struct.unpack(kind, self.file.read(struct.calcsize(kind)))[0])

    def _elements(self) -> int:
        self._number(">i")  # what they are
        return self._number(self.count)

    def _skip(self, size: int) -> None:
        self.file.seek(size + -size % 4, 1)

    def _dimension(self) -> int:
        self._skip(self._number(self.count))
        return self._number(self.count)

    def _attributes(self) -> None:
        for _ in range(self._elements()):
            self._skip(self._number(self.count))
            kind = self._number(">i")
            self._skip(self._number(self.count) * SIZES[kind])

    def _variable(self, lengths: list[int]) -> _Variable:
        self._skip(self._number(self.count))
        shape = [lengths[self._number(self.count)] for _ in range(self._number(self.count))]
        self._attributes()
        size = SIZES[self._number(">i")]
        self._number(self.count)  # its size, which is too large for this place where variables are
        is_record = bool(shape) and shape[0] == 0
        return _Variable(self._number(self.offset), size * math.prod(shape[is_record:]), is_record)
