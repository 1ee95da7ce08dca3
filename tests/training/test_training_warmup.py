"""After the warm-up a campaign run compiles nothing more."""

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from numba.core import event
import marketlab.training
from marketlab.kernels import _jit
from training_cases import MODEL, make_data, trainer

mine = {"random streams", "perceptron forecast", "training step", "logistic forecast"}
assert mine <= set(_jit._WARMUPS)
for name in mine:
    _jit._WARMUPS[name]()
compiled = []


class Listener(event.Listener):
    def on_start(self, happening):
        compiled.append(happening.data["dispatcher"].py_func.__name__)

    def on_end(self, happening):
        pass


event.register("numba:compile", Listener())
result = marketlab.training.fit(make_data(), MODEL, trainer(epochs=1), seed=1)
marketlab.models.MLPForecaster(result.best_weights, MODEL).predict(make_data().x_validation)
x, y = make_data().x_train, make_data().y_train
marketlab.models.LogisticForecaster(marketlab.models.fit_logistic(x, y)).predict(x)
print(compiled)
"""


def test_the_warm_up_covers_a_run():
    out = subprocess.run(
        [sys.executable, "-c", CODE, str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == "[]"
