"""How sure a Sharpe ratio is, from its length and the shape of its returns.

Symbols: n returns; SR = mean / standard deviation *per period* (never annualised in here; the
variance of a Sharpe ratio is not a multiple of it); g3 skewness; g4 PLAIN kurtosis, 3 for a normal
law. Excess kurtosis in the place of g4 makes every Sharpe ratio look surer than it is: at SR 0.5
and normal returns the variance term would be 0.875 instead of 1.125.

PSR(SR*) = Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2))
MinTRL   = 1 + (1 - g3 SR + (g4 - 1) / 4 SR^2) (z / (SR - SR*))^2

Source: Bailey and López de Prado (2012), "The Sharpe ratio efficient frontier", Journal of Risk
15(2), 3-44, the probabilistic Sharpe ratio and the minimum track record length; the variance of
the estimate is that of Mertens (2002), "Comments on variance of the IID estimator in Lo (2002)".
Returns are taken as independent: overlapping or smoothed returns look surer than they are.
"""

import math
from statistics import NormalDist

import numpy as np

from marketlab.core import DataError, FloatArray, FrozenConfig, check_between

MIN_RETURNS = 30
"""Below this many returns skewness and kurtosis mean nothing, and no Sharpe ratio is judged."""

_NORMAL = NormalDist()


class SharpeMoments(FrozenConfig):
    """What the formulas need of a series of returns, per period.

    Attributes
    ----------
    sharpe : mean over sample standard deviation (n - 1), per period, not annualised.
    skewness, kurtosis : m3 / m2^1.5 and m4 / m2^2 with central moments over n; kurtosis is plain
        (3 for a normal law), never excess.
    n_returns : number of returns.
    """

    sharpe: float
    skewness: float
    kurtosis: float
    n_returns: int

    @property
    def standard_error(self) -> float:
        """Standard error of `sharpe` (Mertens 2002), per period."""
        return math.sqrt(self.variance_factor / (self.n_returns - 1))

    @property
    def variance_factor(self) -> float:
        """Return 1 - g3 SR + (g4 - 1) / 4 SR^2, 1 for a Sharpe ratio of zero.

        It cannot be negative for moments of real data (g4 >= 1 + g3^2, so it is at least
        (1 - g3 SR / 2)^2), but it is 0 for a two-valued series of one certain Sharpe ratio.
        """
        return 1.0 - self.skewness * self.sharpe + (self.kurtosis - 1.0) / 4.0 * self.sharpe**2


class ProbabilisticSharpe(FrozenConfig):
    """Probability that the true Sharpe ratio exceeds a benchmark.

    Attributes
    ----------
    probability : PSR; 0.5 where the observed ratio equals the benchmark.
    benchmark : SR*, per period.
    moments : of the returns.
    sentence : the finding.
    """

    probability: float
    benchmark: float
    moments: SharpeMoments
    sentence: str


class TrackRecordLength(FrozenConfig):
    """How many returns would show that a Sharpe ratio exceeds a benchmark.

    Attributes
    ----------
    n_needed : MinTRL rounded up; None where the observed ratio does not exceed the benchmark, so
        that no length of the same record would show it.
    n_returns : returns at hand. confidence : wanted PSR.
    benchmark : SR*, per period. moments : of the returns. sentence : the finding.
    """

    n_needed: int | None
    n_returns: int
    confidence: float
    benchmark: float
    moments: SharpeMoments
    sentence: str

    @property
    def long_enough(self) -> bool:
        """Whether the record at hand is as long as needed."""
        return self.n_needed is not None and self.n_returns >= self.n_needed


def sharpe_moments(returns: FloatArray) -> SharpeMoments:
    """Return the Sharpe ratio per period with the moments that say how sure it is.

    Parameters
    ----------
    returns : ndarray of shape (n,); fractions per period, all periods (idle ones as 0), oldest
        first, free of overlap.

    Raises
    ------
    DataError (DATA-TooFewReturns) below 30 returns, (DATA-NotFinite) for NaN or infinity,
    (DATA-ConstantReturns) if the returns do not vary.
    """
    checked = checked_returns(returns)
    centred = checked - checked.mean()
    variance = float(centred @ centred) / len(checked)
    squares = centred**2
    return SharpeMoments(
        sharpe=float(checked.mean() / math.sqrt(variance * len(checked) / (len(checked) - 1))),
        skewness=float((squares @ centred) / len(checked) / variance**1.5),
        kurtosis=float((squares @ squares) / len(checked) / variance**2),
        n_returns=len(checked),
    )


def checked_returns(returns: FloatArray, what: str = "the returns") -> FloatArray:
    """Return `returns` as float64; refuse what has no Sharpe ratio (see `sharpe_moments`)."""
    values: FloatArray = np.ascontiguousarray(returns, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(
            f"{what} must be one-dimensional; the shape is {values.shape}.",
            code="DATA-ShapeMismatch",
        )
    if len(values) < MIN_RETURNS:
        raise DataError(
            f"a Sharpe ratio is judged from {MIN_RETURNS} returns or more; {what} are "
            f"{len(values)}.",
            code="DATA-TooFewReturns",
            field="returns",
            value=len(values),
            suggestion="Use a longer record or shorter periods.",
        )
    check_finite(values, what)
    spread = float(np.ptp(values))
    if spread <= 1e-12 * float(np.abs(values).max()):
        raise DataError(
            f"{what} do not vary (every one is {values[0]}), so they have no Sharpe ratio.",
            code="DATA-ConstantReturns",
            field="returns",
            value=float(values[0]),
            suggestion="Judge only what traded, and count it as a trial all the same.",
        )
    return values


def check_finite(values: FloatArray, what: str) -> None:
    """Refuse NaN and infinity, naming the first position."""
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        place = tuple(int(i) for i in bad[0])
        shown = place[0] if len(place) == 1 else place
        raise DataError(
            f"{what} must be finite; entry {shown} is {values[place]}.",
            code="DATA-NotFinite",
            suggestion="Write a period without a position as 0; leave out what was not measured.",
        )


def probabilistic_sharpe_ratio(
    returns: FloatArray, *, benchmark: float = 0.0
) -> ProbabilisticSharpe:
    """Return the probability that the true Sharpe ratio exceeds `benchmark`.

    One series, chosen before it was seen. Of the best of several trials ask
    `deflated_sharpe_ratio`.

    Parameters
    ----------
    returns : ndarray of shape (n,); fractions per period. See `sharpe_moments`.
    benchmark : SR* per period, not annualised (divide an annual one by sqrt(periods per year)).

    Raises
    ------
    DataError as `sharpe_moments`; (DATA-NotFinite) for a benchmark that is not finite.
    """
    moments = sharpe_moments(returns)
    probability = psr(moments, _finite("benchmark", benchmark))
    return ProbabilisticSharpe(
        probability=probability,
        benchmark=benchmark,
        moments=moments,
        sentence=(
            f"The Sharpe ratio of {moments.sharpe:.4f} per period from {moments.n_returns} returns "
            f"exceeds {benchmark:.4f} with probability {probability:.3f}, had it been the only "
            "one tried."
        ),
    )


def psr(moments: SharpeMoments, benchmark: float) -> float:
    """Return PSR(benchmark) from moments: the formula and nothing else."""
    factor = moments.variance_factor
    distance = moments.sharpe - benchmark
    if factor <= 1e-12:  # a two-valued series whose ratio has no first-order error
        return 0.5 if distance == 0.0 else float(distance > 0.0)
    return normal_cdf(distance * math.sqrt((moments.n_returns - 1) / factor))


def minimum_track_record_length(
    returns: FloatArray, *, benchmark: float = 0.0, confidence: float = 0.95
) -> TrackRecordLength:
    """Return how many such returns show a Sharpe ratio above `benchmark`.

    Parameters
    ----------
    returns : ndarray of shape (n,); fractions per period. See `sharpe_moments`.
    benchmark : SR* per period. confidence : wanted PSR, 0.5 (excluded) to 0.9999.

    Raises
    ------
    DataError as `sharpe_moments`; ConfigError for a confidence out of range.
    """
    check_between("confidence", confidence, 0.5 + 1e-9, 0.9999)
    moments = sharpe_moments(returns)
    _finite("benchmark", benchmark)
    needed = track_record_length(moments, benchmark, confidence)
    if needed is None:
        sentence = (
            f"The Sharpe ratio of {moments.sharpe:.4f} per period does not exceed "
            f"{benchmark:.4f}; no length of such a record would show that it does."
        )
    else:
        word = "long enough" if moments.n_returns >= needed else "too short"
        sentence = (
            f"A Sharpe ratio of {moments.sharpe:.4f} per period needs {needed} returns to exceed "
            f"{benchmark:.4f} with {100 * confidence:g} % confidence; the record has "
            f"{moments.n_returns} and is {word}."
        )
    return TrackRecordLength(
        n_needed=needed,
        n_returns=moments.n_returns,
        confidence=confidence,
        benchmark=benchmark,
        moments=moments,
        sentence=sentence,
    )


def track_record_length(moments: SharpeMoments, benchmark: float, confidence: float) -> int | None:
    """Return MinTRL from moments, rounded up; None where SR does not exceed the benchmark."""
    distance = moments.sharpe - benchmark
    if distance <= 0.0:
        return None
    z = _NORMAL.inv_cdf(confidence)
    return 1 + math.ceil(max(moments.variance_factor, 0.0) * (z / distance) ** 2)


def normal_cdf(z: float) -> float:
    """Return Phi(z), accurate in both tails."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise DataError(
            f"{name} must be finite; received {value}.", code="DATA-NotFinite", field=name
        )
    return value
