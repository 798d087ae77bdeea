"""Associated Legendre functions of a grid of latitudes, packed for products of matrices order by order."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spectral_losses.transforms.quadrature import area_weights, colatitudes

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]

HIGHEST = 1900
"""Degree up to which the recursion starts from numbers that float64 can hold wherever a function is not negligible."""

BLOCKS = 8
"""Into how many blocks orders are cut at most: degrees below the first order of a block take no memory."""


class Block(NamedTuple):
    """Orders ``first <= m < last``, and the degrees that they are expanded in.

    Functions whose ``degree - order`` is even are symmetric about the equator, the others antisymmetric: with fields
    folded about it, both need half of the latitudes. A table of a block is ``(2 orders, rows, latitudes)``: the
    symmetric functions of each order, then the antisymmetric ones; row j of order m is of degree ``m + 2 j``, or
    one more.
    """

    first: int
    last: int
    rows: int

    def degrees(self) -> Integers:
        """The degree of each entry ``(rows, 2 orders)``; it may be above the highest one: such entries are 0."""
        odd = np.repeat((0, 1), self.last - self.first)
        found: Integers = self.orders() + odd + 2 * np.arange(self.rows)[:, None]
        return found

    def orders(self) -> Integers:
        """The order of each column, ``(2 orders,)``."""
        return np.tile(np.arange(self.first, self.last), 2)


def blocks_of(highest: int, orders: int) -> tuple[Block, ...]:
    """Blocks of so many orders, from 0 on, up to the highest degree."""
    width = max(8, math.ceil(orders / BLOCKS))
    starts = range(0, orders, width)
    return tuple([Block(m, min(m + width, orders), (highest - m) // 2 + 1) for m in starts])


@lru_cache(maxsize=4)
def analysis_tables(grid: str, number: int, highest: int, orders: int) -> tuple[Floats, ...]:
    """For each block what takes folded latitudes to coefficients, see `Block`.

    Each is a function of mean square 1 over the sphere, times the weight of the latitude in a mean over the sphere.
    Latitudes are those of the northern half from the pole on; the equator counts half, because folding adds it to
    itself.
    """
    angle, weights = _half(grid, number)
    return _packed(_by_degree(angle, highest, orders), weights, highest, orders)


@lru_cache(maxsize=2)
def wind_tables(grid: str, number: int, highest: int, orders: int) -> tuple[Floats, ...]:
    """For each block what takes folded winds to coefficients, likewise, with twice as many latitudes.

    First ``m P / cos(latitude)``, then the derivative of P along the latitude, which is antisymmetric where P is
    symmetric: what vector harmonics are made of. Divided by ``sqrt(l (l + 1))`` these are of mean square 1.
    """
    angle, weights = _half(grid, number)
    return _packed(_vectors_by_degree(angle, highest, orders), np.tile(weights, 2), highest, orders)


def _half(grid: str, number: int) -> tuple[Floats, Floats]:
    """Angles of the northern half, and the weights of latitudes that are folded onto it."""
    half = (number + 1) // 2
    weights = area_weights(grid, number)[:half].copy()
    if number % 2:
        weights[-1] /= 2
    return colatitudes(grid, number)[:half], weights


def _packed(each: Iterable[Floats], weights: Floats, highest: int, orders: int) -> tuple[Floats, ...]:
    """The tables of blocks, of the functions of each degree in turn."""
    blocks = blocks_of(highest, orders)
    tables = tuple([np.zeros((2 * (b.last - b.first), b.rows, len(weights))) for b in blocks])
    for degree, functions in enumerate(each):
        for block, table in zip(blocks, tables, strict=True):
            m = np.arange(block.first, min(block.last, degree + 1))
            odd = (degree - m) % 2
            table[odd * (block.last - block.first) + m - block.first, (degree - m) // 2] = functions[m] * weights
    return tables


def _vectors_by_degree(angle: Floats, highest: int, orders: int) -> Iterator[Floats]:
    """For each degree the functions of `wind_tables`, ``(orders up to the degree, 2 angles)``.

    Both are sums of functions of the orders beside: nothing is divided by a sine, which is 0 at a pole. A function of
    order -1 is that of order 1, times -1.
    """
    below = np.zeros((orders + 1, len(angle)))
    for degree, functions in enumerate(_by_degree(angle, highest, orders + 1)):
        m = np.arange(min(orders, degree + 1), dtype=np.float64)[:, None]
        number, norm = len(m), 2 * math.sqrt(degree * (degree + 1)) if degree else 1.0
        (before, after), (lower, upper) = (
            (np.concatenate((-f[1:2], f[: number - 1])), f[1 : number + 1]) for f in (functions, below)
        )
        slope = np.sqrt((degree - m) * (degree + m + 1)) * after - np.sqrt((degree + m) * (degree - m + 1)) * before
        ratio = np.sqrt((degree - m) * (degree - m - 1)) * upper + np.sqrt((degree + m) * (degree + m - 1)) * lower
        ratio *= math.sqrt((2 * degree + 1) / max(2 * degree - 1, 1))
        yield np.concatenate((ratio, slope), axis=1) / norm
        below = functions


def _by_degree(angle: Floats, highest: int, orders: int) -> Iterator[Floats]:
    """For each degree in turn the functions of all orders, ``(orders, angles)``, of mean square 1.

    Each is overwritten after the next one.

    The recursion in the degree at fixed order, which is stable because these functions are what grows. The first one of
    each order, ``sin(angle)^m`` times a number, is below the least float near a pole; there all degrees up to some
    e times that order are negligible.
    """
    x, sine = np.cos(angle), np.sin(angle)
    squares = np.arange(orders, dtype=np.float64)[:, None] ** 2
    previous, current, following = np.zeros((3, orders, len(angle)))
    current[0] = first = np.ones(len(angle))
    yield current
    for degree in range(1, highest + 1):
        low = slice(0, min(degree, orders))
        scale = np.sqrt((4 * degree**2 - 1) / (degree**2 - squares[low]))
        before = np.sqrt(((degree - 1) ** 2 - squares[low]) / (4 * (degree - 1) ** 2 - 1))
        np.multiply(current[low], x, out=following[low])
        previous[low] *= before
        following[low] -= previous[low]
        following[low] *= scale
        if degree < orders:
            first = math.sqrt((2 * degree + 1) / (2 * degree)) * sine * first
            following[degree] = first
        previous, current, following = current, following, previous
        yield current
