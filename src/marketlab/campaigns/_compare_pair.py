"""Two forecasts of the same samples: which is better, or whether that cannot be told.

One test decides, named beforehand: the mean difference of log-losses, events resampled
(`paired_bootstrap_test`). Accuracy (sign test over events), the AUC of BUY against SELL (DeLong's
components summed over events) and Diebold-Mariano (sums over events, Bartlett weights over two
neighbours, since labels of neighbouring events may overlap) stand beside it and decide nothing.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from marketlab.core import FloatArray, FrozenConfig, IntArray
from marketlab.evaluation import (
    CLASS_NAMES,
    LOG_LOSS_CLIP,
    MIN_EVENTS_FOR_INTERVAL,
    Undefined,
    count_events,
    detectable_mean_difference,
    diebold_mariano_test,
    event_bootstrap_interval,
    mcnemar_test,
    paired_auc_test,
    paired_bootstrap_test,
    sample_log_loss,
)

Outcome = Literal["better", "worse", "no more than noise", "insufficient data"]

LEVEL = 0.95
_SEED = 0  # of the resampling: the same pair always gets the same numbers
_NEIGHBOURS = 2
_BUY, _SELL = CLASS_NAMES.index("BUY"), CLASS_NAMES.index("SELL")


class Difference(FrozenConfig):
    """One score of two forecasts on the same samples.

    Attributes
    ----------
    score : its name and unit. test : what was tested, and how.
    first, second : the score of each; None where it is undefined.
    difference : first less second. low, high : its 95 % interval, of this pair alone.
    p_value : two-sided, of this pair alone.
    detectable : smallest true difference that is found with 80 % probability at this size.
    missing : why numbers are missing, one sentence; None if none is.
    """

    score: str
    test: str
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    detectable: float | None
    missing: str | None = None


@dataclass(frozen=True)
class PairScores:
    """All differences of one pair on its ``n_samples`` common samples of ``n_events`` events.

    ``diebold_mariano_p`` is None where that test is undefined; ``equal`` says that both forecasts
    are the same on every sample.
    """

    log_loss: Difference
    accuracy: Difference
    auc: Difference
    diebold_mariano_p: float | None
    n_samples: int
    n_events: int
    equal: bool


def score_pair(
    y: IntArray, first: FloatArray, second: FloatArray, event: IntArray, *, n_pairs: int
) -> PairScores:
    """Compare two forecasts of the same n samples.

    Parameters
    ----------
    y : (n,) class indices. first, second : (n, 3) probabilities.
    event : (n,) ascending id of the independent event of each sample.
    n_pairs : pairs in the family; the detectable difference is for its level, 5 % over `n_pairs`.
    """
    losses = sample_log_loss(y, first), sample_log_loss(y, second)
    right = (
        (first.argmax(axis=1) == y).astype(np.int64),
        (second.argmax(axis=1) == y).astype(np.int64),
    )
    tested = diebold_mariano_test(*losses, horizon=_NEIGHBOURS, cluster=event, kernel="bartlett")
    return PairScores(
        log_loss=_log_loss(losses, event, n_pairs),
        accuracy=_accuracy(right, event, n_pairs),
        auc=_auc(y, first, second, event, n_pairs),
        diebold_mariano_p=None if isinstance(tested, Undefined) else tested.p_value,
        n_samples=len(y),
        n_events=count_events(event),
        equal=bool(np.array_equal(first, second)),
    )


def _detectable(standard_error: float, n_pairs: int) -> float | None:
    """Return the detectable difference for a standard error; None without any spread."""
    if standard_error <= 0.0:
        return None
    # One unit whose two values correlate by a half: sqrt(2 (1 - 1/2)) = 1 keeps the error as it is.
    level = 1.0 - (1.0 - LEVEL) / n_pairs
    return detectable_mean_difference(standard_error, 1, correlation=0.5, level=level)


def _log_loss(losses: tuple[FloatArray, FloatArray], event: IntArray, n_pairs: int) -> Difference:
    interval = event_bootstrap_interval(losses[0] - losses[1], event, seed=_SEED)
    tested = paired_bootstrap_test(*losses, event, seed=_SEED)
    found = None if isinstance(tested, Undefined) else tested
    return Difference(
        score="log-loss, nats per sample",
        test="paired bootstrap over events",
        first=float(losses[0].mean()),
        second=float(losses[1].mean()),
        difference=float((losses[0] - losses[1]).mean()),
        low=interval.low if interval is not None else None,
        high=interval.high if interval is not None else None,
        p_value=found.p_value if found is not None else None,
        detectable=_detectable(interval.standard_error, n_pairs) if interval is not None else None,
        missing=tested.reason if isinstance(tested, Undefined) else None,
    )


def _accuracy(right: tuple[IntArray, IntArray], event: IntArray, n_pairs: int) -> Difference:
    """Return the difference of shares of right answers; below 20 events neither interval nor p."""
    change = (right[0] - right[1]).astype(np.float64)
    interval = event_bootstrap_interval(change, event, seed=_SEED)
    tested = mcnemar_test(*right, event=event)
    missing = tested.reason if isinstance(tested, Undefined) else None
    if interval is None:
        missing = _too_few(count_events(event))
    known = interval is not None and not isinstance(tested, Undefined)
    return Difference(
        score="accuracy",
        test="sign test over events, exact",
        first=float(right[0].mean()),
        second=float(right[1].mean()),
        difference=float(change.mean()),
        low=interval.low if interval is not None else None,
        high=interval.high if interval is not None else None,
        p_value=tested.p_value if known and not isinstance(tested, Undefined) else None,
        detectable=_detectable(interval.standard_error, n_pairs) if interval is not None else None,
        missing=missing,
    )


def _auc(
    y: IntArray, first: FloatArray, second: FloatArray, event: IntArray, n_pairs: int
) -> Difference:
    """Compare the order of BUY and SELL samples by the log odds of BUY against SELL."""
    sided = (y == _BUY) | (y == _SELL)
    buys = (y[sided] == _BUY).astype(np.int64)
    tested = paired_auc_test(buys, _odds(first[sided]), _odds(second[sided]), event=event[sided])
    name, how = "AUC of BUY against SELL", "DeLong, components summed over events"
    if isinstance(tested, Undefined):
        return Difference(
            score=name,
            test=how,
            first=None,
            second=None,
            difference=None,
            low=None,
            high=None,
            p_value=None,
            detectable=None,
            missing=tested.reason,
        )
    return Difference(
        score=name,
        test=how,
        first=tested.auc_first,
        second=tested.auc_second,
        difference=tested.difference,
        low=tested.low,
        high=tested.high,
        p_value=tested.p_value,
        detectable=_detectable(tested.standard_error, n_pairs),
    )


def _odds(probabilities: FloatArray) -> FloatArray:
    logs = np.log(np.clip(probabilities, LOG_LOSS_CLIP, 1.0))
    return np.ascontiguousarray(logs[:, _BUY] - logs[:, _SELL])


def _too_few(n_events: int) -> str:
    return f"the test needs {MIN_EVENTS_FOR_INTERVAL} events; there are {n_events}."


def pair_outcome(scores: PairScores, p_value: float | None) -> Outcome:
    """Return what may be said of the first against the second.

    A difference is found if `p_value` (of the log-loss, after Holm's correction where there are
    several pairs) is at most 0.05 and the pair's own 95 % interval leaves zero out: both come from
    resampling, and at the margin the more cautious one counts.
    """
    loss = scores.log_loss
    if scores.n_events < MIN_EVENTS_FOR_INTERVAL:
        return "insufficient data"
    if scores.equal:
        return "no more than noise"
    if p_value is None or loss.difference is None or loss.low is None or loss.high is None:
        return "insufficient data"
    if p_value > 1.0 - LEVEL or loss.low <= 0.0 <= loss.high:
        return "no more than noise"
    return "better" if loss.difference < 0.0 else "worse"


def pair_sentence(
    first: str, second: str, scores: PairScores, outcome: Outcome, p_value: float | None
) -> str:
    """Return the finding in one plain sentence."""
    loss = scores.log_loss
    if outcome == "insufficient data":
        held = (
            f"the {scores.n_samples:,} common samples hold {scores.n_events} independent events, "
            f"and {MIN_EVENTS_FOR_INTERVAL} are needed."
        )
        enough = scores.n_events >= MIN_EVENTS_FOR_INTERVAL
        return f"Insufficient data to compare {first} with {second}: " + (
            str(loss.missing) if enough else held
        )
    if scores.equal:
        return (
            f"The difference between {first} and {second} is no more than noise: both forecast "
            f"the same on all {scores.n_samples:,} common samples."
        )
    facts = (
        f"95 % interval {loss.low:+.4f} to {loss.high:+.4f}, p = {p_value:.4f}, "
        f"{scores.n_events:,} events"
    )
    if outcome == "no more than noise":
        return (
            f"The difference between {first} and {second} is no more than noise: "
            f"{loss.difference:+.4f} nats per sample, {facts}; one below {loss.detectable:.4f} "
            "would often be missed here."
        )
    side = "lower" if outcome == "better" else "higher"
    return (
        f"{first} is {outcome} than {second}: its log-loss is {side} by "
        f"{abs(loss.difference or 0.0):.4f} nats per sample ({facts})."
    )
