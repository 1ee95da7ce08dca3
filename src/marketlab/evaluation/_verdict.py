"""What the judge is given, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from marketlab.core import FloatArray, FrozenConfig, IntArray, finite_or_none
from marketlab.evaluation._baselines import OwnMajority
from marketlab.evaluation._bootstrap import Interval
from marketlab.evaluation._max_statistic import MaxStatisticResult
from marketlab.evaluation._scores import Scores

Outcome = Literal["learned", "no evidence", "worse than baseline", "insufficient data"]
JudgedPart = Literal["validation", "walk-forward", "test"]

MIN_EVENTS_TO_JUDGE = 100
MAX_NULL_P = 0.05
LEVEL = 0.95


class NullEvidence(FrozenConfig):
    """How the observed skill compares with surrogate markets (one strategy of a family).

    Attributes
    ----------
    p_adjusted, p_single, monte_carlo_error : from `MaxStatisticResult`; None where it has NaN.
    n_surrogates : surrogates with a value for this strategy.
    family_size : strategies in the maximum, S.
    same_procedure : whether the observed statistic and the surrogates' came out of the very same
        procedure (features, labels, split, model, stopping, baselines). If not, they are not
        exchangeable and p does not count.
    description : what was surrogated and fitted, one line for the report.
    model : what was compared with what, in three words ("linear against linear").
    noise : what the surrogates are, as it stands after "against".
    tests_direction : whether a small p says that direction is forecast. Only then does it decide;
        of surrogates without any memory, say, a small p may come from volatility alone.
    chooses_epoch : whether the refitted models choose an epoch on the judged part, as a net does.
    """

    p_adjusted: float | None
    p_single: float | None
    monte_carlo_error: float | None
    n_surrogates: int
    family_size: int
    same_procedure: bool
    description: str = ""
    model: str = ""
    noise: str = "surrogate bars without direction"
    tests_direction: bool = True
    chooses_epoch: bool = False


def null_evidence(
    result: MaxStatisticResult,
    position: int,
    *,
    same_procedure: bool,
    description: str = "",
    model: str = "",
    noise: str = "surrogate bars without direction",
) -> NullEvidence:
    """Return the evidence on the strategy at `position` of the family, NaN as None."""
    return NullEvidence(
        p_adjusted=finite_or_none(result.p_adjusted[position]),
        p_single=finite_or_none(result.p_single[position]),
        monte_carlo_error=finite_or_none(result.monte_carlo_error[position]),
        n_surrogates=int(result.n_surrogates[position]),
        family_size=result.n_family,
        same_procedure=same_procedure,
        description=description,
        model=model,
        noise=noise,
    )


class BaselineScores(FrozenConfig):
    """What one causal baseline scored on the judged part; None without samples.

    ``decides`` : whether the forecasts are judged against it; False for those that are only shown.
    """

    name: str
    log_loss: float | None
    accuracy: float | None
    decides: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeInput:
    """All evidence on one run, as arrays over the n samples of the judged part.

    Attributes
    ----------
    y : (n,) class indices. probabilities : (n, 3), the forecasts of the *best* checkpoint.
    event : (n,) id of the independent event of each sample, ascending in time.
    bar : (n,) ascending bar positions; they give the rate of events per 1,000 bars.
    train_counts : (3,) training samples of each class, after purging; of several folds (k, 3).
    fold : (n,) the row of `train_counts` that each sample's forecast was trained on; None if there
        is one.
    baselines : name -> (n, 3) causal forecasts that decide. Name them without a look at the judged
        part. The judge adds ``majority`` and ``even_odds`` from `train_counts` itself, so no
        caller can leave them out.
    shown : name -> (n, 3) forecasts that are scored and displayed and decide nothing; a name that
        decides already is not shown twice.
    null : evidence from surrogates; None if no null was computed (then nothing is "learned").
    n_trials : all trials made on these days of this market, failed, pruned and repeated ones
        included. Those outside the null's family share the 5 % with it (weighted Bonferroni).
    judged_part : "validation", or "walk-forward" (all test blocks of a walk forward together),
        until the seal is opened. n_test_openings : how often it was.
    test_note : what is known of the test part while another is judged, as the end of a sentence.
    judged_share : share of all usable bars (those with a sample) that are judged, to tell how much
        data would be enough; None if unknown.
    selected_on_judged_part : the judged part also chose the epoch (early stopping).
    degenerate_reasons : those of the `Fold`.
    exclusions : why the run is no evidence whatever it scores (constant features, a duplicate).
    is_synthetic : the bars are.
    label_text : the label in words, for example "zigzag legs of 2.5 %".
    seed : of the bootstrap.
    """

    y: IntArray
    probabilities: FloatArray
    event: IntArray
    bar: IntArray
    train_counts: IntArray
    baselines: Mapping[str, FloatArray]
    null: NullEvidence | None
    n_trials: int
    seed: int
    label_text: str
    fold: IntArray | None = None
    judged_part: JudgedPart = "validation"
    n_test_openings: int = 0
    test_note: str = "the test part is sealed"
    judged_share: float | None = None
    selected_on_judged_part: bool = True
    degenerate_reasons: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    is_synthetic: bool = False
    shown: Mapping[str, FloatArray] = field(default_factory=dict)


class Verdict(FrozenConfig):
    """What may be concluded, and from what.

    Attributes
    ----------
    outcome : learned, no evidence, worse than baseline or insufficient data (see `judge`).
    sentence : the finding, for the reader who hoped otherwise.
    reasons : every condition that was not met, one sentence each; empty only if learned.
    would_change : what would have to be different, with numbers where they can be computed.
    notes : what else the reader must know (seal, selection, synthetic bars).
    scores : of the forecasts on the judged part. Accuracy is shown and never decides.
    skill : log-loss of the best causal baseline less the forecast's, nats per sample; None
        without samples.
    skill_interval, accuracy_interval : 95 % from events; None below 20 events.
    minimum_detectable_skill : skill that this many events would show (interval above zero) with
        80 % probability, about 2.8 standard errors (Bloom 1995, "Minimum detectable effects",
        Evaluation Review 19(5), 547-556); None without an interval.
    minimum_detectable_accuracy_points : the same in percentage points of accuracy above 50 % on a
        label of two even classes, see `accuracy_points`; None where `HOLD` is not rare or the
        effect is too large for the approximation.
    null : the evidence from surrogates. null_p : its family-adjusted p after the trials outside
        the family; the one that is compared with 0.05. None if it does not count.
    exclusions : why the run is no evidence whatever it scores; empty as a rule.
    n_events, effective_events : independent events in the judged part, and what their unequal
        lengths leave of them (Kish).
    """

    outcome: Outcome
    sentence: str
    reasons: tuple[str, ...]
    would_change: tuple[str, ...]
    notes: tuple[str, ...]
    judged_part: JudgedPart
    label_text: str
    n_samples: int
    n_events: int
    effective_events: float
    n_trials: int
    scores: Scores
    best_baseline: str | None
    baselines: tuple[BaselineScores, ...]
    own_majority: OwnMajority
    skill: float | None
    skill_interval: Interval | None
    accuracy_interval: Interval | None
    minimum_detectable_skill: float | None
    null: NullEvidence | None
    null_p: float | None
    is_synthetic: bool
    excluded_from_evidence: bool
    exclusions: tuple[str, ...] = ()
    minimum_detectable_accuracy_points: float | None = None

    @property
    def learned(self) -> bool:
        """Whether every condition was met."""
        return self.outcome == "learned"
