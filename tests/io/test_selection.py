"""Positions along an axis by value and by index, against brute force; and text that is neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectral_losses.io import Coordinate, StoredArray, select, select_places
from spectral_losses.io.forecasts import at_valid_times


def stored(x: Any, **coordinates: Coordinate) -> StoredArray:
    x = np.asarray(x, np.float64)
    return StoredArray("a", x.shape, x.dtype, lambda index: x[index], tuple(coordinates), None, coordinates)


def along(name: str, values: Any, **options: Any) -> StoredArray:
    """The array whose values are the places along its only axis."""
    return stored(np.arange(len(values)), **{name: Coordinate(name, np.asarray(values), **options)})


def places(array: StoredArray | None) -> Any:
    assert array is not None
    return array.read(tuple(slice(0, n) for n in array.shape)).astype(int).tolist()


NUMBERS = st.integers(-50, 50)


@given(st.lists(NUMBERS, min_size=1, max_size=12, unique=True), NUMBERS, NUMBERS)
def test_a_range_has_both_its_ends(values, first, last):
    array, low, high = along("y", values), min(first, last), max(first, last)
    expected = [i for i, value in enumerate(values) if low <= value <= high]
    if expected:
        assert places(select(array, "y", f"{first}:{last}")) == expected
    else:
        with pytest.raises(ValueError, match="a has nothing there; y "):
            select(array, "y", f"{first}:{last}")
    below = [i for i, value in enumerate(values) if value <= last]
    if below:
        assert places(select(array, "y", f":{last}")) == below


@given(st.integers(3, 24), st.integers(-400, 400), st.integers(-400, 400), st.integers(0, 359), st.booleans())
def test_longitudes_are_on_the_circle(number, first, last, start, westward):
    step = 360 / number
    values = start + step * np.arange(number)
    values = values[::-1] if westward else values
    # By steps from the first end, so that ends are at positions or well between.
    begin, reach = first * step / 2 + start, (last - first) % (2 * number) * step / 2
    array = along("lon", values, rounding=1e-4)
    away = (values - begin + 1e-3) % 360 - 1e-3
    expected = sorted(np.flatnonzero(away <= reach + 1e-3), key=lambda i: away[i])
    expected = expected[::-1] if westward else expected
    text = f"{begin!r}:{begin + reach!r}"
    if not expected:
        with pytest.raises(ValueError, match="nothing there"):
            select(array, "longitude", text)
        return
    found = select(array, "longitude", text)
    assert places(found) == expected
    longitudes = found.coordinates["lon"].numbers()
    np.testing.assert_allclose(longitudes % 360, values[expected] % 360, atol=1e-6)
    np.testing.assert_allclose(np.diff(longitudes), -step if westward else step, atol=1e-6)
    assert longitudes.min() == pytest.approx(begin + away[expected].min(), abs=1e-3)


@given(st.text(max_size=20), st.sampled_from(["time", "level", "name", "longitude"]))
def test_any_other_text_is_refused(text, name):
    times = np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(6, "h")
    array = stored(
        np.zeros((4, 3, 2, 4)),
        time=Coordinate("time", times, rounding=1.0),
        level=Coordinate("level", np.array([1000.0, 850.0, 500.0]), "hPa"),
        name=Coordinate("name", np.array(["u", "v"])),
        longitude=Coordinate("longitude", np.arange(0, 360, 90.0)),
    )
    for by in (select, select_places):
        try:
            found = by(array, name, text)
        except ValueError:
            continue
        assert found is not None
        assert set(found.coordinates) == set(array.coordinates)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020", [0, 1, 2, 3, 4]),
        ("2020-01-01", [0, 1]),
        ("2020-01-01T12", 1),
        ("2020-01-01 12:00", 1),
        ("2020-01-01T12:00:00Z", 1),
        ("2020-01-01T12:00:00:2020-01-02", [1, 2, 3]),
        ("2020-01-02:", [2, 3, 4]),
        (":2020-01-01T12:00", [0, 1]),
        ("2020-01-03,2020-01-01", [4, 0, 1]),
    ],
)
@pytest.mark.parametrize("away", [0.0, 0.4, -0.4])
def test_dates(text, expected, away):
    times = np.datetime64("2020-01-01", "ms") + np.arange(5) * np.timedelta64(12, "h")
    times = times + np.timedelta64(int(away * 1000), "ms")  # what rounding of days in floats may leave
    assert places(select(along("time", times, rounding=1.0), "time", text)) == expected


@pytest.mark.parametrize(
    ("units", "text", "expected"),
    [
        ("hours", "6", 1),
        ("hours", "6h", 1),
        ("hours", "0.25 days", 1),
        ("days", "6d", 1),
        ("ns", "21600s:", None),
        ("hPa", "6mb", 1),
        ("hPa", "6h", None),
        ("m", "6 km", None),
        (None, "6h", None),
        (None, "6", 1),
    ],
)
def test_units_of_positions(units, text, expected):
    array = along("step", [0.0, 6.0, 12.0], units=units)
    if expected is None:
        with pytest.raises(ValueError, match=r"step is |nothing there"):
            select(array, "step", text)
    else:
        assert places(select(array, "step", text)) == expected


def test_nothing_near_is_taken():
    array = along("level", np.float32([1000, 0.1]), rounding=1000 * 2.0**-23)
    assert places(select(array, "level", "0.1")) == 1  # as float32 has it
    for text in ("999.9", "1001", "0.11"):
        with pytest.raises(ValueError, match=r"nothing there; level has 1000, 0\.1"):
            select(array, "level", text)


def test_what_is_meant_by_a_name():
    array = along("lat", [30.0, 60.0])
    assert places(select(array, "latitude", "60")) == 1
    assert select(array, "longitude", "60") is None
    assert select_places(array, "3", "0") is None
    assert places(select_places(array, "-1", "1")) == 1
    kept = select(array, "lat", "60", keep=True)
    assert kept is not None
    assert (kept.shape, kept.dims) == ((1,), ("lat",))


@given(st.data())
def test_valid_times(data):
    hours = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=20, unique=True))
    init = data.draw(st.lists(st.sampled_from(hours), min_size=1, max_size=4, unique=True))
    lead = data.draw(st.lists(st.integers(0, 20), min_size=1, max_size=4, unique=True))
    at = np.datetime64("2020-01-01", "s") + 3600 * np.asarray(hours).astype("timedelta64[s]")
    truth = along("time", at, rounding=1.0)
    start = np.datetime64("2020-01-01", "s") + 3600 * np.asarray(init).astype("timedelta64[s]")
    forecast = stored(
        np.zeros((len(init), len(lead))),
        init=Coordinate("init", start, rounding=1.0),
        lead=Coordinate("lead", np.asarray(lead), "hours"),
    )
    valid = [[i + j for j in lead] for i in init]
    if all(each in hours for row in valid for each in row):
        found = at_valid_times(truth, forecast, "init", "lead")
        assert places(found) == [[hours.index(each) for each in row] for row in valid]
        assert found.dims == ("init", "lead")
    else:
        with pytest.raises(ValueError, match=r"a lacks [0-9]+ of"):
            at_valid_times(truth, forecast, "init", "lead")
