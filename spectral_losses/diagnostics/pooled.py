"""Losses of pooled statistics: of the means over a data set, without its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.losses.comparison import Comparison
from spectral_losses.losses.registry import comparison_of, named_loss, options_of
from spectral_losses.messages import check_options
from spectral_losses.spectra.plan import Plan, plan_of
from spectral_losses.spectra.spectrum import Spectrum
from spectral_losses.transforms.points import Points
from spectral_losses_backends.base import Backend
from spectral_losses_backends.problem import Arrays, Problem, Tables, Term, problem_of
from spectral_losses_backends.registry import backend_of


class Means(NamedTuple):
    """Statistics of fields, averaged over frames, and how they were computed."""

    options: Mapping[str, Any]
    """Those of `radial_spectrum`; what is pooled as a tuple of axes."""
    shape: tuple[int, ...]
    """Of the fields, with size 1 along what is pooled."""
    dtype: str
    """Of the fields, whose rounding is in the statistics."""
    tables: Mapping[str, NDArray[np.float64]]
    """P, T, D and Q, or P alone, ``(*rows, bins)``, over all bins."""

    def field(self, dtype: Any = np.float64) -> NDArray[Any]:
        """A field of such a shape, which takes no memory."""
        return np.broadcast_to(np.zeros((), dtype), self.shape)

    def room(self, statistics: tuple[str, ...]) -> tuple[int, ...]:
        """The shape of sums of these statistics."""
        plan, _ = self.plan()
        rows = [self.shape[axis] for axis in _lead(plan, len(self.shape))][: plan.layout.rows.elements]
        return (len(statistics), *rows, plan.basis.bins())

    def plan(self) -> tuple[Plan, Backend]:
        """How it was taken apart, for NumPy in float64."""
        field = self.field()
        backend = backend_of(field, "field")
        return plan_of(field, "field", self.options, backend), backend


def pooled_loss(name: str, means: Means, options: Mapping[str, Any], target: Spectrum | None = None) -> NDArray[Any]:
    """A loss as it would be of all fields at once with the same ``pool``, in the precision of the fields.

    Parameters
    ----------
    name : str
        Of the loss.
    means : Means
    options : mapping
        The loss's own.
    target : Spectrum, optional
        What stands for the target, where the means are of one side alone; NumPy arrays.

    Raises
    ------
    TypeError
        An option that the loss does not take, or that the means have already; a loss that takes more than these.
    ValueError
        An unknown loss; whatever the loss refuses.
    """
    function = named_loss(name)
    known = options_of(function)
    for option in options:
        if option in means.options:
            raise TypeError(f"{name}: option {option!r} is that of the statistics, {means.options[option]!r}")
    check_options(name, options, known - set(means.options))
    shared = {option: value for option, value in means.options.items() if option in known}
    field = means.field(means.dtype)
    comparison = comparison_of(function, field, field if target is None else target, {**shared, **options})
    tables = _tables(name, means, comparison)
    plan, backend, power = comparison.plan, comparison.backend, comparison.target_power
    power = None if power is None else power.astype(means.dtype)
    problem = problem_of(plan.basis, (Term(comparison.objective, plan.layout.rows),))
    floor = _floor(problem, tables, power, backend)
    (rows,), _ = backend.rows_and_slopes(problem, tables, (power,), (floor,))
    lead = tuple([means.shape[axis] for axis in _lead(plan, len(means.shape))])
    return np.asarray(plan.layout.rows.reduce(rows, lead, backend))


def _tables(name: str, means: Means, comparison: Comparison) -> Tables:
    """The statistics that a loss takes, laid out as its plan has them."""
    own, plan = means.plan()[0], comparison.plan
    summed = comparison.objective.over == "complete" and isinstance(plan.basis, Points)
    if summed:
        altered = [option for option in ("window", "detrend", "grid") if means.options[option] is not None]
        if comparison.mask is not None or comparison.centred or altered:
            why = ", ".join(altered) or ("a mask" if comparison.mask is not None else "centred fields")
            raise TypeError(f"{name} compares the fields point by point, of which sums over shells know nothing: {why}")
    elif plan.basis != own.basis:
        raise TypeError(f"{name} takes more than sums over shells: compute it of the fields")
    places = [_lead(own, len(means.shape)).index(axis) for axis in _lead(plan, len(means.shape))]
    tables = {}
    for statistic, table in means.tables.items():
        # What is pooled or summed lies behind the rows in a layout, and has size 1 now.
        merged = len(places) - (table.ndim - 1)
        table = table.reshape(*table.shape[:-1], *(1,) * merged, table.shape[-1])
        table = np.sum(table, axis=-1, keepdims=True) if summed else table
        tables[statistic] = np.transpose(table, (*places, len(places))).astype(means.dtype)
    return tables


def _lead(plan: Plan, ndim: int) -> tuple[int, ...]:
    """The axes of a field that are not space, in the order of a layout, but for channels over which it is averaged."""
    order = plan.layout.order or tuple(range(ndim))
    return order[: ndim - len(plan.layout.shape) - plan.layout.averaged]


def _floor(problem: Problem, tables: Tables, power: Any, backend: Backend) -> Any:
    """The guard, see `Backend.floors`: over all bins, T is the mean square in space."""
    ((objective, rows),) = problem.terms
    if objective.floor is not None and objective.relative_to == "space":
        return rows.floor(np.sum(tables["T"], axis=-1), objective.floor, backend)
    return backend.floors(problem, Arrays(None, None, (power,)), tables)[0]
