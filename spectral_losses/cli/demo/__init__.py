"""What ``spectral-losses demo`` runs: turbulence, a small neural operator, two trainings and what became of them.

An application of the library, not a part of it. `command` says what it takes; `turbulence` makes the flow, `data`
trajectories of it, `operator` the network, `training` trains it, `rollout` judges it, `report` and `figure` show
the outcome; `experiment` joins them, with its `Setting` in `setting`.
"""

from spectral_losses.cli.demo.command import add_parser as add_parser
