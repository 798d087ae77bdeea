"""A loss of one pair of fields: checked at the door and planned; then data only goes down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from spectral_losses.fields.filling import blank
from spectral_losses.fields.masks import apply_mask, centre, check_mask, from_a_value
from spectral_losses.fields.pairs import check_field, check_pair, check_same_home, lift
from spectral_losses.messages import suggest
from spectral_losses.spectra.plan import Plan, by_area, mask_of, plan_of, points, shells
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.plane import Plane
from spectral_losses.transforms.sphere import AreaWeights, Harmonics
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.problem import Arrays, Objective, Problem, Term, problem_of
from spectral_losses_backends.ranks import pooled_target
from spectral_losses_backends.registry import backend_of


class Comparison(NamedTuple):
    """A prediction and its target, checked, and the objective that is to be evaluated on them."""

    backend: Backend
    plan: Plan
    objective: Any
    prediction: Array
    target: Array | None
    target_power: Array | None = None
    """The target's power over shells, as its rows are laid out, where a `Spectrum` stands for it."""
    mask: Array | None = None
    centred: bool = False
    filled: bool = False
    """Whether something stands in masked points; else the mask weighs all of them."""

    def value(self) -> Array:
        """The loss; differentiable."""
        problem, arrays = prepared([self])
        return self.backend.values(problem, arrays)[0]


def over_spectra(
    prediction: Array,
    target: Array | Spectrum,
    options: Mapping[str, Any],
    objective: Callable[[Plan], Objective],
    *,
    coupled: bool = False,
    over: Callable[..., Any] = shells,
    settings: tuple[Any, ...] = (),
) -> Comparison:
    """Compare spectra: an objective over the statistics of shells, or of what else a basis has for bins.

    Parameters
    ----------
    prediction, target
        As users gave them.
    options
        Those of `LossOptions`.
    objective : callable
        From the plan, whose ``shell_weights`` it may hold, to the objective.
    coupled : bool
        Whether a row is a whole batch element rather than one frame of one channel.
    over, settings
        What makes the basis, see `plan_of`.
    """
    stored = isinstance(target, Spectrum)
    backend = check_field(prediction, "prediction") if stored else check_pair(prediction, target)
    plan = plan_of(prediction, "prediction", options, backend, coupled=coupled, over=over, settings=settings)
    of, mask = objective(plan), mask_of(prediction, options, plan, backend)
    if not stored:
        return Comparison(backend, plan, of, prediction, target, None, mask, filled=mask is not None)
    power = _stored(prediction, target, plan, of, mask, backend)
    return Comparison(backend, plan, of, prediction, None, power, mask, filled=mask is not None)


def over_points(
    prediction: Array,
    target: Array,
    options: Mapping[str, Any],
    objective: Objective,
    *,
    mask: Array | None = None,
    centred: bool = False,
) -> Comparison:
    """Compare point by point: an objective over means in space, weighted by a mask, or over the fields themselves.

    Fields that are ``centred`` are compared without their means.
    """
    if isinstance(target, Spectrum):
        raise TypeError(f"target must be a field, got a Spectrum: {type(objective).__name__} compares point by point")
    backend = check_pair(prediction, target)
    plan = plan_of(prediction, "prediction", options, backend, over=points)
    if mask is not None:
        mask = check_mask(mask, prediction, plan.layout, backend)
    grid = options.get("grid")
    if grid is not None:
        mask = by_area(mask, AreaWeights(grid.grid, plan.layout.shape), prediction, backend)
    return Comparison(backend, plan, objective, prediction, target, None, mask, centred)


def refuse_shell_weights(options: Mapping[str, Any]) -> None:
    """Refuse weights of shells, for a loss that is not a mean over them."""
    if options.get("shell_weights") is not None:
        raise ValueError(f"shell_weights are for means over shells, got {options['shell_weights']!r}")


def prepared(comparisons: Sequence[Comparison]) -> tuple[Problem, Arrays]:
    """What a backend evaluates for comparisons that share their fields and transforms, see `grouped`."""
    first = comparisons[0]
    plan, backend = first.plan, first.backend
    differenced = plan.conditioning is not None or first.mask is not None or first.centred
    ranks, shape = backend.ranks(), tuple(first.prediction.shape)
    terms = tuple([Term(c.objective, c.plan.layout.over_ranks(ranks, shape)) for c in comparisons])
    problem = problem_of(plan.basis, terms, differenced)
    if problem.kind == "fields" and problem.rows.shared:
        raise TypeError(f"over_ranks: {type(first.objective).__name__} compares the fields themselves, and pools them")
    x = plan.layout.arrange(first.prediction, backend)
    y = None if first.target is None else plan.layout.arrange(first.target, backend)
    if problem.kind != "power":
        x, y = _one_dtype(x, y, backend)
        if first.filled:  # or a difference of what does not count might warn
            x, y = (blank(z, first.mask, backend.namespace(z)) for z in (x, y))
        if first.centred:
            x, y = (from_a_value(z, first.mask, len(plan.basis.shape), backend) for z in (x, y))
        if differenced:  # the error is conditioned by itself, which keeps its digits
            x = x - y
    if differenced:
        x = _conditioned(x, first)  # one after the other, so that each lets go of what it was made of
        y = None if y is None else _conditioned(y, first)
    lead = tuple(x.shape[: len(x.shape) - len(plan.basis.shape)])
    powers = tuple([pooled_target(c.target_power, lead, problem.rows, backend) for c in comparisons])
    return problem, Arrays(x, y, powers)


def restored(gradient: Array, comparison: Comparison) -> Array:
    """A gradient with respect to what `prepared` made of a prediction as one of the prediction."""
    plan, backend = comparison.plan, comparison.backend
    if comparison.centred:
        gradient = centre(gradient, comparison.mask, len(plan.basis.shape), backend)
    if comparison.mask is not None and not comparison.filled:
        gradient = apply_mask(gradient, comparison.mask, len(plan.basis.shape), backend.namespace(gradient))
    return plan.restore(gradient, backend, comparison.mask if comparison.filled else None)


def targets_of(target: Any, names: Collection[str], known: Collection[str], kind: str) -> dict[str, Any]:
    """The target of each name: the same for all, or what a mapping has for it."""
    if not isinstance(target, Mapping):
        return dict.fromkeys(names, target)
    for name in target:
        if name not in known:
            raise ValueError(f"target: {kind} {suggest(str(name), known)}")
    for name in names:
        if name not in target:
            raise ValueError(f"target: {kind} {name!r} is missing, got {', '.join(map(str, target)) or 'none'}")
    return {name: target[name] for name in names}


def detached(target: Any, name: str = "target") -> Any:
    """A target, or a mapping of such, without its gradient; arrays that are the same stay the same."""
    if isinstance(target, Spectrum):
        return target
    if not isinstance(target, Mapping):
        return backend_of(target, name).detach(target)
    each = {id(x): detached(x, name) for x in target.values()}
    return {key: each[id(x)] for key, x in target.items()}


def grouped(comparisons: Mapping[str, Comparison]) -> list[list[str]]:
    """The names of comparisons that are of the same arrays and the same transform."""
    groups: dict[Any, list[list[str]]] = {}
    for name, c in comparisons.items():
        fields = "X" in c.objective.needs
        plan = c.plan
        transform = plan.basis, plan.layout.order, plan.layout.averaged, plan.conditioning, plan.fill
        pooled = plan.layout.pooled if c.backend.ranks() else ()  # of which ranks send their sums
        key = (fields, *transform, c.centred, c.filled, pooled)
        alike = groups.setdefault(key, [])
        for names in alike:
            # Not by id, on which torch.compile would compile anew for each batch.
            other = comparisons[names[0]]
            if other.prediction is c.prediction and other.target is c.target and other.mask is c.mask:
                names.append(name)
                break
        else:
            alike.append([name])
    return [names for alike in groups.values() for names in alike]


def _conditioned(x: Array, comparison: Comparison) -> Array:
    plan, backend = comparison.plan, comparison.backend
    ndim = len(plan.basis.shape)
    if comparison.filled:
        x = plan.filled(x, comparison.mask, backend)
    elif comparison.mask is not None:
        x = apply_mask(x, comparison.mask, ndim, backend.namespace(x))
    if comparison.centred:
        x = centre(x, comparison.mask, ndim, backend)
    return plan.condition(x, backend)


def _one_dtype(x: Array, y: Array, backend: Backend) -> tuple[Array, Array]:
    if x.dtype == y.dtype:
        return x, y
    xp = backend.namespace(x)
    dtype = xp.result_type(x, y)
    return xp.astype(x, dtype, copy=False), xp.astype(y, dtype, copy=False)


def _stored(
    prediction: Array, target: Spectrum, plan: Plan, objective: Objective, mask: Array | None, backend: Backend
) -> Array:
    """The power of a spectrum that stands for the target, its rows in the order of the plan."""
    beyond = set(objective.needs) - {"P", "T"}
    by_shell = objective.over == "shells" and isinstance(plan.basis, Plane | Harmonics)
    if beyond or not by_shell or (objective.floor is not None and objective.relative_to != "bins"):
        raise TypeError(
            f"target must be a field, got a Spectrum: {type(objective).__name__} needs more than powers over shells"
        )
    check_same_home("prediction", prediction, "target", target.power)
    if target.power.dtype != prediction.dtype:
        check_field(target.power, "target")
    layout, xp = plan.layout, backend.namespace(target.power)
    bins = backend.known(plan.basis, "reported")
    ndim = len(prediction.shape)
    axes = layout.order or tuple(range(ndim))
    lead = axes[: ndim - len(layout.shape) - layout.averaged]
    merged = {i % len(lead) for i in layout.rows.averaged + layout.rows.summed} if lead else set()
    kept = sorted(axis for place, axis in enumerate(lead) if place not in merged)
    expected = (*(prediction.shape[axis] for axis in kept), *bins)
    if target.layout != plan.recorded(mask):
        raise ValueError(
            "target: this spectrum was computed on another grid or with other options: "
            f"{target.layout}, while the prediction's are {plan.recorded(mask)}"
        )
    if tuple(target.power.shape) != expected:
        raise ValueError(
            f"target: this spectrum's power has shape {tuple(target.power.shape)}, the prediction's has {expected}"
        )
    power = plan.summed(lift(target.power, xp), backend)
    return power if not layout.moved else xp.moveaxis(power, layout.moved, 0)
