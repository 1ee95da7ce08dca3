"""Judges the judge: forecasts whose verdict is known before they are scored.

Every canary goes as arrays through the scores, the null, the judge and the registry's gates, the
very functions that real runs go through. A judge that cannot tell these apart can tell nothing.

- *oracle*: knows each label and says so with 0.7 to 0.9. It must be learned and pass the gates.
- *few events*: the same oracle on 60 events. No conclusion may be drawn, however good it looks.
- *coin*: leans to a side by a toss. It must fail.
- *inverted oracle*: knows each label and says the opposite. It must be worse than baseline.
- *collapsed oracle*: sure and right in one direction only, so that it answers one class. It must
  not be learned.
- *random walk*: a family of linear models on the zigzag legs of a driftless walk. Here the
  interval of skill lies above zero although nothing can be learned (see `judge`), so only the
  surrogates keep it from passing. A judge whose p is always small is caught here. A right judge
  would let one such family in twenty pass; the seed fixes one that does not.

The labels of the first five are the directions of the next bar: each begins after its bar, so the
null deals them anew (`permuted_labels`), the forecasts held still. The walk's are zigzag legs,
which may not be permuted: its null flips the signs of the returns and refits everything.
"""

from dataclasses import dataclass

import numpy as np

from marketlab.campaigns._causal_state import causal_state
from marketlab.core import FloatArray, FrozenConfig, IntArray, seed_streams
from marketlab.evaluation import (
    Fold,
    JudgeInput,
    NullEvidence,
    RatioSplit,
    Verdict,
    causal_baselines,
    draw_signs,
    even_odds_baseline,
    judge,
    log_loss_skill,
    majority_baseline,
    max_statistic_p_values,
    null_evidence,
    permuted_labels,
    sign_flip_surrogate,
)
from marketlab.labels import LabelSet, ZigzagLabelConfig, zigzag_segment
from marketlab.models import fit_logistic_binary
from marketlab.registry import evaluate_gates

SURROGATES = 39
_N = 3_000  # judged samples of the first five, one event each
_N_FEW = 60
_SURE = (0.7, 0.9)
_LEAN = 0.01
_BUY, _SELL = 0, 2

_WALK_BARS = 18_000
_WALK_VOLATILITY = 0.00095
_WALK = ZigzagLabelConfig(source="zigzag", zigzag_threshold=0.0035)
_WALK_LOOKBACKS = ((2, 5, 12), (4, 10, 24), (8, 20, 48))
"""Bars over which each design of the family sees the return; three inputs each."""
_WALK_SPLIT = RatioSplit(train=0.70, validation=0.15, test=0.15)


class CanaryResult(FrozenConfig):
    """One forecast of known worth and what became of it.

    ``expected`` are the outcomes that a right judge may give, ``should_pass_gates`` what the gates
    must say; ``interval`` are the ends of skill in nats per sample, None below 20 events.
    """

    name: str
    expected: tuple[str, ...]
    outcome: str
    should_pass_gates: bool
    passed_gates: bool
    n_events: int
    interval: tuple[float, float] | None
    null_p: float | None
    needs_interval_above_zero: bool = False

    @property
    def as_expected(self) -> bool:
        """Whether judge and gates said what they had to."""
        above = self.interval is not None and self.interval[0] > 0.0
        return (
            self.outcome in self.expected
            and self.passed_gates == self.should_pass_gates
            and (above or not self.needs_interval_above_zero)
        )


def run_canaries(*, seed: int = 15) -> tuple[CanaryResult, ...]:
    """Send forecasts of known worth through scores, null, judge and gates; about three seconds.

    Deterministic in `seed`. Nothing raises for a wrong verdict: it is the result.
    """
    return (*_directions(seed), *_walk(seed))


# -- forecasts on fair tosses ---------------------------------------------------------------------


def _directions(seed: int) -> list[CanaryResult]:
    rng = seed_streams(seed, "canaries", "directions")
    y: IntArray = np.where(rng.random(_N) < 0.5, _BUY, _SELL).astype(np.int64)
    toss: IntArray = np.where(rng.random(_N) < 0.5, _BUY, _SELL).astype(np.int64)
    nothing = ("no evidence", "worse than baseline")
    sure: FloatArray = rng.uniform(*_SURE, size=_N)
    knows = _leaning(y, sure)
    hint = _leaning(y * 0, np.where(y == _BUY, sure, 0.5 + _LEAN))
    few = slice(_N_FEW)
    return [
        _direction("oracle", y, knows, ("learned",), seed),
        _direction("few events", y[few], knows[few], ("insufficient data",), seed),
        _direction("coin", y, _leaning(toss, np.full(_N, 0.5 + _LEAN)), nothing, seed),
        _direction("inverted oracle", y, knows[:, ::-1], ("worse than baseline",), seed),
        _direction("collapsed oracle", y, hint, ("no evidence",), seed),
    ]


def _leaning(side: IntArray, probability: FloatArray) -> FloatArray:
    """Return rows that give `probability` to `side` (BUY or SELL) and the rest to the other."""
    out = np.zeros((len(side), 3))
    rows = np.arange(len(side))
    out[rows, side] = probability
    out[rows, _SELL - side] = 1.0 - probability
    return out


def _direction(
    name: str, y: IntArray, forecast: FloatArray, expected: tuple[str, ...], seed: int
) -> CanaryResult:
    """Judge one forecast of the next bar's direction beside its labels dealt anew."""
    n = len(y)
    bar = np.arange(n)
    train_counts = np.array([_N, 0, _N])
    baselines = {
        "majority": majority_baseline(train_counts, n),
        "even_odds": even_odds_baseline(train_counts, n),
    }
    dealt = [
        permuted_labels(y, bar + 1, bar + 1, bar, seed=seed, path=("canaries", name, b))
        for b in range(SURROGATES)
    ]
    null = np.array([[log_loss_skill(other, forecast, baselines)] for other in dealt])
    observed = np.array([log_loss_skill(y, forecast, baselines)])
    verdict = judge(
        JudgeInput(
            y=y,
            probabilities=forecast,
            event=bar,
            bar=bar,
            train_counts=train_counts,
            baselines={},
            null=_evidence(observed, null, 0, "labels dealt anew, the forecasts held still"),
            n_trials=1,
            seed=seed,
            label_text="direction of the next bar",
            selected_on_judged_part=False,
            is_synthetic=True,
        )
    )
    return _result(name, verdict, expected)


def _evidence(
    observed: FloatArray, null: FloatArray, position: int, description: str
) -> NullEvidence:
    return null_evidence(
        max_statistic_p_values(observed, null),
        position,
        same_procedure=True,
        description=description,
    )


def _result(
    name: str, verdict: Verdict, expected: tuple[str, ...], *, bites: bool = False
) -> CanaryResult:
    gates = evaluate_gates(verdict.to_mapping(), is_synthetic=True, stage="dry_run")
    interval = verdict.skill_interval
    return CanaryResult(
        name=name,
        expected=expected,
        outcome=verdict.outcome,
        should_pass_gates=expected == ("learned",),
        passed_gates=gates.passed,
        n_events=verdict.n_events,
        interval=None if interval is None else (interval.low, interval.high),
        null_p=verdict.null_p,
        needs_interval_above_zero=bites,
    )


# -- a family on a random walk --------------------------------------------------------------------


@dataclass(frozen=True)
class _Judged:
    """What one design says on the judged part of one walk, and what stands beside it."""

    y: IntArray
    event: IntArray
    bar: IntArray
    y_train: IntArray
    forecast: FloatArray
    state: FloatArray
    skill: float


def _walk(seed: int) -> list[CanaryResult]:
    moves = seed_streams(seed, "canaries", "walk").standard_normal(_WALK_BARS)
    close = np.exp(np.cumsum(_WALK_VOLATILITY * moves))
    real = _designs(close)
    observed = np.array([design.skill for design in real])
    null = np.empty((SURROGATES, len(real)))
    for b in range(SURROGATES):
        signs = draw_signs(len(close), seed, "canaries", "walk", b)
        flipped = sign_flip_surrogate(close, close, close, close, signs)[3]
        null[b] = [design.skill for design in _designs(flipped)]
    out = []
    for position, design in enumerate(real):
        verdict = _judge_walk(design, _evidence(observed, null, position, "sign flips"), seed)
        name = f"random walk {position + 1} of {len(real)}"
        out.append(_result(name, verdict, ("no evidence",), bites=True))
    return out


def _judge_walk(design: _Judged, null: NullEvidence, seed: int) -> Verdict:
    return judge(
        JudgeInput(
            y=design.y,
            probabilities=design.forecast,
            event=design.event,
            bar=design.bar,
            train_counts=np.bincount(design.y_train, minlength=3),
            baselines={"causal state": design.state},
            null=null,
            n_trials=len(_WALK_LOOKBACKS),
            seed=seed,
            label_text=f"zigzag legs of {100 * _WALK.zigzag_threshold:g} % on a random walk",
            selected_on_judged_part=False,
            is_synthetic=True,
        )
    )


def _designs(close: FloatArray) -> list[_Judged]:
    """Label, split, fit and forecast one walk with every design; the turns (HOLD) are left out."""
    labels = zigzag_segment(close, threshold=_WALK.zigzag_threshold)
    warm = max(map(max, _WALK_LOOKBACKS))
    labels = labels.restrict(np.flatnonzero((labels.bar >= warm) & (labels.value != 1)))
    fold = _WALK_SPLIT.split(start=labels.start, end=labels.end, bar=labels.bar)
    state = causal_state(_WALK, close)[labels.bar]
    past = np.log(close)
    out = []
    for spans in _WALK_LOOKBACKS:
        columns = [(past[labels.bar] - past[labels.bar - k]) / np.sqrt(k) for k in spans]
        x = np.column_stack(columns) / _WALK_VOLATILITY
        out.append(_design(x, labels, state, fold))
    return out


def _design(x: FloatArray, labels: LabelSet, state: IntArray, fold: Fold) -> _Judged:
    """Fit a linear model on the training samples; ``x`` and ``state`` have one row per sample."""
    train, rows = fold.train, fold.validation
    y_train, y = labels.value[train], labels.value[rows]
    model = fit_logistic_binary(x[train], (y_train == _BUY).astype(np.int64))
    buy = 1.0 / (1.0 + np.exp(-np.clip(model.log_odds(x[rows]), -40.0, 40.0)))
    forecast = np.column_stack([buy, np.zeros(len(rows)), 1.0 - buy])
    baselines = causal_baselines(y_train, len(y), state_train=state[train], state_eval=state[rows])
    return _Judged(
        y=y,
        event=labels.event[rows],
        bar=labels.bar[rows],
        y_train=y_train,
        forecast=forecast,
        state=baselines["state"],
        skill=log_loss_skill(y, forecast, baselines),
    )
