"""What ``spectral-losses demo`` runs: turbulence, a small neural operator, two trainings and what became of them.

An application of the library, not a part of it: nothing but the command line imports it. `turbulence` makes the flow,
`data` trajectories of it, `operator` the network, `training` trains it, `rollout` judges it, `report` and `figure` show
the outcome; `experiment` joins them, with its `Setting` in `setting`.
"""
