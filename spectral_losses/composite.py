"""Several losses as one: named components, their weights, the total and the parts."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from numbers import Real
from operator import index
from typing import Any, NamedTuple, Self

from spectral_losses.losses.comparison import Comparison, grouped, prepared, targets_of
from spectral_losses.losses.registry import comparison_of, is_loss, named_loss, options_of
from spectral_losses.messages import check_options, integer, number, suggest
from spectral_losses.spectra import Spectrum
from spectral_losses.spectra.written import from_plain, to_plain
from spectral_losses_backends.base import Array
from spectral_losses_backends.registry import backend_of

__all__ = ["Component", "CompositeLoss"]

Loss = Callable[[Array, Array], Array]
Target = Array | Spectrum | Mapping[str, Array | Spectrum]


class Component:
    """One loss of a `CompositeLoss`: which, with which options, on which frames.

    Parameters
    ----------
    loss : str or callable
        The name of a loss of this library, or any ``(prediction, target) -> 0-d array``, which a mask in the call of
        a `CompositeLoss` reaches by an argument of the name ``mask``.
    frames : slice or int, optional
        The part of the time axis that it sees; by default all of it. An int is that one frame, kept as an axis.
    time_axis : int, default 1
        Where time is, as in ``[B, T, C, H, W]``; needed with `frames` only.
    **options
        Passed to the loss.

    Raises
    ------
    ValueError
        A name that is no loss of this library.
    TypeError
        An option that a loss of this library does not take; frames that are neither a slice nor an int; a class in
        place of a callable that it makes.

    Examples
    --------
    >>> import spectral_losses as sl
    >>> sl.Component("spectrum_error", frames=slice(1, None), channels="sum")
    Component('spectrum_error', frames=slice(1, None, None), channels='sum')
    """

    def __init__(
        self, loss: str | Loss, *, frames: slice | int | None = None, time_axis: int = 1, **options: Any
    ) -> None:
        if not isinstance(loss, str) and not callable(loss):
            raise TypeError(
                f"loss must be a name or a callable, got {loss!r}"
                f"{', a table such as from_dict reads' if isinstance(loss, Mapping) else ''}"
            )
        if inspect.isclass(loss):  # called with two fields, it would take them for its settings
            raise TypeError(
                f"loss must be a name or a callable, got the class {loss.__name__}; is {loss.__name__}() meant?"
            )
        function = named_loss(loss) if isinstance(loss, str) else loss
        if is_loss(function):
            check_options(function.__name__, options, options_of(function))
        if is_loss(function) and options.get("reduction", "mean") != "mean":
            raise ValueError(f"reduction of a component must be 'mean', got {options['reduction']!r}")
        self.loss, self.function, self.options = loss, function, options
        self.frames, self.time_axis = _as_slice(frames), integer("time_axis", time_axis)
        self.takes_mask = _takes_mask(function)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any] | str) -> Self:
        """A component of plain data: its arguments by name, or the name of a loss alone.

        Parameters
        ----------
        settings : mapping of str to plain data, or str
            ``loss`` is the name of one of this library. ``frames`` is an int, or a table of ``start``, ``stop`` and
            ``step``. Lists stand for tuples, and tables for objects: ``{"Sectors": [8]}``, ``{"Sphere": "gauss"}``,
            ``{"Cylinders": {"axis": 0}}``.

        Raises
        ------
        ValueError
            No loss, or one that is not known; a key that it does not take; a table that is no object.
        TypeError
            Settings, frames or objects of another type.

        Examples
        --------
        >>> import spectral_losses as sl
        >>> sl.Component.from_dict({"loss": "spectrum_error", "frames": {"start": 1}, "bins": {"Sectors": 8}})
        Component('spectrum_error', frames=slice(1, None, None), bins=Sectors(n=8, shells='unit'))
        """
        given = dict(_table({"loss": settings} if isinstance(settings, str) else settings, "settings"))
        if not isinstance(given.get("loss"), str):
            raise ValueError(f"loss must be the name of a loss, got {given.get('loss')!r}")
        own = ("loss", "frames", "time_axis")
        known = [*own, *sorted(options_of(named_loss(given["loss"])))]
        for key in given:
            if key not in known:
                raise ValueError(f"{given['loss']}: key {suggest(str(key), known)}")
        given["frames"] = _frames_of(given.get("frames"))
        return cls(**{key: each if key in own else from_plain(key, each) for key, each in given.items()})

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, in plain strings, numbers, lists and dictionaries.

        Raises
        ------
        TypeError
            A callable that is no loss of this library; an option that no plain data can hold, such as a mask.
        """
        if not is_loss(self.function):
            raise TypeError(f"a loss must be one of this library to be written, got {self.function!r}")
        settings: dict[str, Any] = {"loss": self.function.__name__}
        if self.frames is not None:
            given = {"start": self.frames.start, "stop": self.frames.stop, "step": self.frames.step}
            settings["frames"] = {key: index(each) for key, each in given.items() if each is not None}
        if self.time_axis != 1:
            settings["time_axis"] = self.time_axis
        return settings | {key: to_plain(key, each) for key, each in self.options.items()}

    def __repr__(self) -> str:
        given = {} if self.frames is None else {"frames": self.frames}
        if self.time_axis != 1:
            given["time_axis"] = self.time_axis  # type: ignore[assignment]
        said = [repr(self.loss), *(f"{name}={value!r}" for name, value in {**given, **self.options}.items())]
        return f"Component({', '.join(said)})"

    def seen(self, x: Array, name: str) -> Array:
        """The frames of x that this component sees."""
        if self.frames is None or isinstance(x, Spectrum):  # a stored spectrum is that of the frames
            return x
        ndim = len(x.shape)
        if not -ndim <= self.time_axis < ndim:
            raise ValueError(f"time_axis must be an axis of {name} of shape {tuple(x.shape)}, got {self.time_axis}")
        axis = self.time_axis % ndim
        part = x[(slice(None),) * axis + (self.frames, ...)]
        if not part.shape[axis]:
            raise ValueError(
                f"frames must leave a frame of {name}, got {self.frames} of {x.shape[axis]} on axis {axis} "
                f"(shape {tuple(x.shape)})"
            )
        return part

    def seen_of_mask(self, mask: Array, prediction: Array) -> Array:
        """The frames of a mask that this component sees, where it has any: it is broadcast against the prediction."""
        whole, ndim = tuple(prediction.shape), len(mask.shape)
        axis = self.time_axis % len(whole) - len(whole) + ndim
        if self.frames is None or not 0 <= axis < ndim or mask.shape[axis] != whole[axis - ndim]:
            return mask
        return mask[(slice(None),) * axis + (self.frames, ...)]


class Seen(NamedTuple):
    """What a component compares, and the options with which it does."""

    prediction: Array
    target: Any
    options: dict[str, Any]


class CompositeLoss:
    """A weighted sum of named components, in any framework.

    Parameters
    ----------
    components : mapping of str to Component, str or callable
        A str is the name of a loss of this library, a callable any ``(prediction, target) -> 0-d array``;
        `Component` adds options and frames.
    weights : mapping of str to float, optional
        By default 1 for each component. Those that are left out are 0.

    Raises
    ------
    ValueError
        No component; a weight for no component, or one that is not finite; a loss that is not known.
    TypeError
        A component or a weight of another type; an option of a loss, which belongs to its `Component`.

    Notes
    -----
    A component whose weight is 0 is not computed, and not among the parts. Components with the same frames and the same
    spectral options share the transforms of prediction and target.

    Examples
    --------
    >>> import numpy as np, spectral_losses as sl
    >>> loss = sl.CompositeLoss(
    ...     {
    ...         "recFieldError": sl.Component("field_error", frames=0),
    ...         "predFieldError": sl.Component("field_error", frames=slice(1, None)),
    ...         "spectrumError": "spectrum_error",
    ...     },
    ...     weights={"recFieldError": 1.0, "predFieldError": 1.0},
    ... )
    >>> target = np.random.default_rng(0).normal(size=(2, 4, 1, 16, 16))  # batch, time, channels, height, width
    >>> total, parts = loss(1.1 * target, target)
    >>> round(float(total), 6), sorted(parts)
    (0.02, ['predFieldError', 'recFieldError'])
    """

    def __init__(
        self,
        components: Mapping[str, Component | str | Loss],
        weights: Mapping[str, float] | None = None,
        **options: Any,
    ) -> None:
        refuse_options(options)
        if not isinstance(components, Mapping):
            raise TypeError(f"components must map names to losses, got {type(components).__name__}")
        if not components:
            raise ValueError("components must hold at least one loss, got none")
        self.components: dict[str, Component] = {}
        for name, component in components.items():
            if not isinstance(name, str):
                raise TypeError(f"components must have names, got {name!r} of type {type(name).__name__}")
            self.components[name] = (
                component if isinstance(component, Component) else _of_component(name, Component, component)
            )
        self._weights = dict.fromkeys(self.components, 1.0 if weights is None else 0.0)
        self.set_weights(weights or {})

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Read plain data, such as a part of a YAML, TOML or JSON file.

        Parameters
        ----------
        settings : mapping
            ``components``, each as `Component.from_dict` takes it, and, where not all are 1, ``weights``.

        Raises
        ------
        ValueError
            An unknown key; whatever `Component.from_dict` and the class refuse, with the name of the component.
        TypeError
            Something of another type.

        Examples
        --------
        >>> import spectral_losses as sl
        >>> loss = sl.CompositeLoss.from_dict({
        ...     "components": {
        ...         "field": "field_error",
        ...         "spectrum": {"loss": "log_spectral_distance", "bins": "log", "channels": "sum"},
        ...     },
        ...     "weights": {"field": 1, "spectrum": 0.1},
        ... })
        >>> loss.weights
        {'field': 1.0, 'spectrum': 0.1}
        >>> loss.to_dict()["components"]["spectrum"]
        {'loss': 'log_spectral_distance', 'bins': 'log', 'channels': 'sum'}
        """
        for key in _table(settings, "settings"):
            if key not in ("components", "weights"):
                raise ValueError(f"key {suggest(str(key), ('components', 'weights'))}")
        given = _table(settings.get("components", {}), "components")
        components = {name: _of_component(name, Component.from_dict, each) for name, each in given.items()}
        return cls(components, settings.get("weights"))

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads, with the weights as they are, in plain strings, numbers, lists and dictionaries.

        Raises
        ------
        TypeError
            What `Component.to_dict` refuses.
        """
        components = {name: _of_component(name, Component.to_dict, each) for name, each in self.components.items()}
        return {"components": components, "weights": self.weights}

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each component."""
        return dict(self._weights)

    def set_weights(self, weights: Any) -> None:
        """Set weights by name; those that are not named stay.

        Parameters
        ----------
        weights : mapping of str to float, or anything that has such ``weights``
            A `Decision`, a `LossScheduler`, a `LossController` or a `Balancer` can be passed as it is.

        Raises
        ------
        ValueError
            A name that is no component, or a weight that is not finite.
        TypeError
            A weight that is no number.
        """
        given = self._named(weights)
        self._weights.update({name: _checked(name, weight) for name, weight in given.items()})

    def __call__(
        self, prediction: Array, target: Target, *, weights: Any = None, mask: Array | None = None
    ) -> tuple[Array, dict[str, Array]]:
        """The total and the parts.

        Parameters
        ----------
        prediction : array
            As the components take it.
        target : array, Spectrum, or mapping of str to such
            One for all components, or one for each that is computed, by name. A component over spectra takes a
            `Spectrum` of the frames that it sees.
        weights : mapping of str to float or 0-d array, or anything that has such ``weights``, optional
            In place of those that were set, by name. Arrays, which ``jax.jit`` and ``torch.compile`` can take as
            arguments without compiling anew, are not looked at: their components are always computed.
        mask : array, optional
            Of this batch, for all components, as the losses take it: of the shape of space, or one that broadcasts
            against the prediction, whose frames are those that each component sees.

        Returns
        -------
        total : array, 0-d
            The sum of weight times part.
        parts : dict of str to array, 0-d
            Of the components that were computed, without their weights.

        Raises
        ------
        ValueError
            A name that is no component; a component without a target; every weight 0; frames that leave none; a
            component whose result is not 0-d; whatever the components refuse.
        TypeError
            A Spectrum for a component that needs the field; a component whose result is no array; a mask beside a
            component that has one of its own, or that takes none, whatever its weight.
        """
        active = self.active(weights)
        seen = self.seen(prediction, target, active, mask)
        parts: dict[str, Array] = {}
        totals: list[Array] = []
        for group in self.groups(seen):
            if group.problem is None or not all(isinstance(active[name], Real) for name in group.names):
                values = self._apart(group, seen)
                totals += [value * like(active[name], value, name) for name, value in values.items()]
            else:
                backend, weights = group.backend, [_checked(name, active[name]) for name in group.names]
                total, each = backend.weighted(group.problem, group.arrays, weights)
                values = dict(zip(group.names, each, strict=True))
                totals.append(total)
            parts.update(values)
        total = totals[0]
        for term in totals[1:]:
            total = total + term
        xp = backend_of(total, "total").namespace(total)
        return xp.reshape(total, ()), {name: parts[name] for name in active}

    def __repr__(self) -> str:
        return f"CompositeLoss({self.components!r}, weights={self._weights!r})"

    def _named(self, weights: Any) -> dict[str, Any]:
        given = getattr(weights, "weights", weights)
        if not isinstance(given, Mapping):
            raise TypeError(f"weights must map names to numbers, got {type(weights).__name__}")
        for name in given:
            if name not in self.components:
                raise ValueError(f"component {suggest(str(name), self.components)}")
        return dict(given)

    def active(self, weights: Any = None) -> dict[str, Any]:
        """The weights that are not 0, these in place of those that were set."""
        now = self._weights if weights is None else {**self._weights, **self._named(weights)}
        active = {name: weight for name, weight in now.items() if not isinstance(weight, Real) or weight != 0}
        if not active:
            raise ValueError(f"every weight is 0, of {', '.join(now)}: nothing is left to compute")
        return active

    def seen(
        self, prediction: Array, target: Any, active: Mapping[str, Any], mask: Array | None = None
    ) -> dict[str, Seen]:
        """What each active component compares: the same arrays where components see the same frames."""
        targets = targets_of(target, list(active), self.components, "component")
        if mask is not None:
            self._check_masks()
        cut: list[tuple[Any, Any, Any]] = []

        def part(component: Component, x: Any, name: str) -> Any:
            key = name, repr((component.frames, component.time_axis))
            for other, whole, found in cut:
                if whole is x and other == key:
                    return found
            found = component.seen_of_mask(x, prediction) if name == "mask" else component.seen(x, name)
            cut.append((key, x, found))
            return found

        seen: dict[str, Seen] = {}
        for name in active:
            component = self.components[name]
            truth = part(component, targets[name], "target")
            given = {} if mask is None else {"mask": part(component, mask, "mask")}
            seen[name] = Seen(part(component, prediction, "prediction"), truth, component.options | given)
        return seen

    def groups(self, seen: Mapping[str, Seen]) -> list[Group]:
        """Components that are computed together, because they share transforms; others by themselves."""
        comparisons: dict[str, Comparison] = {}
        for name, (prediction, target, options) in seen.items():
            function = self.components[name].function
            if is_loss(function):
                comparisons[name] = comparison_of(function, prediction, target, options, f"component {name!r}: ")
        groups = [Group(names, [comparisons[name] for name in names]) for names in grouped(comparisons)]
        return groups + [Group([name], []) for name in seen if name not in comparisons]

    def _check_masks(self) -> None:
        """Refuse a mask where a component would not know what to do with it, before its weight is what tells."""
        for name, component in self.components.items():
            if not component.takes_mask:
                raise TypeError(f"mask: component {name!r} takes none, got one for {component!r}")
            if component.options.get("mask") is not None:
                raise TypeError(f"mask: component {name!r} has one of its own, got another in the call")

    def _apart(self, group: Group, seen: Mapping[str, Seen]) -> dict[str, Array]:
        """The values of a group, to be weighted by arrays, or of a component that is no loss of this library."""
        if group.problem is not None:
            values = group.backend.values(group.problem, group.arrays)
            return dict(zip(group.names, values, strict=True))
        (name,) = group.names
        prediction, target, options = seen[name]
        part = self.components[name].function(prediction, target, **options)
        shape = getattr(part, "shape", None)
        if shape is None:
            raise TypeError(f"component {name!r} must return a 0-d array, got {type(part).__name__}")
        if tuple(shape) != ():
            raise ValueError(f"component {name!r} must return a 0-d array, got shape {tuple(shape)}")
        return {name: part}


class Group:
    """Components that share transforms, with the problem that they make together; None for a foreign callable."""

    def __init__(self, names: list[str], comparisons: list[Comparison]) -> None:
        self.names, self.comparisons = names, comparisons
        self.problem: Any = None
        self.arrays: Any = None
        if comparisons:
            self.problem, self.arrays = prepared(comparisons)

    @property
    def backend(self) -> Any:
        """Of the fields."""
        return self.comparisons[0].backend


def _of_component(name: str, make: Callable[[Any], Any], given: Any) -> Any:
    """What is made of one component; an error says whose it is."""
    try:
        return make(given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"component {name!r}: {error}") from None


def _as_slice(frames: Any) -> slice | None:
    if frames is None or isinstance(frames, slice):
        if frames is not None and frames.step is not None and frames.step < 1:
            raise ValueError(f"frames must go forward, got a step of {frames.step}")
        return frames
    try:
        if isinstance(frames, bool):
            raise TypeError
        frame = index(frames)
    except TypeError:
        raise TypeError(f"frames must be a slice, an int or None, got {frames!r}") from None
    return slice(frame, None if frame == -1 else frame + 1)


def _takes_mask(function: Any) -> bool:
    if is_loss(function):
        return "mask" in options_of(function)
    try:  # a module of PyTorch is called by way of *args, and says in its forward what they are
        return "mask" in inspect.signature(getattr(function, "forward", function)).parameters
    except (TypeError, ValueError):  # some functions that are written in C have none
        return False


def _table(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{what} must be a table by name, got {type(value).__name__}")
    return value


def _frames_of(frames: Any) -> Any:
    """Frames from plain data."""
    known = ("start", "stop", "step")
    if not isinstance(frames, Mapping):
        if isinstance(frames, str | list | tuple):
            raise TypeError(f"frames must be an int or a table of {', '.join(known)}, got {frames!r}")
        return frames
    for key, value in frames.items():
        if key not in known:
            raise ValueError(f"frames: {suggest(str(key), known)}")
        if value is not None:
            integer(f"frames: {key}", value)
    return slice(*(frames.get(key) for key in known))


def refuse_options(options: Mapping[str, Any]) -> None:
    """Options of losses belong to components."""
    for option in options:
        raise TypeError(f"option {option!r} belongs to a component: Component(loss, {option}=...)")


def _checked(name: str, weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, Real):
        raise TypeError(f"weight {name!r} must be a number, got {weight!r}")
    value = number(f"weight {name!r}", weight)
    if not math.isfinite(value):
        raise ValueError(f"weight {name!r} must be finite, got {weight}")
    return value


def like(weight: Any, part: Array, name: str) -> Any:
    """A weight that does not change the part's dtype."""
    if isinstance(weight, Real):
        return _checked(name, weight)
    if tuple(getattr(weight, "shape", (None,))) != ():
        raise TypeError(f"weight {name!r} must be a number or a 0-d array, got {weight!r}")
    backend = backend_of(part, name)
    if backend_of(weight, f"weight {name!r}") is not backend:
        return float(weight)
    return weight if weight.dtype == part.dtype else backend.namespace(part).astype(weight, part.dtype)
