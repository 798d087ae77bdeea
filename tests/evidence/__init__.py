"""Do spectral losses, and the ways of weighing them, help? Trainings on five flows, judged and compared.

``python -m tests.evidence`` from the root of the repository; `README.md` says how, `PROTOCOL.md` what was fixed before.
"""

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results"
