"""The page's loss, metric and callback for Keras 3, with each of its backends that has arrays of ours."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import doctest, re, sys
text = open(sys.argv[1], encoding="utf-8").read()
section = re.sub("^```.*$", "", text[text.index("## Keras 3"):].split("\\n## ")[0], flags=re.MULTILINE)
runner = doctest.DocTestRunner()
test = doctest.DocTestParser().get_doctest(section, {}, "Keras 3", None, 0)
assert runner.run(test, clear_globs=False).failed == 0
globals().update(test.globs)
assert keras.backend.backend() == sys.argv[3]

# Every epoch is trained and judged with the weights that the decision before it had.
weights = [callback.scheduler.config.initial_weight_source, 0.0]
y = x[:, ::-1].copy()
found = model.evaluate(x, y, return_dict=True, verbose=0, batch_size=8)
prediction = model.predict(x, verbose=0)
axes = {"spatial_axes": (1, 2), "channel_axis": -1}
errors = {
    "field_error": float(sl.field_error(prediction, y, **axes)),
    "spectrum_error": float(sl.spectrum_error(prediction, y, **axes)),
}
now = callback.scheduler.weights
assert now == loss.composite.weights and 0 < now["spectrum_error"] < 1, now
np.testing.assert_allclose(found["loss"], sum(now[name] * errors[name] for name in now), rtol=1e-4)
np.testing.assert_allclose(found["spectrum_error"], errors["spectrum_error"], rtol=1e-4)
if sys.argv[3] == "torch":  # where two sizes of batches are not two programs to compile
    uneven = model.evaluate(x, y, return_dict=True, verbose=0, batch_size=3)
    np.testing.assert_allclose(uneven["spectrum_error"], errors["spectrum_error"], rtol=1e-4)

# A move is seen by the next epoch, whatever was compiled: the mean of its training loss is that of its weights.
class Apart(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        callback.set_model(self.model)
        callback.set_weights({"field_error": 0.0, "spectrum_error": [1.0, 1e6][epoch]})
history = model.fit(x, y, epochs=2, batch_size=8, validation_data=(x, y), callbacks=[Apart()], verbose=0).history
for name in ("loss", "val_loss"):
    assert history[name][1] > 1e4 * history[name][0], history

# A saved model has the loss with the weights that it had.
path = sys.argv[2] + "/model.keras"
model.save(path)
again = keras.saving.load_model(path)
assert again.loss.composite.to_dict() == loss.composite.to_dict()
np.testing.assert_allclose(again.evaluate(x, y, verbose=0)[0], model.evaluate(x, y, verbose=0)[0], rtol=1e-5)
print("done", keras.__version__)
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_page_with_each_backend(backend: str, tmp_path: Path) -> None:
    for package in ("keras", backend):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    run = subprocess.run(
        [sys.executable, "-c", CODE, str(ROOT / "docs" / "integrations.md"), str(tmp_path), backend],
        env={**os.environ, "KERAS_BACKEND": backend, "KERAS_HOME": str(tmp_path), "PYTHONPATH": _path()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("done 3.")


def _path() -> str:
    return os.pathsep.join([str(ROOT), str(ROOT / "backends"), os.environ.get("PYTHONPATH", "")])
