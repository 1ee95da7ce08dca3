"""Fabricated but realistic campaigns: what `campaign_results` would return, without training."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from marketlab.campaigns._evidence import Evidence
from marketlab.campaigns._luck import LuckRun, campaign_luck
from marketlab.campaigns._report_detail import run_detail
from marketlab.campaigns._results import CampaignResults, RunResult
from marketlab.evaluation import (
    BaselineScores,
    Interval,
    NullEvidence,
    OwnMajority,
    Verdict,
    max_statistic_p_values,
)
from marketlab.evaluation._scores import ClassScores, Scores

# name, declared fuzzy sets, zigzag threshold in %
V15 = (
    ("v15_rsi_only", "rsi_14", 2.5),
    ("v15_stochastic_only", "stochastic_14", 2.5),
    ("v15_williams_only", "williams_14", 2.5),
    ("v15_mfi_only", "mfi_14", 2.5),
    ("v15_adx_only", "adx_14", 2.5),
    ("v15_aroon_only", "aroon_up_25 aroon_down_25", 2.5),
    ("v15_cmf_only", "cmf_20", 2.5),
    ("v15_rvi_only", "rvi_10", 2.5),
    ("v15_di_only", "di_plus_14 di_minus_14", 2.5),
    ("v15_rsi_adx", "rsi_14 adx_14", 2.5),
    ("v15_rsi_stochastic", "rsi_14 stochastic_14", 2.5),
    ("v15_rsi_williams", "rsi_14 williams_14", 2.5),
    ("v15_rsi_mfi", "rsi_14 mfi_14", 2.5),
    ("v15_adx_aroon", "adx_14 aroon_up_25 aroon_down_25", 2.5),
    ("v15_adx_di", "adx_14 di_plus_14 di_minus_14", 2.5),
    ("v15_stochastic_williams", "stochastic_14 williams_14", 2.5),
    ("v15_mfi_cmf", "mfi_14 cmf_20", 2.5),
    ("v15_rsi_cmf", "rsi_14 cmf_20", 2.5),
    ("v15_adx_rsi", "adx_14 rsi_14", 2.5),
    ("v15_aroon_rvi", "aroon_up_25 aroon_down_25 rvi_10", 2.5),
    ("v15_rsi_adx_stochastic", "rsi_14 adx_14 stochastic_14", 2.5),
    ("v15_mfi_adx_aroon", "mfi_14 adx_14 aroon_up_25 aroon_down_25", 2.5),
    ("v15_williams_stochastic_cmf", "williams_14 stochastic_14 cmf_20", 2.5),
    ("v15_rsi_zigzag_1.5", "rsi_14", 1.5),
    ("v15_rsi_zigzag_2.0", "rsi_14", 2.0),
    ("v15_rsi_zigzag_3.0", "rsi_14", 3.0),
    ("v15_rsi_zigzag_3.5", "rsi_14", 3.5),
)
NAMES = [name for name, _, _ in V15]
SUFFIX = "20261121_101500"


def verdict(
    outcome="no evidence",
    *,
    skill=0.002,
    events=164,
    accuracy=0.571,
    null_p=0.62,
    label="zigzag legs of 0.25 %",
    synthetic=False,
    n_samples=720,
    collapsed=False,
):
    """A verdict as the judge writes it, with figures that fit each other."""
    half = 0.9 / max(events, 1)
    interval = None
    if events >= 20:
        interval = Interval(
            estimate=skill,
            low=skill - half,
            high=skill + half,
            level=0.95,
            n_events=events,
            standard_error=half / 2,
            dependence_factor=1.0,
            n_resamples=2000,
        )
    buy = int(n_samples * 0.52)
    supports = {"BUY": buy, "HOLD": 20, "SELL": n_samples - buy - 20}
    per_class = ClassScores(precision=0.55, recall=0.57, f1=0.56, support=buy)
    reasons, change = [], []
    if events < 100:
        reasons.append(
            f"the validation part holds {events} independent events; 100 are needed for "
            "a conclusion in either direction."
        )
        change.append(
            f"about {100 - events} more events to be judged at all: this series gives 1.4 "
            f"events of {label} per 1,000 bars, so about 67,000 more bars in the "
            "validation part, 450,000 in all at its share of 15 %."
        )
    if events < 20:
        reasons.append("below 20 events there is no honest interval, so none is given.")
    elif outcome != "learned":
        reasons.append(
            "the 95 % interval of log-loss skill over the best causal baseline "
            f"({skill - half:+.4f} to {skill + half:+.4f}) is not entirely above zero."
        )
    if outcome != "learned":
        reasons.append(
            f"the null's p over a family of 27 is {null_p:.3g} (Monte Carlo ±0.049); it "
            "must be at most 0.05."
        )
        change.append(
            "a skill that at most 5 % of surrogate markets reach: more surrogates would "
            "not bring it, and more bars only if the effect is real."
        )
    else:
        change.append(
            "opening the sealed test part, once: an interval there that reaches down to "
            "zero would end the claim."
        )
    return Verdict(
        outcome=outcome,
        sentence=f"On this evidence: {outcome}.",
        reasons=tuple(reasons),
        would_change=tuple(change),
        notes=("Judged on the validation part; the test part is sealed.",),
        judged_part="validation",
        label_text=label,
        n_samples=n_samples,
        n_events=events,
        effective_events=events * 0.7,
        n_trials=27,
        scores=Scores(
            n_samples=n_samples,
            accuracy=accuracy,
            balanced_accuracy=accuracy - 0.01,
            mcc=0.12,
            log_loss=0.69 - skill,
            brier=0.49,
            hold_share=20 / n_samples,
            supports=supports,
            predicted_shares={"BUY": 0.55, "HOLD": 0.0, "SELL": 0.45},
            confusion=((1, 0, 0), (0, 1, 0), (0, 0, 1)),
            classes=dict.fromkeys(("BUY", "HOLD", "SELL"), per_class),
            collapsed=collapsed,
        ),
        best_baseline="causal state",
        baselines=(
            BaselineScores(name="majority", log_loss=0.70, accuracy=0.52),
            BaselineScores(name="even_odds", log_loss=0.71, accuracy=0.52),
            BaselineScores(name="causal state", log_loss=0.69, accuracy=0.565),
        ),
        own_majority=OwnMajority(class_name="BUY", share=0.52),
        skill=skill,
        skill_interval=interval,
        accuracy_interval=None,
        minimum_detectable_skill=None if interval is None else 1.4 * half,
        null=NullEvidence(
            p_adjusted=null_p,
            p_single=null_p / 2,
            monte_carlo_error=0.049,
            n_surrogates=99,
            family_size=27,
            same_procedure=True,
            description="sign-flipped bars",
        ),
        null_p=null_p,
        is_synthetic=synthetic,
        excluded_from_evidence=False,
    ).to_mapping()


TRADING = {
    "sentence": "40 closed trades earned -0.31 bps each after costs of 1.20 bps.",
    "n_bars": 720,
    "n_days": 36,
    "n_trades": 40,
    "exposure": 0.62,
    "total_return": -0.0124,
    "max_drawdown": 0.031,
    "costs": {},
    "cost_bps": 1.2,
    "before_costs": {
        "bps_per_trade": 0.89,
        "interval": [-2.1, 3.9],
        "level": 0.95,
        "hit_rate": 0.55,
    },
    "after_costs": {
        "bps_per_trade": -0.31,
        "interval": [-3.3, 2.7],
        "level": 0.95,
        "hit_rate": 0.5,
    },
    "buy_and_hold": {"first_bar": 1, "last_bar": 719, "return_bps": 211.5, "cost_bps": 1.2},
    "random_entry": {"n_trades": 40, "p_value": 0.62, "monte_carlo_error": 0.0153},
    "sharpe_annualised": -0.8,
    "days_per_year": 252,
    "calendar": "five days a week",
    "open_position": None,
    "unfilled_signal": False,
    "undefined": {},
}
NO_TRADES = {
    **TRADING,
    "sentence": "The signals closed no position within 720 bars.",
    "n_trades": 0,
    "before_costs": None,
    "after_costs": None,
    "random_entry": None,
    "sharpe_annualised": None,
    "undefined": {
        "before_costs": "no position was closed within 720 bars.",
        "after_costs": "no position was closed within 720 bars.",
        "random_entry": "no position was closed within 720 bars.",
        "sharpe_annualised": "the account makes one and the same return on each of 36 days.",
    },
}
NO_ACCOUNT = {
    **TRADING,
    **dict.fromkeys(("exposure", "total_return", "max_drawdown", "cost_bps", "sharpe_annualised")),
    **dict.fromkeys(("before_costs", "after_costs", "buy_and_hold", "random_entry")),
    "sentence": "There is no judged bar, so nothing was traded.",
    "n_bars": 0,
    "n_trades": 0,
}
BASELINE_TABLE = (
    {
        "name": "logistic",
        "knows": "the strategy's own features",
        "decides": False,
        "skipped": None,
        "selection_log_loss": 0.701,
        "log_loss": 0.6951,
        "accuracy": 0.561,
    },
    {
        "name": "gradient_boosting",
        "knows": "the strategy's own features",
        "decides": False,
        "skipped": "it is fitted only where it is asked for.",
        "selection_log_loss": None,
        "log_loss": None,
        "accuracy": None,
    },
)


def evidence(*, n=240, events=120, n_folds=1, seed=0, trading=None, table=BASELINE_TABLE):
    """Arrays and facts of one run, as a worker keeps them."""
    rng = np.random.default_rng(seed)
    raw = rng.dirichlet((6.0, 0.5, 6.0), n)
    counts = np.array([[300, 20, 280]] * n_folds)
    days = min(n, 60)
    return Evidence(
        y=rng.choice(3, n, p=(0.5, 0.02, 0.48)),
        probabilities=raw,
        state=np.full((n, 3), (0.48, 0.03, 0.49)),
        event=np.sort(rng.integers(0, max(1, events), n)),
        bar=np.arange(100, 100 + n),
        fold=np.sort(np.arange(n) % n_folds),
        train_counts=counts,
        best=rng.dirichlet((6.0, 0.5, 6.0), n),
        shown=rng.dirichlet((6.0, 0.5, 6.0), (1, n)).astype(np.float32),
        daily_returns=rng.normal(0.0, 0.004, days),
        days=np.arange(17_000, 17_000 + days),
        facts={
            "judged_part": "walk-forward" if n_folds > 1 else "validation",
            "first_time_ns": int(CLOCK[0]),
            "baseline_table": [dict(row) for row in table],
            "best_baseline_inside_training": "persistence",
            "shown": ["logistic"],
            "baseline_selection": "Chosen by log-loss on the last fifth of training.",
            "trading": TRADING if trading is None else trading,
        },
    )


CLOCK = 1_500_000_000_000_000_000 + 3_600_000_000_000 * np.arange(5_000)


def detail(made=None, **changes):
    """What `run_detail` says of fabricated evidence."""
    return run_detail(evidence(**changes), verdict() if made is None else made, CLOCK)


def luck(runs, *, n_trials=27):
    """What `campaign_luck` says of the runs that have a verdict, from fabricated evidence."""
    judged = [r for r in runs if r.verdict is not None]
    if not judged:
        return None
    asked = []
    for k, one in enumerate(judged):
        made = evidence(seed=k, n=240)
        rng = np.random.default_rng(k)
        asked.append(
            LuckRun(
                name=one.strategy,
                time_ns=CLOCK[made.bar],
                event=np.arange(240) // 2,
                y=np.arange(240) % 3,
                probabilities=made.probabilities,
                best_baseline=made.state,
                daily_returns=rng.normal(0.0, 0.004, 60),
                days=np.arange(17_000, 17_060),
                design_id=one.design_id,
                label=one.label,
            )
        )
    return campaign_luck(asked, n_trials=n_trials, n_test_openings=0, seed=1, days_per_year=252)


def splits(events=164):
    def part(first, last, samples, n):
        classes = {"BUY": samples // 2, "HOLD": 12, "SELL": samples - samples // 2 - 12}
        return {
            "samples": samples,
            "first_time": f"{first}T00:00:00Z",
            "last_time": f"{last}T23:00:00Z",
            "classes": classes,
            "events": n,
        }

    return {
        "train": part("2017-04-20", "2017-11-14", 3441, 5 * events),
        "validation": part("2017-11-15", "2017-12-27", 731, events),
        "test": part("2017-12-28", "2018-02-07", 738, events),
        "purged_train": 9,
        "purged_validation": 7,
    }


def history(rng, epochs):
    t = np.arange(epochs)
    train = 0.69 - 0.05 * (1 - np.exp(-t / 8)) + rng.normal(0, 0.001, epochs)
    val = 0.70 - 0.02 * (1 - np.exp(-t / 6)) + 0.0006 * t + rng.normal(0, 0.003, epochs)
    return {
        "epoch": t.tolist(),
        "train_loss": train.tolist(),
        "val_loss": val.tolist(),
        "train_acc": (0.52 + 0.05 * (1 - np.exp(-t / 8))).tolist(),
        "val_acc": (0.54 + 0.04 * rng.random(epochs)).tolist(),
    }


def run(name="v15_rsi_only", blocks="rsi_14", threshold=2.5, *, scale=0.1, seed=0, **changes):
    rng = np.random.default_rng(seed)
    epochs = int(rng.integers(16, 44))
    skill = float(rng.normal(-0.001, 0.004))
    label = f"zigzag legs of {threshold * scale:g} %"
    events = round(164 * 2.5 / threshold) if scale < 1 else round(7 * 2.5 / threshold)
    worse = skill + 0.9 / events < 0
    outcome = "worse than baseline" if worse else "no evidence"
    outcome = "insufficient data" if events < 100 else outcome
    made = verdict(
        outcome,
        skill=skill,
        events=events,
        label=label,
        accuracy=float(rng.normal(0.57, 0.015)),
        null_p=float(np.clip(0.72 - 40 * skill, 0.72, 1.0)),
    )
    base = RunResult(
        strategy=name,
        description=f"v1.5 experiment: {name}",
        blocks=tuple(blocks.split()),
        operation_id=f"op_training_{SUFFIX}_{seed:08x}",
        run_id=f"EURUSD_{name}_{SUFFIX}_{seed:08x}",
        status="completed",
        started_at="2026-11-21T10:15:00Z",
        duration_seconds=1.0 + epochs / 40,
        attempt=1,
        error=None,
        error_code=None,
        failure_class=None,
        warnings=(),
        config_id=f"{seed:064x}",
        design_id=f"{seed:064x}",
        duplicate_of=None,
        n_features=9 * len(blocks.split()),
        parameters=2819,
        label=label,
        epochs=epochs,
        best_epoch=epochs - 16,
        stopped_early=True,
        splits=splits(events),
        verdict=made,
        common_skill=skill - 0.0001,
        history=history(rng, epochs),
        detail=detail(made, seed=seed),
    )
    return replace(base, **changes)


def null(names, *, n_surrogates=99, seed=5, lift=0.0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.003, (n_surrogates + 1, 1))
    table = shared + rng.normal(-0.001, 0.003, (n_surrogates + 1, len(names)))
    observed, rows = table[0] + lift, table[1:]
    result = max_statistic_p_values(observed, rows)
    return {
        "n_surrogates": n_surrogates,
        "statistic": "log-loss skill of a linear model over the best causal baseline, nats per "
        "sample",
        "model": "linear models",
        "surrogate": "sign_flip",
        "tests": "whether the direction of bars is forecast.",
        "names": list(names),
        "observed": observed.tolist(),
        "null": rows.tolist(),
        "p_adjusted": result.p_adjusted.tolist(),
        "p_single": result.p_single.tolist(),
        "standardised": result.standardised.tolist(),
        "max_null": [0.0] * n_surrogates,
        "monte_carlo_error": result.monte_carlo_error.tolist(),
    }


def campaign(runs=None, **changes):
    """27 strategies on 5,000 real bars with thresholds divided by ten; one failed."""
    if runs is None:
        runs = [run(*row, seed=i) for i, row in enumerate(V15)]
        runs[18] = replace(runs[18], duplicate_of="v15_rsi_adx", design_id=runs[9].design_id)
        runs[6] = failed(runs[6])
    names = [r.strategy for r in runs]
    base = CampaignResults(
        campaign_id="v15_tenth_20261121_101500_a1b2c3",
        name="v15_tenth",
        description="All 27 strategies on 5,000 real EURUSD hourly bars, zigzag thresholds "
        "divided by ten",
        status="completed",
        compatibility="v15",
        config={
            "name": "v15_tenth",
            "data": {"bundled": "eurusd_1h"},
            "overrides": {"date_range": "data", "zigzag_scale": 0.1},
            "null": {"surrogates": 99},
            "seed": 15,
            "backend": "compiled",
        },
        dataset={
            "symbol": "EURUSD",
            "timeframe": "1h",
            "dataset_id": "c0ffee" * 10 + "beef",
            "n_bars": 5000,
            "first_time": "2017-04-19T09:00:00Z",
            "last_time": "2018-02-07T15:00:00Z",
            "source": "backtesting.py 0.6.6 (EURUSD)",
            "provenance": "EURUSD.csv out of the wheel backtesting-0.6.6; time zone declared UTC",
            "licence": "AGPL-3.0 (the package's own licence; the origin of the prices is not "
            "stated)",
            "is_synthetic": False,
            "has_volume": True,
            "metadata": {},
        },
        seed=15,
        created_at="2026-11-21T10:15:00Z",
        finished_at="2026-11-21T10:16:12Z",
        duration_seconds=72.4,
        runs=tuple(runs),
        null=null(names) if names else None,
        environment={
            "python": "3.11.7",
            "platform": "linux-x86_64",
            "marketlab": "0.1.0+0123456789ab",
            "numpy": "2.4.6",
            "numba": "0.68.0",
            "polars": "2.1.0",
        },
    )
    return replace(base, **changes)


def failed(
    base,
    *,
    code="DATA-ConstantFeature",
    kind="data",
    error="1h_cmf_20_selling is 0 on every training bar",
):
    return replace(
        base,
        status="failed",
        error=error,
        error_code=code,
        failure_class=kind,
        verdict=None,
        splits=None,
        epochs=None,
        best_epoch=None,
        stopped_early=None,
        common_skill=None,
        history={},
        detail=None,
        n_features=None,
        parameters=None,
    )


def contract():
    """Thresholds of the contract: about seven legs in validation, so nothing can be judged."""
    runs = [run(*row, scale=1.0, seed=i) for i, row in enumerate(V15)]
    return campaign(runs, name="v15_contract", campaign_id="v15_contract_20261121_1_ffeedd")


def planted():
    """Three strategies on synthetic bars with a planted edge; two of them found it."""
    names = ("next_bar_rsi", "next_bar_stochastic", "next_bar_williams")
    label = "direction of the next bar"
    runs = [run(name, "rsi_14", seed=i, label=label) for i, name in enumerate(names)]
    for i, (outcome, skill, p) in enumerate(
        (("learned", 0.0112, 0.01), ("learned", 0.0094, 0.01), ("no evidence", 0.0004, 0.31))
    ):
        made = verdict(outcome, skill=skill, events=3000, null_p=p, label=label, synthetic=True)
        runs[i] = replace(runs[i], verdict=made, common_skill=skill, splits=splits(3000))
    base = campaign(
        runs,
        name="planted",
        campaign_id="planted_20261121_101500_0a0b0c",
        compatibility=None,
        null=null(names, lift=0.02),
    )
    data = {
        **base.dataset,
        "is_synthetic": True,
        "source": "synthetic",
        "licence": "none needed",
        "provenance": "synthetic_bars(seed=15, edge_strength=0.12)",
        "n_bars": 20000,
        "metadata": {"edge_strength": 0.12, "best_attainable_accuracy": 0.56},
    }
    return replace(base, dataset=data)


def write_run(folder: Path, name="v15_rsi_only", *, epochs=20, status="completed", asked=100):
    """Write the four files of a run; returns the folder."""
    folder.mkdir(parents=True)
    header = (
        "epoch,train_loss,val_loss,train_acc,val_acc,learning_rate,gradient_norm_avg,"
        "gradient_norm_max,param_change_magnitude,buy_precision,hold_precision,"
        "sell_precision,buy_recall,hold_recall,sell_recall,prediction_confidence_avg,"
        "prediction_entropy,learning_signal_strength,early_stopping_triggered,"
        "overfitting_score,class_balance_score,batch_count,total_samples_processed,"
        "epoch_duration_seconds"
    )
    row = (
        "{},0.68,0.69,0.55,0.56,0.001,0.2,0.5,0.02,0.5,0.0,0.5,0.5,0.0,0.5,0.5,0.69,medium,"
        "False,0.1,0.31,108,3456,0.02"
    )
    text = "\n".join([header, *(row.format(i) for i in range(epochs))]) + "\n"
    (folder / "metrics.csv").write_text(text)
    detailed = {"epoch_metrics": [{"epoch": i} for i in range(epochs)]}
    (folder / "detailed_metrics.json").write_text(json.dumps(detailed))
    (folder / "alerts.txt").write_text("No alerts generated during training.\n")
    (folder / "config.yaml").write_text(
        f"name: {name}\ntraining:\n  epochs: {asked}\n  early_stopping: {{enabled: true, "
        f"patience: 15}}\nstatus: {status}\n"
    )
    return folder
