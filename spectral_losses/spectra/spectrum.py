"""`Spectrum`, what a power spectrum is returned as; stored in files, and stacked to batches."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any
from zipfile import BadZipFile

import numpy as np

from spectral_losses.fields.pairs import dtype_name
from spectral_losses.spectra.written import named, tuples
from spectral_losses.transforms.partitions import Sectors
from spectral_losses.transforms.plane import Plane
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of, record

__all__ = ["Spectrum"]

ARRAYS = ("wavenumber", "power", "edges", "counts")


@record(arrays=ARRAYS, static=("layout",))
@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """A radial power spectrum; unpacks as ``wavenumber, power, edges, counts = spectrum``.

    Attributes
    ----------
    wavenumber : array, shape (shells,)
        Shell centres, in index units or, where ``lengths`` were given, in radians per unit length; on the sphere
        degrees. Of bins that know directions a tuple: ``(wavenumber, angle)`` of `Sectors`, in radians, ``(k_perp,
        k_par)`` of `Cylinders`.
    power : array, shape (..., shells)
        Power of each shell; the axes of the field that are not space, in their order, then the shells, or the two axes
        of bins that know directions.
    edges : array, shape (shells + 1,)
        Shell b is ``(edges[b], edges[b + 1]]``. A tuple of two of bins that know directions.
    counts : array, shape (shells,)
        Modes of the full plane in each shell, or other bin, as floats of power's dtype.
    layout : tuple
        The grid and the options that it was computed with. A spectrum may stand for a target only where
        these are the same. Of a mask it holds no more than that there was one, and the fill.

    Notes
    -----
    All arrays are of the field's framework, dtype and device. The class passes through ``jax.jit``,
    ``jax.vmap``, ``torch.vmap`` and ``torch.compile``; ``dataclasses.replace(spectrum, power=...)`` makes one
    with other frames, such as a batch out of a stored data set. PyTorch's ``default_collate``, and so its
    ``DataLoader``, makes the spectrum of a batch of those of its samples, as `stack` does.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> sl.radial_spectrum(np.random.default_rng(0).normal(size=(2, 3, 16, 24)))
    Spectrum(8 shells, power of shape (2, 3, 8), float64, numpy)
    """

    wavenumber: Array
    power: Array
    edges: Array
    counts: Array
    layout: tuple[object, ...] = field(default=())

    def __iter__(self) -> Iterator[Array]:
        return iter((self.wavenumber, self.power, self.edges, self.counts))

    def __repr__(self) -> str:
        shape = getattr(self.power, "shape", None)
        if not shape:  # transformations put other things than arrays into what they take apart
            return f"Spectrum(power={self.power!r})"
        kind = type(self.power).__module__.split(".")[0]
        bins = f"{shape[-1]} shells"
        if isinstance(self.wavenumber, tuple):
            bins = f"{shape[-2]} x {shape[-1]} {type(self.layout[2]).__name__.lower()}"
        return f"Spectrum({bins}, power of shape {tuple(shape)}, {dtype_name(self.power)}, {kind})"

    @property
    def merged(self) -> tuple[int, ...]:
        """The shells of `Sectors` that were too small to be cut: each of their sectors has its share of the whole."""
        shape, lengths, shells = self.layout[:3]
        if not isinstance(shells, Sectors):
            return ()
        return Plane(shape, lengths, shells).merged()  # type: ignore[arg-type]

    def to(self, *args: Any, **kwargs: Any) -> Spectrum:
        """Each array's own ``to``, as PyTorch's tensors have it: on another device, such as ``spectrum.to("cuda")``.

        Raises
        ------
        AttributeError
            Arrays of a framework that has no such method.
        """
        return self._each(lambda x: x.to(*args, **kwargs))

    @classmethod
    def stack(cls, spectra: Sequence[Spectrum]) -> Spectrum:
        """The spectrum of a batch, of those of its samples: powers stacked along a new first axis.

        Parameters
        ----------
        spectra : sequence of Spectrum
            Of fields of one shape and framework, without the axis of the batch, computed with the same options.

        Returns
        -------
        Spectrum
            As `radial_spectrum` returns it for the fields stacked along a new first axis, where axes are counted from
            the end.

        Raises
        ------
        ValueError
            None at all, or spectra of different grids or options.

        Examples
        --------
        >>> import numpy as np, spectral_losses as sl
        >>> fields = np.random.default_rng(0).normal(size=(5, 3, 16, 16))
        >>> batch = sl.Spectrum.stack([sl.radial_spectrum(field) for field in fields])
        >>> batch.power.shape, float(sl.spectrum_error(fields, batch))
        ((5, 3, 8), 0.0)
        """
        if not spectra:
            raise ValueError("spectra must hold at least one, got none")
        first = spectra[0]
        for other in spectra:
            if other.layout != first.layout:
                raise ValueError(f"spectra must be of one grid and set of options, got {first.layout}, {other.layout}")
        xp = backend_of(first.power, "power").namespace(first.power)
        power = xp.stack([each.power for each in spectra], axis=0)
        return cls(first.wavenumber, power, first.edges, first.counts, _of_batch(first.layout))

    def save(self, path: str | PathLike[str]) -> None:
        """Write an .npz file of the four arrays and the layout, without pickles.

        Parameters
        ----------
        path : path
            Taken as it is; a file that is there is replaced.

        Raises
        ------
        OSError
            A file that cannot be written.
        TypeError
            Arrays that NumPy cannot read, such as those on a GPU (see `to`).

        Examples
        --------
        >>> import os.path, tempfile
        >>> import numpy as np, spectral_losses as sl
        >>> path = os.path.join(tempfile.mkdtemp(), "target.npz")
        >>> field = np.random.default_rng(0).normal(size=(2, 1, 16, 16))
        >>> sl.radial_spectrum(field, bins="log").save(path)
        >>> stored = sl.Spectrum.load(path)
        >>> float(sl.spectrum_error(field, stored, bins="log"))
        0.0
        """
        arrays: dict[str, Any] = {}
        for name in ARRAYS:
            given = getattr(self, name)
            if isinstance(given, tuple):
                arrays |= {f"{name}.{i}": _on_host(each, name) for i, each in enumerate(given)}
            else:
                arrays[name] = _on_host(given, name)
        with open(path, "wb") as file:  # given a name, NumPy would add an ending
            np.savez(file, layout=np.asarray(json.dumps(named(self.layout))), **arrays)

    @classmethod
    def load(cls, path: str | PathLike[str], like: Callable[[Any], Array] | None = None) -> Spectrum:
        """What `save` wrote.

        Parameters
        ----------
        path : path
            The file.
        like : callable, optional
            What makes an array of a framework of a NumPy array, such as ``torch.from_numpy`` or ``jax.numpy.asarray``;
            by default they stay NumPy arrays.

        Returns
        -------
        Spectrum
            With the numbers, the dtype and the layout that were saved.

        Raises
        ------
        OSError
            A file that cannot be read.
        ValueError
            A file that is no stored spectrum.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {
                    name: file[name] if name in file.files else (file[f"{name}.0"], file[f"{name}.1"])
                    for name in ARRAYS
                }
                layout = tuples(json.loads(str(file["layout"])))
        except (AttributeError, BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} must be a spectrum that Spectrum.save wrote: {error}") from error
        let_pytorch_collate()
        found = cls(**arrays, layout=layout)
        return found if like is None else found._each(like)

    def _each(self, function: Callable[[Array], Array]) -> Spectrum:
        arrays = (tuple(map(function, x)) if isinstance(x, tuple) else function(x) for x in self)
        return Spectrum(*arrays, self.layout)  # type: ignore[call-arg]


def _of_batch(layout: tuple[Any, ...]) -> tuple[object, ...]:
    """The layout, see `Plan.recorded`, behind a batch: axes that are pooled are counted from the start."""
    return (*layout[:-1], tuple([axis + 1 for axis in layout[-1]])) if layout else layout


def _on_host(x: Array, name: str) -> Any:
    backend = backend_of(x, name)
    x = backend.detach(x)
    seen = backend.to_numpy_if_free(x)
    return np.asarray(x) if seen is None else seen


def _collate(batch: Sequence[Spectrum], *, collate_fn_map: Mapping[Any, Any] | None = None) -> Spectrum:
    """Samples as PyTorch collates them: NumPy arrays become tensors."""
    return Spectrum.stack([each._each(sys.modules["torch"].as_tensor) for each in batch])


def let_pytorch_collate() -> None:
    """Tell PyTorch how spectra are stacked, in the way that it documents for `default_collate`; imports nothing.

    Called wherever spectra come from: they may be made before PyTorch is imported, or be unpickled in a new process.
    """
    module = sys.modules.get("torch.utils.data._utils.collate")
    if module is not None:
        module.default_collate_fn_map.setdefault(Spectrum, _collate)


let_pytorch_collate()
