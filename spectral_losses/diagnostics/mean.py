"""`MeanStatistics`: sums over shells of a whole data set, batch by batch, and all that follows from their means."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from spectral_losses.diagnostics.cross import CrossSpectrum, cross_spectrum_of
from spectral_losses.diagnostics.pooled import Means, pooled_loss
from spectral_losses.diagnostics.resolution import check_criterion, lengths_with_a_unit, resolution_of
from spectral_losses.diagnostics.sums import ONE, PAIR, Sums, batch_of, with_axes
from spectral_losses.fields.layout import CHANNELS, ChannelAxis
from spectral_losses.fields.windows import Detrend, Window
from spectral_losses.losses.registry import named_loss, options_of
from spectral_losses.messages import check_choice, check_options
from spectral_losses.spectra.binning import check_bins, check_radial
from spectral_losses.spectra.plan import hashable
from spectral_losses.spectra.spectrum import Spectrum, let_pytorch_collate
from spectral_losses.spectra.written import named, tuples
from spectral_losses.transforms.partitions import Cylinders, Sectors
from spectral_losses.transforms.sphere import Sphere
from spectral_losses.transforms.waves import TRANSFORMS
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

__all__ = ["MeanStatistics"]

FORMAT, VERSION = "spectral_losses.MeanStatistics", 1
NAMES = {"prediction": "P", "target": "T", "error": "D"}


class MeanStatistics:
    r"""Means over a data set that is seen batch by batch, file by file or on several ranks.

    For each shell of the wavenumber it holds sums over frames of the prediction's power P, the target's T, the error's
    D and the quadrature Q, and the number of frames. They give what the library gives of all frames at once with
    ``pool="frames"``: mean spectra, cross spectra, pooled losses and effective resolution, without another pass.

    Parameters
    ----------
    spatial_axes, channel_axis, channels, bins, lengths, window, detrend, transform, grid
        As in `radial_spectrum`.
    pool : "frames", int or tuple of ints
        The axes over which is averaged, within batches and over all of them: by default everything but space and
        channels. Other frame axes are kept apart, and have one size in all batches: ``pool=0`` of ``[B, T, C, H, W]``
        gives each lead time numbers of its own.

    Attributes
    ----------
    frames : int
        How many frames were averaged, for each that is kept apart.
    options : dict
        The options, with their defaults.

    Raises
    ------
    TypeError
        A grid that is no `Sphere`; bins that are none.
    ValueError
        ``pool=None``, with which nothing is averaged; an option that `radial_spectrum` refuses whatever the fields are.

    Notes
    -----
    State is a few arrays of float64 on the host, as large as a spectrum: sums, so that batches of any sizes count as
    they should, in any order, to rounding. Within a batch statistics have the precision of its fields; where their
    values are on the host they are summed in float64. On other devices the statistics of up to 64 updates wait until
    they are brought over together, or are asked for, so that `update` does not hold a training loop up. Dask arrays are
    computed at once. What is not finite makes the means of its shells NaN or infinite. `update` is not for use inside
    ``jax.jit`` or ``torch.compile``, which would run it once.

    The losses' guards, which are relative to all frames, are so here, too.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> rng = np.random.default_rng(0)
    >>> target = rng.normal(size=(7, 2, 16, 16))
    >>> prediction = 0.8 * target + 0.1 * rng.normal(size=target.shape)
    >>> stats = sl.MeanStatistics(bins="log")
    >>> for batch in (slice(0, 4), slice(4, 7)):
    ...     stats.update(prediction[batch], target[batch])
    >>> stats
    MeanStatistics(7 frames, prediction and target, of shape (1, 2, 16, 16))
    >>> whole = sl.log_spectral_distance(prediction, target, bins="log", pool="frames")
    >>> np.testing.assert_allclose(stats.loss("log_spectral_distance"), whole)
    >>> stats.spectra()["target"]
    Spectrum(4 shells, power of shape (2, 4), float64, numpy)
    >>> stats.cross_spectrum().coherence.round(2)
    array([[0.99, 0.99, 0.99, 0.99],
           [0.99, 0.99, 0.99, 0.99]])
    """

    def __init__(
        self,
        *,
        spatial_axes: int | Sequence[int] = (-2, -1),
        channel_axis: ChannelAxis = "auto",
        channels: str = "separate",
        bins: str | int | Sequence[float] | tuple[str, int] | Sectors | Cylinders = "unit",
        lengths: float | Sequence[float] | None = None,
        window: Window = None,
        detrend: Detrend = None,
        transform: str = "fft",
        pool: str | int | Sequence[int] = "frames",
        grid: Sphere | None = None,
    ) -> None:
        check_choice("channels", channels, CHANNELS)
        check_choice("transform", transform, TRANSFORMS)
        if pool is None:
            raise ValueError("pool must be 'frames', an axis or several, over which is averaged, got None")
        if grid is not None and not isinstance(grid, Sphere):
            raise TypeError(f"grid must be None or a Sphere, got {grid!r}")
        given = {
            "spatial_axes": spatial_axes,
            "channel_axis": channel_axis,
            "channels": channels,
            "bins": check_bins(bins),
            "lengths": lengths,
            "window": window,
            "detrend": detrend,
            "transform": transform,
            "pool": pool,
            "grid": grid,
        }
        self.options: dict[str, Any] = {name: hashable(value) for name, value in given.items()}
        self._statistics: tuple[str, ...] = ()
        self._shape: tuple[int, ...] = ()
        self._sums = Sums()

    @property
    def frames(self) -> int:
        """How many frames were averaged."""
        return self._sums.frames

    def __repr__(self) -> str:
        if not self.frames:
            return "MeanStatistics(nothing yet)"
        sides = "prediction and target" if self._statistics == PAIR else "one side"
        return f"MeanStatistics({self.frames} frames, {sides}, of shape {self._shape})"

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_sums": copy.copy(self._sums)}

    def update(self, prediction: Array, target: Array | None = None) -> None:
        """Add a batch. No gradient is recorded.

        Parameters
        ----------
        prediction : array, real floating
            Any layout, such as ``[B, T, C, H, W]``. float16 and bfloat16 are computed in float32.
        target : array of the same shape, optional
            Without it ``prediction`` is a field of one side alone.

        Raises
        ------
        TypeError
            Not arrays, arrays of two frameworks, or not real floating.
        ValueError
            Fields of another grid, number of channels, or with a target where those before had none; a field without
            an axis of frames, where that of channels was not named (of ``[B, X]`` "auto" takes the batch for
            channels); whatever `radial_spectrum` refuses.
        """
        batch = batch_of(prediction, target, self.options)
        self._check_alike("the fields of this update", batch.shape, batch.statistics)
        self._sums.add(batch)
        self._shape, self._statistics = batch.shape, batch.statistics

    def merge(self, other: MeanStatistics) -> None:
        """Add what another one has seen, in another process or file; that one stays as it is.

        In any order and grouping the result is that of all updates in one, to the rounding of float64. One that has
        seen nothing changes nothing.

        Raises
        ------
        TypeError
            No `MeanStatistics`.
        ValueError
            One with other options, grids, channels or sides.
        """
        if not isinstance(other, MeanStatistics):
            raise TypeError(f"other must be a MeanStatistics, got {type(other).__name__}")
        self._check_options(other.options, "other")
        if other.frames:
            self._check_alike("other", other._shape, other._statistics)
            self._sums.merge(other._sums.total(), other.frames, other._sums.dtype)
            self._shape, self._statistics = other._shape, other._statistics

    def spectra(self, like: Callable[[Any], Array] | None = None) -> dict[str, Spectrum]:
        """Mean spectra by name: "prediction", "target" and "error", their difference's; of one side alone "field".

        They are what `radial_spectrum` gives of all frames with this ``pool``, and may stand for targets of losses.

        Parameters
        ----------
        like : callable, optional
            What makes an array of a framework of a NumPy array, as in `Spectrum.load`.

        Raises
        ------
        ValueError
            Before the first update.
        """
        means = self._means()
        plan, backend = means.plan()
        names = NAMES if self._statistics == PAIR else {"field": "P"}
        let_pytorch_collate()
        found = {}
        for name, statistic in names.items():
            power = means.tables[statistic][..., 1:-1]
            power = plan.reported(power * backend.constant(plan.basis, "scale", power), backend)
            arrays = (backend.constant(plan.basis, each, power) for each in ("centres", "edges", "counts"))
            wavenumber, edges, counts = arrays
            spectrum = Spectrum(wavenumber, power, edges, counts, plan.recorded())
            found[name] = spectrum if like is None else spectrum._each(like)
        return found

    def cross_spectrum(self) -> CrossSpectrum:
        """`cross_spectrum` of all frames with this ``pool``: coherence, phase, and the error split in two.

        Raises
        ------
        ValueError
            Before the first update, or of one side alone.
        """
        means = self._means(PAIR, "a cross spectrum")
        plan, backend = means.plan()
        return cross_spectrum_of(dict(means.tables), plan, backend, float(np.finfo(means.dtype).eps))

    def effective_resolution(self, *, threshold: float = 0.5, of: str = "coherence") -> NDArray[np.float64]:
        """`effective_resolution` of all frames: the wavelength down to which predictions resolve their targets.

        Parameters
        ----------
        threshold, of
            As in `effective_resolution`.

        Returns
        -------
        array
            A wavelength for each channel, and for each frame that is kept apart.

        Raises
        ------
        ValueError
            Before the first update, or of one side alone; axes of unequal sizes without ``lengths``; bins that know
            directions; another criterion.
        """
        limit, grid = check_criterion(threshold, of), self.options["grid"]
        check_radial(self.options["bins"], "effective resolutions")
        means = self._means(PAIR, "an effective resolution")
        sizes = means.plan()[0].layout.shape
        lengths = None if grid is not None else lengths_with_a_unit(self.options["lengths"], sizes)
        return np.asarray(resolution_of(self.cross_spectrum(), sizes, lengths, grid, limit, of))

    def loss(self, name: str, *, target: Spectrum | None = None, **options: Any) -> NDArray[Any]:
        """A loss by name, as it would be of all frames with this ``pool``.

        Parameters
        ----------
        name : str
            Of a loss over shells, or `field_error` where fields are neither windowed nor detrended and on no sphere.
        target : Spectrum, optional
            What stands for the target where only one side was seen, such as that of another data set: one of the same
            grid, options and ``pool``, as `spectra` makes it.
        **options
            The loss's own, such as ``eps``, ``shell_weights`` or ``channel_weights``; ``reduction="none"`` gives the
            value of each channel, and of each frame that is kept apart.

        Returns
        -------
        array
            0-d, or one value per row; in the precision of the fields.

        Raises
        ------
        TypeError
            A loss that takes more than sums over shells; an option that it does not take.
        ValueError
            An unknown loss; before the first update; no target, or two; whatever the loss refuses.
        """
        named_loss(name)
        means = self._means()
        if target is None:
            return pooled_loss(name, self._means(PAIR, f"{name}, without a Spectrum as its target,"), options)
        if not isinstance(target, Spectrum):
            raise TypeError(f"target must be a Spectrum, got {type(target).__name__}: fields go into update")
        if self._statistics == PAIR:
            raise ValueError("target must be None: statistics of prediction and target have one already")
        backend = backend_of(target.power, "target")
        on_host = replace(target, power=backend.to_numpy(backend.detach(target.power)))
        return pooled_loss(name, means, options, on_host)

    def evaluate(
        self,
        losses: str | Iterable[str] = ("field_error", "spectrum_error"),
        *,
        target: Spectrum | None = None,
        **options: Any,
    ) -> dict[str, float]:
        """Named losses as Python floats, as `evaluate` gives them of all frames with this ``pool``.

        Parameters
        ----------
        losses : str or iterable of str
        target
            As in `loss`.
        **options
            Passed to each loss that takes an option of that name; one that none of them takes is an error.

        Raises
        ------
        TypeError, ValueError
            Whatever `loss` refuses; a ``reduction`` other than "mean"; no loss at all.
        """
        names = [losses] if isinstance(losses, str) else list(losses)
        if not names:
            raise ValueError("losses must name at least one loss, got none")
        known = {name: options_of(named_loss(name)) for name in names}
        check_options("evaluate", options, set().union(*known.values()))
        if options.get("reduction", "mean") != "mean":
            raise ValueError(f"reduction must be 'mean' to give one float, got {options['reduction']!r}")
        taken = {name: {key: options[key] for key in options.keys() & known[name]} for name in names}
        return {name: float(self.loss(name, target=target, **taken[name])) for name in names}

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from, in plain types: dictionaries, lists, strings and numbers."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "options": {name: named(value) for name, value in self.options.items()},
            "statistics": list(self._statistics),
            "shape": list(self._shape),
            "dtype": self._sums.dtype,
            "frames": self.frames,
            "sums": self._sums.total().tolist() if self.frames else [],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned; what was seen here is forgotten.

        Parameters
        ----------
        state : mapping
            ``sums`` may be an array of any shape that holds as many numbers.

        Raises
        ------
        ValueError
            No such state, one of an unknown version, or with other options.
        """
        stored = _checked(state)
        self._check_options(tuples_of(stored["options"]), "state")
        self._take(stored)

    def save(self, path: str | PathLike[str]) -> None:
        """Write an .npz file of the state, without pickles; one that is there is replaced.

        Raises
        ------
        OSError
            A file that cannot be written.
        """
        state = self.state_dict()
        sums = np.asarray(state.pop("sums"), np.float64)
        with open(path, "wb") as file:  # given a name, NumPy would add an ending
            np.savez(file, state=np.asarray(json.dumps(state)), sums=sums)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> MeanStatistics:
        """What `save` wrote, with its options.

        Raises
        ------
        OSError
            A file that cannot be read.
        ValueError
            A file of something else, or of an unknown version.

        Examples
        --------
        >>> import os.path, tempfile
        >>> import numpy as np, spectral_losses as sl
        >>> fields, folder = np.random.default_rng(0).normal(size=(6, 1, 16, 16)), tempfile.mkdtemp()
        >>> for part in range(2):
        ...     stats = sl.MeanStatistics()
        ...     stats.update(fields[part::2])
        ...     stats.save(os.path.join(folder, f"{part}.npz"))
        >>> parts = [sl.MeanStatistics.load(os.path.join(folder, f"{part}.npz")) for part in range(2)]
        >>> parts[0].merge(parts[1])
        >>> parts[0]
        MeanStatistics(6 frames, one side, of shape (1, 1, 16, 16))
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                state = {**json.loads(str(file["state"])), "sums": file["sums"]}
            stored = _checked(state)
            found = cls(**tuples_of(stored["options"]))
            found._take(stored)
        except (AttributeError, BadZipFile, EOFError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} must be a file that MeanStatistics.save wrote: {error}") from error
        return found

    def _means(self, needed: tuple[str, ...] = ONE, what: str = "this") -> Means:
        total = self._sums.total()
        if len(self._statistics) < len(needed):
            raise ValueError(f"{what} takes prediction and target, but update got one side alone")
        tables = dict(zip(self._statistics, total / self.frames, strict=True))
        return Means(with_axes(self.options, self._shape), self._shape, self._sums.dtype, tables)

    def _check_alike(self, what: str, shape: tuple[int, ...], statistics: tuple[str, ...]) -> None:
        if self.frames and shape != self._shape:
            raise ValueError(
                f"{what} must have the grid and the channels of those before, shape {self._shape} with 1 for what is "
                f"pooled, got {shape}"
            )
        if self.frames and statistics != self._statistics:
            sides = {ONE: "one side alone", PAIR: "prediction and target"}
            raise ValueError(f"{what} must be of {sides[self._statistics]} as those before, got {sides[statistics]}")

    def _check_options(self, options: Mapping[str, Any], what: str) -> None:
        for name, own in self.options.items():
            if _undirected(options[name]) != _undirected(own):
                raise ValueError(f"{what} must have the same options, got {name}={options[name]!r}, here {own!r}")

    def _take(self, stored: Mapping[str, Any]) -> None:
        """A state that was checked but for its sums."""
        sums, shape, statistics = Sums(), tuple(stored["shape"]), tuple(stored["statistics"])
        if stored["frames"]:
            wanted = Means(with_axes(self.options, shape), shape, stored["dtype"], {}).room(statistics)
            table = np.asarray(stored["sums"], np.float64)
            if table.size != math.prod(wanted):
                raise ValueError(f"state: sums must be of shape {wanted}, got {table.shape}")
            sums.merge(table.reshape(wanted), stored["frames"], stored["dtype"])
        self._sums, self._shape, self._statistics = sums, shape, statistics


def tuples_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they were before they were stored."""
    return {name: tuples(value) for name, value in options.items()}


def _undirected(value: Any) -> Any:
    """A value of options as it is written; means do not depend on where the north of a sphere is."""
    return named(Sphere(value.grid, degrees=value.degrees) if isinstance(value, Sphere) else value)


def _checked(state: Any) -> dict[str, Any]:
    """A stored state, of which all is there."""
    if not isinstance(state, Mapping) or state.get("format") != FORMAT:
        raise ValueError(f"state must be what MeanStatistics.state_dict returned: its format is not {FORMAT!r}")
    if state.get("version") != VERSION:
        raise ValueError(f"state: version {state.get('version')!r} is not known, this library reads {VERSION}")
    missing = [
        name for name in ("options", "statistics", "shape", "dtype", "frames", "sums") if state.get(name) is None
    ]
    options = MeanStatistics().options
    if missing or set(state["options"]) != set(options):
        raise ValueError(f"state lacks {', '.join(missing) or 'options, or has unknown ones'}")
    if tuple(state["statistics"]) not in ((), ONE, PAIR) or state["dtype"] not in ("float32", "float64"):
        raise ValueError(f"state: statistics {state['statistics']!r} of {state['dtype']!r} are not known")
    return dict(state)
