"""For users who test their own code: hypothesis strategies, float64 references, a conformance check, a state machine.

Needs hypothesis (``pip install 'spectral-losses[testing]'``); what concerns the scheduler needs nothing else, not even
NumPy. A third-party backend proves itself with::

    from spectral_losses.testing import check_backend

    def test_backend():
        check_backend(mylib.asarray, to_numpy=mylib.to_numpy)

and a scheduler that was subclassed with::

    from spectral_losses.testing import SchedulerMachine

    class MyMachine(SchedulerMachine):
        def make(self, config):
            return MyScheduler(config)

    TestMyScheduler = MyMachine.TestCase
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spectral_losses.testing.arrays import *  # noqa: F403
    from spectral_losses.testing.machine import *  # noqa: F403
    from spectral_losses.testing.scheduling import *  # noqa: F403

_HOMES = {
    "NaiveScheduler": "machine",
    "SchedulerMachine": "machine",
    "metric_streams": "scheduling",
    "metric_values": "scheduling",
    "scheduler_chains": "scheduling",
    "scheduler_configs": "scheduling",
}


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES.get(name, 'arrays')}")
    if name not in home.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(home, name)
    return value


def __dir__() -> list[str]:
    try:
        arrays = import_module(f"{__name__}.arrays").__all__
    except ModuleNotFoundError:  # without NumPy
        arrays = []
    return sorted({*globals(), *_HOMES, *arrays})
