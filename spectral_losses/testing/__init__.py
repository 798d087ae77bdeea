"""For users who test their own code: hypothesis strategies, float64 references, a conformance check, state machines.

Needs hypothesis (``pip install hypothesis``); what concerns schedulers and controllers needs nothing else, not even
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

A controller has a `ControllerMachine`, a balancer a `BalancerMachine`.
"""

from typing import TYPE_CHECKING

from spectral_losses._lazy import lazily

if TYPE_CHECKING:
    from spectral_losses.testing.arrays import *  # noqa: F403
    from spectral_losses.testing.balancing import *  # noqa: F403
    from spectral_losses.testing.controlling import *  # noqa: F403
    from spectral_losses.testing.machine import *  # noqa: F403
    from spectral_losses.testing.naive import *  # noqa: F403
    from spectral_losses.testing.scheduling import *  # noqa: F403

_HOMES = {
    "BalancerMachine": "balancing",
    "ControllerMachine": "controlling",
    "NaiveBalancer": "balancing",
    "NaiveController": "controlling",
    "NaiveScheduler": "naive",
    "SchedulerMachine": "machine",
    "balancer_configs": "balancing",
    "constraint_configs": "controlling",
    "controller_configs": "controlling",
    "influence_values": "balancing",
    "metric_streams": "scheduling",
    "metric_values": "scheduling",
    "scheduler_chains": "scheduling",
    "scheduler_configs": "scheduling",
}

__getattr__, __dir__ = lazily(__name__, _HOMES, "arrays")
