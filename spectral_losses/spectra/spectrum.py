"""`Spectrum`, what a power spectrum is returned as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import record

__all__ = ["Spectrum"]


@record(arrays=("wavenumber", "power", "edges", "counts"), static=("layout",))
@dataclass(frozen=True, eq=False)
class Spectrum:
    """A radial power spectrum; unpacks as ``wavenumber, power, edges, counts = spectrum``.

    Attributes
    ----------
    wavenumber : array, shape (shells,)
        Shell centres, in index units or, where ``lengths`` were given, in radians per unit length.
    power : array, shape (..., shells)
        Power of each shell; the axes of the field that are not space, in their order, then the shells.
    edges : array, shape (shells + 1,)
        Shell b is ``(edges[b], edges[b + 1]]``.
    counts : array, shape (shells,)
        Modes of the full plane in each shell, as floats of power's dtype.
    layout : tuple
        The grid and the options that it was computed with. A spectrum may stand for a target only where
        these are the same.

    Notes
    -----
    All arrays are of the field's framework, dtype and device. The class passes through ``jax.jit``,
    ``jax.vmap``, ``torch.vmap`` and ``torch.compile``; ``dataclasses.replace(spectrum, power=...)`` makes one
    with other frames, such as a batch out of a stored data set.
    """

    wavenumber: Array
    power: Array
    edges: Array
    counts: Array
    layout: tuple[object, ...] = field(default=(), repr=False)

    def __iter__(self) -> Iterator[Array]:
        return iter((self.wavenumber, self.power, self.edges, self.counts))
