"""An array in another order, read piece by piece, and units however they are written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral_losses.io.alignment import align
from spectral_losses.io.coordinates import Coordinate
from spectral_losses.io.errors import FieldFileError
from spectral_losses.io.stored import StoredArray
from spectral_losses.io.units import canonical, seconds


@given(st.data(), st.permutations(range(7)), st.integers(0, 2))
def test_pieces_of_an_array_in_another_order(data, order, axis):
    shape = [3, 4, 5]
    shape[axis] = 7
    x = np.random.default_rng(0).standard_normal(shape)
    read = []

    def load(index):
        read.append(x[index].size)
        return x[index]

    index = []
    for n in shape:
        start = data.draw(st.integers(0, n - 1))
        index.append(slice(start, data.draw(st.integers(start + 1, n))))
    stored = StoredArray("x", tuple(shape), x.dtype, load).taken(axis, order)
    found = stored.read(tuple(index))
    np.testing.assert_array_equal(found, np.take(x, order, axis)[tuple(index)])
    assert sum(read) == found.size  # nothing beside


@pytest.mark.parametrize(
    ("order", "pieces"),
    [
        (range(8), 1),
        (range(7, -1, -1), 1),
        ([*range(3, 8), *range(3)], 1),
        ([1, 0, 3, 2, 5, 4, 7, 6], 1),
        ([7, 0, 1], 2),
        ([6, 0, 6, 2], 3),
    ],
)
def test_neighbours_are_read_together(order, pieces):
    x, read = np.arange(8.0), []
    stored = StoredArray("x", (8,), x.dtype, lambda index: read.append(index) or x[index]).taken(0, list(order))
    np.testing.assert_array_equal(stored.read((slice(0, 8),)), x[list(order)])
    assert len(read) == pieces


@pytest.mark.parametrize(
    ("chunk", "places", "pieces"),
    [
        (4, [0, 2], [(0, 3)]),
        (4, [0, 2, 5, 7], [(0, 3), (5, 8)]),
        (4, [3, 4], [(3, 5)]),
        (4, [0, 3, 4, 7], [(0, 4), (4, 8)]),
        (3, [7, 6, 2, 1, 0], [(0, 3), (6, 8)]),
        (1, [0, 1, 2, 5, 6], [(0, 3), (5, 7)]),
        (8, [7, 0], [(0, 8)]),
    ],
)
def test_a_chunk_is_read_once(chunk, places, pieces):
    x, read = np.arange(8.0), []
    stored = StoredArray("x", (8,), x.dtype, lambda index: read.append(index[0]) or x[index], chunks=(chunk,))
    np.testing.assert_array_equal(stored.taken(0, places).read((slice(0, len(places)),)), x[places])
    assert [(each.start, each.stop) for each in read] == pieces


@pytest.mark.parametrize(
    "alike",
    [
        ("m s-1", "m s**-1", "m s^-1", "m/s", "s-1 m", "m.s-1", " m  s-1", "metre second-1"),
        ("kg m-2 s-1", "kg/m^2/s", "kg m**-2 s**-1"),
        ("1", "", "kg kg-1", "kg/kg", "dimensionless"),
        ("degrees_north", "degree_north", "degrees_N", "degreeN", "Degrees_North"),
        ("hPa", "mb", "millibars"),
        ("K", "kelvin", "Kelvin"),
        ("m2 s-2", "m**2 s**-2", "m^2/s^2"),
    ],
)
def test_units_however_they_are_written(alike):
    assert len({canonical(each) for each in alike}) == 1


@pytest.mark.parametrize(
    "different",
    [
        ("m s-1", "m s", "m", "s-1", "knots", "km s-1", "m2 s-1"),
        ("K", "degC", "degF", "k"),
        ("Pa", "hPa", "PA"),
        ("(0 - 1)", "%", "1", "1e-3", "10^-3"),
        ("degrees_north", "degrees_east", "degrees"),
    ],
)
def test_other_units(different):
    assert len({canonical(each) for each in different}) == len(different)


def test_units_of_time():
    assert [seconds(each) for each in ("days", "h", " Minutes ", "s", "ns", "hPa", "")] == [
        86400,
        3600,
        60,
        1,
        1e-9,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("values", "labels", "plain"),
    [
        ([1000.0, 0.995, np.nan], ["1000", "0.995", "nan"], [1000, 0.995, None]),
        (np.float32([0.1, 1e-9]), ["0.1", "1e-09"], [pytest.approx(0.1), pytest.approx(1e-9)]),
        ([1, 2], ["1", "2"], [1, 2]),
        (["u", "v"], ["u", "v"], ["u", "v"]),
        (np.array(["2020-01-01T00", "2020-01-01T06:30"], "datetime64[ns]"), ["2020-01-01", "2020-01-01T06:30"], None),
        (np.array(["2020-01-01T00:00:30"], "datetime64[s]"), ["2020-01-01T00:00:30"], None),
    ],
)
def test_positions_in_words(values, labels, plain):
    coordinate = Coordinate("x", np.asarray(values))
    assert [coordinate.label(i) for i in range(len(labels))] == labels
    assert [coordinate.plain(i) for i in range(len(labels))] == (plain or labels)


def levels(values: list[float]) -> StoredArray:
    """An array along a dimension with positions, as a file of single precision would have them."""
    there = np.asarray(values)
    rounding = float(np.abs(there).max() * np.finfo(np.float32).eps)
    position = Coordinate("level", there, rounding=rounding)
    return StoredArray(
        "x", there.shape, np.dtype("f4"), lambda index: there[index], ("level",), None, {"level": position}
    )


@pytest.mark.parametrize(
    ("values", "others"),
    [
        ([500.0, 850.0], [501.0, 850.0]),  # a hundredth of the step is 3.5
        ([500, 850], [503, 850]),
        ([0.0, 10.0, 20.0], [0.0, 10.05, 20.0]),
    ],
)
def test_a_coarse_step_lets_no_other_position_pass(values: list[float], others: list[float]) -> None:
    with pytest.raises(FieldFileError, match="level differs"):
        align(levels(others), levels(values))
    rounded = [1.000002 * value for value in values]
    assert align(levels(rounded), levels(values)).moved == ()


def test_sizes_that_differ_are_said_with_the_positions_where_files_have_them() -> None:
    with pytest.raises(FieldFileError, match=r"\(2,\) in x, \(3,\) in x; level: 500 to 850, and 200 to 850 \(--sel"):
        align(levels([500, 850]), levels([200, 500, 850]))
    without = replace(levels([500, 850]), coordinates={})
    with pytest.raises(FieldFileError, match=r"the shapes differ: \(2,\) in x, \(3,\) in x$"):
        align(without, levels([200, 500, 850]))
