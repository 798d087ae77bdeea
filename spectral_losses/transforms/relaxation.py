"""The harmonic fill of masked points, nearly: Laplace's equation on coarser and coarser grids."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.transforms.quadrature import colatitudes
from spectral_losses_backends.base import Array, Backend
from spectral_losses_backends.text import plain

SWEEPS = 4
"""Averages over neighbours on each level, after which spectra are those of the harmonic fill to a few percent."""


@plain
class Relaxation(NamedTuple):
    """A solution on half as many points along each axis, and a few averages over neighbours in points to be filled.

    On a coarser grid a cell is valid where any point of it is, and holds the mean of these. All of it is linear in the
    valid points, with weights of at least 0.

    Attributes
    ----------
    shape : tuple of int
        The spatial sizes.
    grid : {"gauss", "equiangular", "cells"} or None
        The latitudes of a sphere; by default axes are periodic, and their spacings alike.
    latitudes : int
        How many of them the finest grid has.
    level : int
        How often the finest grid was halved.
    edges : bool
        Whether axes end, so that nothing lies beyond their first and last points.
    """

    shape: tuple[int, ...]
    grid: str | None = None
    latitudes: int = 0
    level: int = 0
    edges: bool = False

    @property
    def several(self) -> tuple[str, ...]:
        """The constants that are tuples of arrays."""
        return ("conductances",)

    def apply(self, backend: Backend, x: Array, valid: Array) -> Array:
        """Fill a field ``(..., *shape)``, which is 0 where it is not valid."""
        xp, axes = backend.namespace(x), [axis - len(self.shape) for axis, n in enumerate(self.shape) if n > 1]
        if not axes:
            return x
        total, number = x, xp.astype(valid, x.dtype)
        for axis in axes:
            total, number = (_pairs(z, axis, self.shape[axis], xp) for z in (total, number))
        some = number > 0
        coarser = self._replace(shape=tuple([(n + 1) // 2 for n in self.shape]), level=self.level + 1)
        coarse = coarser.apply(backend, total / xp.where(some, number, xp.ones_like(number)), some)
        for axis in axes:
            coarse = _twice(coarse, axis, self.shape[axis], xp)

        def average(filled: Array) -> Array:
            return xp.where(valid, x, self._around(filled, axes, backend))

        return backend.repeat(average, xp.where(valid, x, coarse), SWEEPS)

    def conductances(self) -> tuple[NDArray[Any], ...]:
        """What a cell takes of its neighbours along its latitude, of the one before and of the one behind it.

        Each is the length of the edge between two cells over the distance of their centres; the sum of four is 1. No
        edge leads across a pole.
        """
        angles = colatitudes(self.grid or "", self.latitudes)
        for _ in range(self.level):
            angles = np.concatenate([(angles[:-1:2] + angles[1::2]) / 2, angles[len(angles) - len(angles) % 2 :]])
        edges = np.concatenate([[0.0], (angles[:-1] + angles[1:]) / 2, [math.pi]])
        width = 2 * math.pi / self.shape[1]
        height, area = np.diff(edges), -np.diff(np.cos(edges))
        along = height**2 / (area * width)
        across = np.concatenate([[0.0], np.sin(edges[1:-1]) * width / np.diff(angles), [0.0]])
        whole = 2 * along + across[:-1] + across[1:]
        return tuple((each / whole)[:, None] for each in (along, across[:-1], across[1:]))

    def _around(self, x: Array, axes: list[int], backend: Backend) -> Array:
        """The mean of the neighbours of each point."""
        xp = backend.namespace(x)
        if self.grid is None:
            neighbours = [_beside(x, step, axis, self.edges, xp) for axis in axes for step in (1, -1)]
            return sum(neighbours) / (2 * len(axes))
        along, before, behind = backend.constant(self, "conductances", x)
        return (
            along * (xp.roll(x, 1, axis=-1) + xp.roll(x, -1, axis=-1))
            + before * xp.roll(x, 1, axis=-2)
            + behind * xp.roll(x, -1, axis=-2)
        )


def _beside(x: Array, step: int, axis: int, edges: bool, xp: Any) -> Array:
    """The neighbours on one side; a point at an edge is its own, so that no slope leads out."""
    if not edges:
        return xp.roll(x, step, axis=axis)

    def part(start: int | None, stop: int | None) -> Array:
        return x[(..., slice(start, stop), *(slice(None),) * (-axis - 1))]

    return xp.concat((part(0, 1), part(0, -1)) if step == 1 else (part(1, None), part(-1, None)), axis=axis)


def _pairs(x: Array, axis: int, n: int, xp: Any) -> Array:
    """Sums of neighbours along an axis of n points; the last one of an odd number stays by itself."""
    behind = (slice(None),) * (-axis - 1)
    first, second = x[(..., slice(0, None, 2), *behind)], x[(..., slice(1, None, 2), *behind)]
    if n % 2:
        second = xp.concat((second, xp.zeros_like(first[(..., slice(0, 1), *behind)])), axis=axis)
    return first + second


def _twice(x: Array, axis: int, n: int, xp: Any) -> Array:
    """Every value along an axis twice, up to n of them."""
    place = len(x.shape) + axis
    shape = (*x.shape[:place], n + n % 2, *x.shape[place + 1 :])
    doubled = xp.reshape(xp.stack((x, x), axis=place + 1), shape)
    return doubled[(..., slice(0, n), *(slice(None),) * (-axis - 1))]
