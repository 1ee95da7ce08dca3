"""Bars to a verdict in one call, in memory: for notebooks and first steps. Nothing is stored."""

from marketlab.campaigns._evidence import collect_evidence, exclusions_of
from marketlab.campaigns._null import OBSERVED, Family
from marketlab.campaigns._plan import check_prepared, degenerate_labels, refuse_without_volume
from marketlab.campaigns._prepare import prepare, select_bars
from marketlab.campaigns._resolve import Experiment
from marketlab.campaigns._strategy import StrategyConfig
from marketlab.campaigns._verdicts import family_evidence, null_matrices
from marketlab.campaigns._walk import forecast_walk
from marketlab.core import finite_or_none
from marketlab.data import BarFrame
from marketlab.evaluation import Verdict, max_statistic_p_values
from marketlab.models import MLPForecaster
from marketlab.training import TrainingData, fit


def quick_verdict(
    bars: BarFrame, strategy: StrategyConfig, *, seed: int = 0, surrogates: int = 99
) -> Verdict:
    """Train one strategy, refit a linear model on surrogates, and judge.

    The same stages and numbers as a stored run with the same seed; for results that others can
    check, run a campaign: it keeps the record and counts the trials.

    Raises
    ------
    MarketLabError for everything that would stop a run.
    """
    experiment = Experiment(
        strategy=strategy, dataset_id=bars.dataset_id, seed=seed, backend="compiled"
    )
    if not strategy.training.allow_constant_features:
        refuse_without_volume(experiment, has_volume=bars.has_volume)
    prepared = prepare(strategy, select_bars(bars, strategy))
    warnings = check_prepared(experiment, prepared, compatibility=None)
    scaler = prepared.fit_standardizer()
    data = TrainingData(
        x_train=prepared.x("train", scaler),
        y_train=prepared.y("train"),
        x_validation=prepared.x("validation", scaler),
        y_validation=prepared.y("validation"),
        feature_names=tuple(prepared.features.names),
    )
    result = fit(data, strategy.model.architecture, strategy.training.trainer(), seed=seed)
    net = MLPForecaster(result.best_weights, strategy.model.architecture)
    walk = forecast_walk(strategy, prepared, seed=seed)
    part = prepared.folds.judged_part
    evidence = collect_evidence(
        strategy,
        prepared,
        net.predict(data.x_validation) if part == "validation" else walk.probabilities,
        seed=seed,
        degenerate=degenerate_labels(prepared),
        exclusions=exclusions_of(warnings),
        part=part,
        folds=walk.folds,
    )
    family = Family(prepared.bars, [strategy])
    rows = {
        str(index): [finite_or_none(v) for v in family.statistics(index, seed=seed)]
        for index in range(OBSERVED, surrogates + 1)
    }
    null = family_evidence(max_statistic_p_values(*null_matrices(rows)), 0, family.null)
    return evidence.verdict(null=null, n_trials=1)
