"""Class probabilities from a few numbers per row, calibrated on training rows alone."""

import numpy as np

from marketlab.core import BoolArray, DataError, FloatArray, IntArray
from marketlab.evaluation import class_counts, majority_baseline
from marketlab.models._logistic import LogisticForecaster, fit_logistic

MIN_CALIBRATION_ROWS = 30


class Calibrated:
    """Logistic regression of the class on columns that may be missing in some rows.

    Columns are brought to mean 0 and deviation 1 on the training rows. A row with a missing column
    gets the training frequencies, and the facts count such rows.
    """

    def __init__(self, columns_NK: FloatArray, y: IntArray, train: IntArray) -> None:
        self._columns_NK = columns_NK
        self._whole: BoolArray = np.asarray(np.isfinite(columns_NK).all(axis=1))
        rows = train[self._whole[train]]
        if len(rows) < MIN_CALIBRATION_ROWS:
            raise DataError(
                f"a calibration needs at least {MIN_CALIBRATION_ROWS} training rows; "
                f"{len(rows)} of {len(train)} have a value.",
                code="MODEL-TooFewRows",
            )
        self._mean = columns_NK[rows].mean(axis=0)
        spread = columns_NK[rows].std(axis=0)
        self._spread = np.where(spread > 0.0, spread, 1.0)
        scaled = (columns_NK[rows] - self._mean) / self._spread
        self._model = LogisticForecaster(fit_logistic(scaled, y[rows]))
        self._counts = class_counts(y[train])
        self.facts = {
            "n_training_rows": len(rows),
            "n_rows_without_forecast": int(np.count_nonzero(~self._whole)),
        }

    def forecast(self, positions: IntArray) -> FloatArray:
        """Return class probabilities of the rows at `positions`, shape (len, 3)."""
        out = majority_baseline(self._counts, len(positions))
        whole = self._whole[positions]
        rows = self._columns_NK[positions[whole]]
        out[whole] = self._model.predict((rows - self._mean) / self._spread)
        return out
