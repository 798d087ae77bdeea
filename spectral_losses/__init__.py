"""Spectral losses, written once against the array API standard.

Every public name is loaded on first use, so that ``import spectral_losses`` imports no framework, not even
NumPy.

Examples
--------
>>> import numpy as np, spectral_losses as sl
>>> x = np.linspace(0, 2 * np.pi, 64, endpoint=False)
>>> target = np.sin(3 * x) + np.cos(5 * x[:, None])
>>> float(sl.field_error(1.1 * target, target)), sorted(sl.evaluate(1.1 * target, target))
(0.0099..., ['field_error', 'spectrum_error'])
"""

from typing import TYPE_CHECKING

from spectral_losses._lazy import lazily

if TYPE_CHECKING:
    from spectral_losses.balance import Balancer as Balancer
    from spectral_losses.balance import influences as influences
    from spectral_losses.composite import Component as Component
    from spectral_losses.composite import CompositeLoss as CompositeLoss
    from spectral_losses.configs import load_config as load_config
    from spectral_losses.controller import ConstraintConfig as ConstraintConfig
    from spectral_losses.controller import ControllerConfig as ControllerConfig
    from spectral_losses.controller import LossController as LossController
    from spectral_losses.diagnostics import CrossSpectrum as CrossSpectrum
    from spectral_losses.diagnostics import MeanStatistics as MeanStatistics
    from spectral_losses.diagnostics import cross_spectrum as cross_spectrum
    from spectral_losses.diagnostics import effective_resolution as effective_resolution
    from spectral_losses.diagnostics import energy_spectrum as energy_spectrum
    from spectral_losses.diagnostics import price_of_sharpness as price_of_sharpness
    from spectral_losses.evaluation import evaluate as evaluate
    from spectral_losses.gradients import value_and_grad as value_and_grad
    from spectral_losses.history import History as History
    from spectral_losses.losses import *  # noqa: F403
    from spectral_losses.scheduler import AtEpochs as AtEpochs
    from spectral_losses.scheduler import Auto as Auto
    from spectral_losses.scheduler import Decision as Decision
    from spectral_losses.scheduler import Increase as Increase
    from spectral_losses.scheduler import LossScheduler as LossScheduler
    from spectral_losses.scheduler import Plateau as Plateau
    from spectral_losses.scheduler import SchedulerChain as SchedulerChain
    from spectral_losses.scheduler import SchedulerConfig as SchedulerConfig
    from spectral_losses.spectra import Cylinders as Cylinders
    from spectral_losses.spectra import Sectors as Sectors
    from spectral_losses.spectra import Spectrum as Spectrum
    from spectral_losses.spectra import Sphere as Sphere
    from spectral_losses.spectra import radial_spectrum as radial_spectrum

__version__ = "0.1.0"

_HOMES = {
    "AtEpochs": "scheduler",
    "Auto": "scheduler",
    "Balancer": "balance",
    "Component": "composite",
    "CompositeLoss": "composite",
    "ConstraintConfig": "controller",
    "ControllerConfig": "controller",
    "CrossSpectrum": "diagnostics",
    "Cylinders": "spectra",
    "Decision": "scheduler",
    "History": "history",
    "Increase": "scheduler",
    "LossController": "controller",
    "LossScheduler": "scheduler",
    "MeanStatistics": "diagnostics",
    "Plateau": "scheduler",
    "SchedulerChain": "scheduler",
    "SchedulerConfig": "scheduler",
    "Sectors": "spectra",
    "Spectrum": "spectra",
    "Sphere": "spectra",
    "cross_spectrum": "diagnostics",
    "effective_resolution": "diagnostics",
    "energy_spectrum": "diagnostics",
    "evaluate": "evaluation",
    "influences": "balance",
    "load_config": "configs",
    "price_of_sharpness": "diagnostics",
    "radial_spectrum": "spectra",
    "value_and_grad": "gradients",
}

__getattr__, __dir__ = lazily(__name__, _HOMES, "losses")
