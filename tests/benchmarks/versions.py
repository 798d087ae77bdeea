"""Two versions of this library in one process, called in turn: ``python tests/benchmarks/versions.py CHECKOUT``.

CHECKOUT is a working tree of the other version, as ``git worktree add ../before TAG`` makes one. What is printed is the
time of this version over that of the other, so that below 1 this one is faster.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from timing import Timing, interleaved

PACKAGES = ("spectral_losses", "spectral_losses_backends")
SHAPES = ((24, 1, 64, 64), (24, 1, 256, 256), (8, 1, 512, 512), (2, 1, 64, 64, 64))
LOSSES = ("field_error", "spectrum_error")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=6.0, help="at most, for each function")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    args = parser.parse_args()
    other = load(args.checkout, "other::")
    here = load(Path(__file__).parents[2])
    print(f"{'':58} {'ms':>9} {'ratio':>7}")
    for name, function in rows():
        if args.only not in name:
            continue
        result = interleaved({"other": function(other), "here": function(here)}, args.rounds, args.seconds)
        before, now = result["other"], result["here"]
        if isinstance(before, Timing) and isinstance(now, Timing):
            print(f"{name:58} {1e3 * now.median:9.3f} {now.median / before.median:7.2f}", flush=True)
        else:
            print(f"{name:58} {before if not isinstance(before, Timing) else now}", flush=True)


def load(checkout: Path, prefix: str = "") -> Any:
    """The library of a checkout, with its PyTorch operators under names of their own."""
    import torch

    paths = [str(checkout), str(checkout / "backends")]
    sys.path[:0] = paths
    real = torch.library.custom_op

    def custom_op(name: str, *args: Any, **kwargs: Any) -> Any:
        return real(prefix.replace("::", "_") + name, *args, **kwargs)

    torch.library.custom_op = custom_op
    try:
        import spectral_losses as sl

        for name in dir(sl):  # names are loaded when they are first used
            getattr(sl, name)
        x, t = torch.ones(1, 1, 4, 4, requires_grad=True), torch.ones(1, 1, 4, 4)
        sl.spectrum_error(x, t).backward()
        sl.evaluate(np.ones((1, 4, 4)), np.ones((1, 4, 4)))
    finally:
        torch.library.custom_op = real
        for path in paths:
            sys.path.remove(path)
        for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
            del sys.modules[name]
    return sl


def rows() -> Iterator[tuple[str, Callable[[Any], Callable[[], object]]]]:
    """Names, and what makes of a library the function that is timed."""
    import torch

    for shape in SHAPES:
        axes = tuple(range(2 - len(shape), 0))
        size = "x".join(map(str, shape))
        rng = np.random.default_rng(0)
        p, t = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
        x, y = torch.tensor(p), torch.tensor(t)
        for loss in LOSSES:
            yield f"torch {loss} {size} value", _value(loss, x, y, axes)
            yield f"torch {loss} {size} forward and backward", _backward(loss, x, y, axes)
            yield f"numpy {loss} {size} value", _value(loss, p, t, axes)
            yield f"numpy {loss} {size} value_and_grad", _by_hand(loss, p, t, axes)
        yield f"torch stored spectrum {size} forward and backward", _stored(x, y, axes)
        yield (
            f"torch radial_spectrum {size}",
            lambda sl, y=y, axes=axes: lambda: sl.radial_spectrum(y, spatial_axes=axes),
        )


def _value(loss: str, x: Any, y: Any, axes: Any) -> Any:
    return lambda sl: lambda: getattr(sl, loss)(x, y, spatial_axes=axes)


def _by_hand(loss: str, x: Any, y: Any, axes: Any) -> Any:
    return lambda sl: (lambda both: lambda: both(x, y))(sl.value_and_grad(loss, spatial_axes=axes))


def _backward(loss: str, x: Any, y: Any, axes: Any) -> Any:
    import torch

    x = x.clone().requires_grad_()
    return lambda sl: lambda: torch.autograd.grad(getattr(sl, loss)(x, y, spatial_axes=axes), x)


def _stored(x: Any, y: Any, axes: Any) -> Any:
    import torch

    x = x.clone().requires_grad_()

    def of(sl: Any) -> Any:
        stored = sl.radial_spectrum(y, spatial_axes=axes)
        return lambda: torch.autograd.grad(sl.spectrum_error(x, stored, spatial_axes=axes), x)

    return of


if __name__ == "__main__":
    main()
