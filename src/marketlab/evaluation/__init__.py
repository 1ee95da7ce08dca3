"""Splits without leakage, scores, and how far luck explains a score; receives arrays only."""

from marketlab.evaluation._auc_tests import (
    AucDifference,
    AucInterval,
    auc_interval,
    paired_auc_test,
)
from marketlab.evaluation._base import MAX_FOLDS, SPLITTERS, Fold, Splitter
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
from marketlab.evaluation._binary_scores import (
    BinaryScores,
    MulticlassScores,
    binary_scores,
    multiclass_scores,
)
from marketlab.evaluation._block_bootstrap import (
    BlockInterval,
    block_bootstrap_interval,
    block_bootstrap_means,
)
from marketlab.evaluation._block_length import BlockLength, optimal_block_length
from marketlab.evaluation._bootstrap import (
    MIN_EVENTS_FOR_INTERVAL,
    Interval,
    count_events,
    effective_events,
    event_bootstrap_interval,
)
from marketlab.evaluation._chunk_split import ChunkSplit
from marketlab.evaluation._combinatorial_split import CombinatorialPurgedCV
from marketlab.evaluation._confidence_set import ModelConfidenceSet, model_confidence_set
from marketlab.evaluation._cross_section import CrossSectionalRankIC, cross_sectional_rank_ic
from marketlab.evaluation._date_split import DateSplit, DayRange, date_split_conflicts
from marketlab.evaluation._deflated_sharpe import DeflatedSharpe, deflated_sharpe_ratio
from marketlab.evaluation._detectable_effect import (
    auc_standard_error,
    detectable_accuracy_difference,
    detectable_auc_difference,
    detectable_mean_difference,
)
from marketlab.evaluation._families import (
    FamilyDecision,
    MonteCarloPValue,
    adjust_p_values,
    monte_carlo_p_value,
)
from marketlab.evaluation._fold_checks import fold_problems, require_usable_folds
from marketlab.evaluation._inner_holdout import InnerHoldout, inner_holdout
from marketlab.evaluation._judge import adjusted_for_trials, judge, minimum_detectable_skill
from marketlab.evaluation._label_permutation import label_overlap, permuted_labels
from marketlab.evaluation._label_persistence import label_persistence
from marketlab.evaluation._max_statistic import MaxStatisticResult, max_statistic_p_values
from marketlab.evaluation._overfitting import (
    OverfittingProbability,
    probability_of_backtest_overfitting,
)
from marketlab.evaluation._paired_tests import (
    PairedTest,
    diebold_mariano_test,
    mcnemar_test,
    paired_bootstrap_test,
)
from marketlab.evaluation._present_classes import absent_classes, without_classes
from marketlab.evaluation._ranking_scores import average_precision, roc_auc
from marketlab.evaluation._ratio_split import RatioSplit
from marketlab.evaluation._regression_scores import (
    CentralInterval,
    QuantileRow,
    QuantileScores,
    RegressionScores,
    quantile_scores,
    rank_information_coefficient,
    regression_scores,
)
from marketlab.evaluation._reliability import (
    ReliabilityRow,
    ReliabilityTable,
    ShareInterval,
    calibration_error,
    reliability_table,
    share_interval,
)
from marketlab.evaluation._sample_clock import SampleClock, common_clock
from marketlab.evaluation._sample_size import (
    average_uniqueness,
    effective_labels,
    effective_sample_size,
)
from marketlab.evaluation._scikit_split import ScikitSplit
from marketlab.evaluation._score_intervals import (
    ScoreIntervals,
    binary_score_intervals,
    multiclass_score_intervals,
)
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
from marketlab.evaluation._sharpe import (
    MIN_RETURNS,
    ProbabilisticSharpe,
    SharpeMoments,
    TrackRecordLength,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    sharpe_moments,
)
from marketlab.evaluation._superior import (
    SuperiorAbility,
    SuperiorModels,
    reality_check,
    superior_models,
    superior_predictive_ability,
)
from marketlab.evaluation._surrogate_markets import (
    SURROGATES,
    BlockBootstrap,
    RandomWalk,
    SignFlip,
    SurrogateMarket,
)
from marketlab.evaluation._surrogates import draw_signs, sign_flip_surrogate
from marketlab.evaluation._tiers import MIN_TIER_SAMPLES, TierCalibration, TierRow, tier_calibration
from marketlab.evaluation._touch_probability import (
    TouchSide,
    implied_daily_volatility,
    touch_probability,
)
from marketlab.evaluation._trading_baselines import (
    BuyAndHold,
    RandomEntry,
    buy_and_hold,
    random_entry,
    trade_returns_bps,
)
from marketlab.evaluation._trading_scores import (
    TradingScores,
    TradingSide,
    annualised_sharpe,
    trading_scores,
)
from marketlab.evaluation._trial_clusters import TrialClusters, clustered_trials
from marketlab.evaluation._trials import (
    BacktestLength,
    EffectiveTrials,
    effective_number_of_trials,
    expected_maximum,
    minimum_backtest_length,
)
from marketlab.evaluation._undefined import MIN_POSITIVES, Metric, Undefined, ranking_refusal
from marketlab.evaluation._verdict import (
    MAX_NULL_P,
    MIN_EVENTS_TO_JUDGE,
    BaselineScores,
    JudgeInput,
    NullEvidence,
    Verdict,
    null_evidence,
)
from marketlab.evaluation._walk_forward import PurgedWalkForward

__all__ = [
    "CLASS_NAMES",
    "COLLAPSE_SHARE",
    "LOG_LOSS_CLIP",
    "MAX_FOLDS",
    "MAX_NULL_P",
    "MIN_EVENTS_FOR_INTERVAL",
    "MIN_EVENTS_TO_JUDGE",
    "MIN_POSITIVES",
    "MIN_RETURNS",
    "MIN_TIER_SAMPLES",
    "SPLITTERS",
    "SURROGATES",
    "AucDifference",
    "AucInterval",
    "BacktestLength",
    "BaselineScores",
    "BestBaseline",
    "BinaryScores",
    "BlockBootstrap",
    "BlockInterval",
    "BlockLength",
    "BuyAndHold",
    "CentralInterval",
    "ChunkSplit",
    "ClassScores",
    "CombinatorialPurgedCV",
    "CrossSectionalRankIC",
    "DateSplit",
    "DayRange",
    "DeflatedSharpe",
    "EffectiveTrials",
    "FamilyDecision",
    "Fold",
    "InnerHoldout",
    "Interval",
    "JudgeInput",
    "MaxStatisticResult",
    "Metric",
    "ModelConfidenceSet",
    "MonteCarloPValue",
    "MulticlassScores",
    "NullEvidence",
    "OverfittingProbability",
    "OwnMajority",
    "PairedTest",
    "ProbabilisticSharpe",
    "PurgedWalkForward",
    "QuantileRow",
    "QuantileScores",
    "RandomEntry",
    "RandomWalk",
    "RatioSplit",
    "RegressionScores",
    "ReliabilityRow",
    "ReliabilityTable",
    "SampleClock",
    "ScikitSplit",
    "ScoreIntervals",
    "Scores",
    "ShareInterval",
    "SharpeMoments",
    "SignFlip",
    "Splitter",
    "SuperiorAbility",
    "SuperiorModels",
    "SurrogateMarket",
    "TierCalibration",
    "TierRow",
    "TouchSide",
    "TrackRecordLength",
    "TradingScores",
    "TradingSide",
    "TrialClusters",
    "Undefined",
    "Verdict",
    "absent_classes",
    "adjust_p_values",
    "adjusted_for_trials",
    "annualised_sharpe",
    "auc_interval",
    "auc_standard_error",
    "average_precision",
    "average_uniqueness",
    "best_causal_baseline",
    "binary_score_intervals",
    "binary_scores",
    "block_bootstrap_interval",
    "block_bootstrap_means",
    "buy_and_hold",
    "calibration_error",
    "causal_baselines",
    "class_counts",
    "classification_scores",
    "clustered_trials",
    "common_clock",
    "count_events",
    "cross_sectional_rank_ic",
    "date_split_conflicts",
    "deflated_sharpe_ratio",
    "detect_collapse",
    "detectable_accuracy_difference",
    "detectable_auc_difference",
    "detectable_mean_difference",
    "diebold_mariano_test",
    "direction_class",
    "draw_signs",
    "effective_events",
    "effective_labels",
    "effective_number_of_trials",
    "effective_sample_size",
    "even_odds_baseline",
    "event_bootstrap_interval",
    "expected_maximum",
    "fold_problems",
    "implied_daily_volatility",
    "inner_holdout",
    "judge",
    "label_overlap",
    "label_persistence",
    "log_loss_skill",
    "majority_baseline",
    "max_statistic_p_values",
    "mcnemar_test",
    "minimum_backtest_length",
    "minimum_detectable_skill",
    "minimum_track_record_length",
    "model_confidence_set",
    "monte_carlo_p_value",
    "multiclass_score_intervals",
    "multiclass_scores",
    "null_evidence",
    "optimal_block_length",
    "own_majority",
    "paired_auc_test",
    "paired_bootstrap_test",
    "permuted_labels",
    "persistence_accuracy",
    "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting",
    "quantile_scores",
    "random_entry",
    "rank_information_coefficient",
    "ranking_refusal",
    "reality_check",
    "regression_scores",
    "reliability_table",
    "require_usable_folds",
    "roc_auc",
    "sample_log_loss",
    "share_interval",
    "sharpe_moments",
    "sign_flip_surrogate",
    "state_baseline",
    "superior_models",
    "superior_predictive_ability",
    "tier_calibration",
    "touch_probability",
    "trade_returns_bps",
    "trading_scores",
    "without_classes",
]
