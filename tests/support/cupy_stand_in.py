"""CuPy as far as this library uses it, with NumPy underneath: two devices, and arrays that do not mix or come over.

A test process that installs it (`install`) runs the code that a GPU would run. What it keeps of CuPy: arrays of its own
class, without `__array_namespace__`, made on the current device; functions that refuse NumPy's arrays and those of two
devices; no conversion to NumPy but by `asnumpy`.
"""

from __future__ import annotations

import sys
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np

current = [0]
uploads = [0]


class Device:
    """``cupy.cuda.Device``."""

    def __init__(self, number: Any = None) -> None:
        self.id = number.id if isinstance(number, Device) else current[-1] if number is None else number

    def __enter__(self) -> Device:
        current.append(self.id)
        return self

    def __exit__(self, *error: object) -> None:
        current.pop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return f"<CUDA Device {self.id}>"


class ndarray(np.ndarray):
    """``cupy.ndarray``."""

    number = 0

    def __array_finalize__(self, parent: Any) -> None:
        self.number = getattr(parent, "number", current[-1])

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call(getattr(ufunc, method), *inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} was called with an array of CuPy")

    @property
    def device(self) -> Any:
        """Where it lives."""
        return Device(self.number)

    @property
    def __array_namespace__(self) -> Any:
        """None, unlike the arrays of NumPy underneath."""
        raise AttributeError


ndarray.__module__ = "cupy"


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Run one of NumPy's functions on the arrays inside, and lift what comes out."""
    devices: set[int] = set()

    def inside(x: Any) -> Any:
        if isinstance(x, ndarray):
            devices.add(x.number)
            return x.view(np.ndarray)
        if isinstance(x, np.ndarray) and x.ndim:
            raise TypeError(f"unsupported type {type(x)}")
        return type(x)(inside(each) for each in x) if isinstance(x, list | tuple) else x

    args, kwargs = tuple(inside(x) for x in args), {name: inside(x) for name, x in kwargs.items()}
    if len(devices) > 1:
        raise ValueError(f"arrays of the devices {sorted(devices)}")
    return lifted(function(*args, **kwargs), devices.pop() if devices else current[-1])


def lifted(x: Any, number: int) -> Any:
    """NumPy's arrays and scalars as arrays of CuPy: there are no scalars there."""
    if isinstance(x, np.ndarray | np.generic):
        result = np.asarray(x).view(ndarray)
        result.number = number
        return result
    return type(x)(lifted(each, number) for each in x) if isinstance(x, list | tuple) else x


def asarray(x: Any, dtype: Any = None, **kwargs: Any) -> Any:
    """To the current device."""
    if isinstance(x, ndarray):
        return call(np.asarray, x, dtype)
    uploads[0] += 1
    return lifted(np.array(x, dtype=dtype), current[-1])


def asnumpy(x: Any) -> Any:
    """The way back."""
    return np.array(x.view(np.ndarray))


def install() -> Any:
    """Put it where ``import cupy`` finds it."""
    modules = {name: ModuleType(name) for name in ("cupy", "cupy.fft", "cupy.linalg", "cupy.cuda", "cupy.cuda.device")}
    for name, source in (("cupy", np), ("cupy.fft", np.fft), ("cupy.linalg", np.linalg)):
        for key in dir(source):
            value = getattr(source, key)
            if key.startswith("_") or isinstance(value, ModuleType):
                continue
            plain = isinstance(value, type) or not callable(value)
            setattr(modules[name], key, value if plain else wrapped(value))
    cupy = modules["cupy"]
    for name, part in modules.items():
        if name.count(".") == 1:
            setattr(cupy, name.split(".")[1], part)
    modules["cupy.cuda"].Device = modules["cupy.cuda.device"].Device = Device  # type: ignore[attr-defined]
    modules["cupy.linalg"].annotations = None  # type: ignore[attr-defined]
    for name, value in {"ndarray": ndarray, "asarray": asarray, "array": asarray, "asnumpy": asnumpy}.items():
        setattr(cupy, name, value)
    sys.modules.update(modules)
    return cupy


def wrapped(function: Any) -> Any:
    """A function of NumPy on arrays of CuPy."""

    @wraps(function)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return call(function, *args, **kwargs)

    return inner
