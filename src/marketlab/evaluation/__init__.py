"""Splits without leakage, scores, and how far luck explains a score; receives arrays only."""

from marketlab.evaluation._base import SPLITTERS, Fold, Splitter
from marketlab.evaluation._baselines import (
    BestBaseline,
    OwnMajority,
    best_causal_baseline,
    causal_baselines,
    class_counts,
    direction_class,
    even_odds_baseline,
    log_loss_skill,
    majority_baseline,
    own_majority,
    persistence_accuracy,
    state_baseline,
)
from marketlab.evaluation._bootstrap import (
    MIN_EVENTS_FOR_INTERVAL,
    Interval,
    count_events,
    effective_events,
    event_bootstrap_interval,
)
from marketlab.evaluation._judge import adjusted_for_trials, judge, minimum_detectable_skill
from marketlab.evaluation._max_statistic import MaxStatisticResult, max_statistic_p_values
from marketlab.evaluation._ratio_split import RatioSplit
from marketlab.evaluation._scores import (
    CLASS_NAMES,
    COLLAPSE_SHARE,
    LOG_LOSS_CLIP,
    ClassScores,
    Scores,
    classification_scores,
    detect_collapse,
    sample_log_loss,
)
from marketlab.evaluation._surrogates import draw_signs, sign_flip_surrogate
from marketlab.evaluation._verdict import (
    MAX_NULL_P,
    MIN_EVENTS_TO_JUDGE,
    BaselineScores,
    JudgeInput,
    NullEvidence,
    Verdict,
    null_evidence,
)

__all__ = [
    "CLASS_NAMES",
    "COLLAPSE_SHARE",
    "LOG_LOSS_CLIP",
    "MAX_NULL_P",
    "MIN_EVENTS_FOR_INTERVAL",
    "MIN_EVENTS_TO_JUDGE",
    "SPLITTERS",
    "BaselineScores",
    "BestBaseline",
    "ClassScores",
    "Fold",
    "Interval",
    "JudgeInput",
    "MaxStatisticResult",
    "NullEvidence",
    "OwnMajority",
    "RatioSplit",
    "Scores",
    "Splitter",
    "Verdict",
    "adjusted_for_trials",
    "best_causal_baseline",
    "causal_baselines",
    "class_counts",
    "classification_scores",
    "count_events",
    "detect_collapse",
    "direction_class",
    "draw_signs",
    "effective_events",
    "even_odds_baseline",
    "event_bootstrap_interval",
    "judge",
    "log_loss_skill",
    "majority_baseline",
    "max_statistic_p_values",
    "minimum_detectable_skill",
    "null_evidence",
    "own_majority",
    "persistence_accuracy",
    "sample_log_loss",
    "sign_flip_surrogate",
    "state_baseline",
]
