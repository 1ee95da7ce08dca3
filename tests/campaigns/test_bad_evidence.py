"""Too little, one-sided, constant or missing: a verdict with its numbers or a refusal, no NaN."""

import dataclasses
import json
import math
import re

import numpy as np
import polars as pl
import pytest
from evidence_world import market_bars, strategy_mapping, trainer

from marketlab import evaluation as ev
from marketlab.campaigns import Executor, Ledger, OperationService, StartRequest, Workspace
from marketlab.core import DataError, MarketLabError, atomic_write, canonical_json, dump_yaml
from marketlab.evaluation import JudgeInput, NullEvidence, Undefined, judge
from marketlab.interfaces.cli import run as cli

_SLIPS = re.compile(r"(?<![A-Za-z_.-])(NaN|nan|-?inf|-?Infinity)(?![A-Za-z_-])")
FAVOURABLE = NullEvidence(
    p_adjusted=0.01,
    p_single=0.01,
    monte_carlo_error=0.01,
    n_surrogates=99,
    family_size=1,
    same_procedure=True,
)


def rng():
    return np.random.default_rng(1)


def unfinished(value, path=""):
    """Where a result holds NaN or infinity; nothing if it holds none."""
    if isinstance(value, float):
        return [] if math.isfinite(value) else [path]
    if isinstance(value, np.ndarray):
        return [] if value.dtype.kind != "f" or np.isfinite(value).all() else [path]
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    elif dataclasses.is_dataclass(value):
        items = [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
    else:
        items = [(name, getattr(value, name)) for name in getattr(type(value), "model_fields", {})]
    return [found for name, item in items for found in unfinished(item, f"{path}.{name}")]


# -- the verdict ----------------------------------------------------------------------------------


def verdict(n, *, y=None, p=None, **changes):
    evidence = {
        "y": np.arange(n) % 2 * 2 if y is None else np.asarray(y),
        "probabilities": rng().dirichlet([1, 1, 1], n) if p is None else p,
        "event": np.arange(n),
        "bar": np.arange(n),
        "train_counts": np.array([300, 0, 300]),
        "baselines": {},
        "null": FAVOURABLE,
        "n_trials": 1,
        "seed": 1,
        "label_text": "the next bar",
    }
    said = judge(JudgeInput(**{**evidence, **changes}))
    mapping = said.to_mapping()
    assert unfinished(mapping) == []
    canonical_json(mapping)  # refuses what JSON has no word for
    words = " ".join((said.sentence, *said.reasons, *said.would_change, *said.notes))
    assert not _SLIPS.search(words)
    assert "None" not in words
    return said


@pytest.mark.parametrize("n_events", [1, 5, 19, 20, 21, 99])
def test_too_few_events_are_insufficient_data_with_the_numbers(n_events):
    said = verdict(n_events)
    assert said.outcome == "insufficient data"
    events = "1 independent event" if n_events == 1 else f"{n_events} independent events"
    assert f"its validation part holds {events} of the next bar where 100 are needed" in (
        said.sentence
    )
    assert (said.skill_interval is None) == (n_events < 20)
    assert (said.minimum_detectable_skill is None) == (n_events < 20)
    assert ("below 20 events there is no honest interval" in " ".join(said.reasons)) == (
        n_events < 20
    )
    assert f"about {100 - n_events} more event" in " ".join(said.would_change)


def test_a_hundred_events_are_enough():
    assert verdict(100).outcome == "worse than baseline"


def test_no_sample_at_all_is_said_so():
    said = verdict(0, p=np.empty((0, 3)))
    assert said.outcome == "insufficient data"
    assert said.sentence.endswith("because its validation part holds no sample.")
    assert (said.skill, said.scores.accuracy, said.best_baseline) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"y": np.zeros(200, int)}, ["no validation sample is labelled SELL."]),
        (
            {"y": np.ones(200, int)},
            ["no validation sample is labelled BUY.", "no validation sample is labelled SELL."],
        ),
        ({"train_counts": np.array([0, 0, 0])}, ["the training part holds no sample."]),
        ({"train_counts": np.array([0, 0, 9])}, ["no training sample is labelled BUY."]),
        ({"event": np.zeros(200, int)}, ["the validation part holds 1 independent event; 100"]),
        (
            {"degenerate_reasons": ("the validation part of fold 3 is empty",)},
            ["the validation part of fold 3 is empty"],
        ),
    ],
)
def test_a_missing_class_or_part_is_insufficient_data_however_good_the_scores(changes, reasons):
    y = changes.get("y", np.arange(200) % 2 * 2)
    said = verdict(200, p=np.eye(3)[y], **changes)
    assert said.outcome == "insufficient data"
    for reason in reasons:
        assert any(each.startswith(reason) for each in said.reasons)


@pytest.mark.parametrize("turn", [0, 2])
def test_forecasts_of_exactly_0_and_1_have_finite_scores(turn):
    y = np.arange(200) % 2 * 2
    said = verdict(200, y=y, p=np.eye(3)[np.abs(y - turn)])
    assert said.scores.log_loss == pytest.approx(0.0 if turn == 0 else -math.log(1e-7), rel=1e-3)
    assert said.outcome == ("learned" if turn == 0 else "worse than baseline")


def test_a_constant_forecast_is_never_learned():
    said = verdict(200, p=np.tile([0.5, 0.0, 0.5], (200, 1)))
    assert said.outcome == "no evidence"
    assert said.scores.collapsed


def test_a_null_that_could_not_be_computed_is_no_evidence():
    nothing = {"p_adjusted": None, "p_single": None, "monte_carlo_error": None, "n_surrogates": 0}
    y = np.arange(200) % 2 * 2
    for null in (None, FAVOURABLE.model_copy(update=nothing)):
        said = verdict(200, y=y, p=np.eye(3)[y], null=null)
        assert (said.outcome, said.null_p) == ("no evidence", None)


# -- every score ----------------------------------------------------------------------------------

CLASSES = {
    "empty": (np.empty(0, int), np.empty((0, 3))),
    "one class": (np.zeros(60, int), rng().dirichlet([1, 1, 1], 60)),
    "all HOLD": (np.ones(60, int), rng().dirichlet([1, 1, 1], 60)),
    "constant forecast": (np.arange(60) % 3, np.full((60, 3), 1 / 3)),
    "sure and right": (np.arange(60) % 3, np.eye(3)[np.arange(60) % 3]),
    "sure and wrong": (np.arange(60) % 3, np.eye(3)[(np.arange(60) + 1) % 3]),
    "one sample": (np.array([2]), np.array([[0.2, 0.3, 0.5]])),
}
NAMES = ("BUY", "HOLD", "SELL")


@pytest.mark.parametrize("case", CLASSES)
def test_scores_of_an_odd_class_mix_are_finite_or_undefined_with_the_counts(case):
    y, p = CLASSES[case]
    event = np.arange(len(y))
    results = [
        ev.classification_scores(y, p),
        ev.multiclass_scores(y, p, NAMES),
        ev.multiclass_score_intervals(y, p, event, NAMES, seed=1, n_resamples=100),
    ]
    for positive, chance in ((0, p[:, 0]), (2, p[:, 2])):
        hit = (y == positive).astype(np.int64)
        results += [
            ev.binary_scores(hit, chance),
            ev.binary_score_intervals(hit, chance, event, seed=1, n_resamples=100),
            ev.roc_auc(hit, chance),
            ev.average_precision(hit, chance),
            ev.auc_interval(hit, chance),
            ev.paired_auc_test(hit, chance, chance),
            ev.reliability_table(hit, chance, event),
            ev.tier_calibration(hit, chance, event),
            ev.calibration_error(hit, chance, binning="count"),
        ]
    assert [unfinished(result) for result in results] == [[]] * len(results)
    if case in ("empty", "all HOLD"):
        auc = ev.roc_auc((y == 0).astype(np.int64), p[:, 0])
        assert isinstance(auc, Undefined)
        assert auc.reason == f"auc needs both classes; of {len(y)} samples 0 are positive."


@pytest.mark.parametrize("n", [0, 1, 5, 19, 20, 21])
def test_intervals_and_tests_need_20_units_and_say_how_many_there_are(n):
    first, second, event = rng().normal(size=n), rng().normal(size=n) + 1.0, np.arange(n)
    second[::2] += 1.0
    rights = [(part > 0.5).astype(np.int64) for part in (first, second)]
    results = {
        "block": ev.block_bootstrap_interval(first, event, seed=1),
        "bootstrap": ev.paired_bootstrap_test(first, second, event, seed=1),
        "loss": ev.diebold_mariano_test(first, second),
        "share": ev.share_interval(rights[0], event),
        "size": ev.effective_sample_size(first),
    }
    assert unfinished(results) == []
    undefined = {name for name, each in results.items() if isinstance(each, Undefined)}
    assert undefined == (set(results) if n < 20 else set())
    for name in undefined:
        assert re.search(rf"20 .*there are {n}\b", results[name].reason), results[name].reason
    assert (ev.event_bootstrap_interval(first, event, seed=1) is None) == (n < 20)


RETURNS = {
    "constant": (np.full(200, 0.001), "do not vary"),
    "never traded": (np.zeros(200), "do not vary"),
    "three days": (rng().normal(size=3), "the returns are 3"),
    "none": (np.empty(0), "the returns are 0"),
    "missing": (np.full(200, np.nan), "must be finite"),
}


@pytest.mark.parametrize("case", RETURNS)
def test_a_sharpe_ratio_that_says_nothing_is_refused(case):
    returns, words = RETURNS[case]
    for ask in (
        ev.probabilistic_sharpe_ratio,
        ev.minimum_track_record_length,
        lambda r: ev.deflated_sharpe_ratio(r, trial_sharpes=np.array([0.1]), n_trials=1),
    ):
        with pytest.raises(DataError, match=words):
            ask(returns)


def test_luck_of_one_trial_or_of_constant_returns():
    returns = rng().normal(0, 0.01, (200, 1))
    alone = ev.deflated_sharpe_ratio(returns[:, 0], trial_sharpes=np.array([0.1]), n_trials=1)
    assert alone.probability == ev.probabilistic_sharpe_ratio(returns[:, 0]).probability
    assert unfinished(alone) == []
    with pytest.raises(DataError, match=r"2 strategies or more; received \(200, 1\)"):
        ev.probability_of_backtest_overfitting(returns)
    with pytest.raises(DataError, match="so it has no Sharpe ratio there"):
        ev.probability_of_backtest_overfitting(np.full((200, 3), 0.001))
    with pytest.raises(DataError, match="do not vary"):
        ev.effective_number_of_trials(np.column_stack([returns, returns * 0]), n_trials=2)
    twins = np.column_stack([returns, returns])
    assert unfinished(ev.probability_of_backtest_overfitting(twins)) == []
    assert unfinished(ev.effective_number_of_trials(twins, n_trials=2)) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: ev.adjust_p_values([]),
        lambda: ev.adjust_p_values([0.1, float("nan")]),
        lambda: ev.monte_carlo_p_value(0, 0),
        lambda: ev.minimum_backtest_length(5, annual_sharpe=0.0),
        lambda: ev.max_statistic_p_values(np.array([0.1]), np.empty((0, 1))),
        lambda: ev.classification_scores(np.zeros(5, int), np.full((5, 3), np.nan)),
        lambda: ev.classification_scores(np.full(5, 7), np.full((5, 3), 1 / 3)),
        lambda: ev.binary_scores(np.zeros(5, int), np.full(5, 1.1)),
    ],
)
def test_what_has_no_meaning_is_refused_in_words(make):
    with pytest.raises(MarketLabError) as caught:
        make()
    assert len(caught.value.message) > 25
    assert caught.value.code


# -- folds and label ends -------------------------------------------------------------------------

BARS = np.arange(200)
SPLIT = ev.RatioSplit(train=0.7, validation=0.15, test=0.15)


def test_folds_that_leave_nothing_say_how_many_were_purged():
    (fold,) = SPLIT.folds(BARS, np.full(200, 199), BARS)
    assert fold.degenerate_reasons == (
        "the training part is empty: of 200 samples it got 140, and 140 of these were purged.",
        "the validation part is empty: of 200 samples it got 30, and 30 of these were purged.",
    )
    with pytest.raises(DataError, match="cannot be judged: fold 0: the training part is empty"):
        ev.require_usable_folds([fold], BARS % 3, positives=(0, 2), minimum=1)


def test_folds_without_positives_are_refused_with_the_counts():
    folds = SPLIT.folds(BARS, BARS, BARS)
    with pytest.raises(DataError, match="holds 0 samples of class 0 among 140; at least 1"):
        ev.require_usable_folds(folds, np.ones(200, int), positives=(0, 2), minimum=1)
    problems = ev.fold_problems(folds, BARS % 3, positives=(0, 2), minimum=20)
    assert len(problems) == 4, "both classes in both of the short parts"
    assert problems[0].endswith("holds 10 samples of class 0 among 30; at least 20 are needed.")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (BARS - 1, "a label cannot be known before its own bar; sample 0"),
        (np.full(200, -1), "a label cannot be known before its own bar"),
        (BARS[:5], "of one length"),
        (np.full(200, np.nan), "must be of an integer type, not float64"),
    ],
)
def test_labels_without_ends_cannot_be_split(end, words):
    with pytest.raises(DataError, match=words):
        SPLIT.folds(BARS, end, BARS)


# -- through the command line ---------------------------------------------------------------------

FIRST = 400  # bar at which validation begins


def split(bars, n_validation, first=FIRST):
    """Days that leave so many next-bar samples in validation, and 60 bars for the test part."""

    def day(position):
        return str(bars.times(position).date())

    return {
        "type": "dates",
        "train": {"start": day(0), "end": day(399)},
        "validation": {"start": day(first), "end": day(first + n_validation)},
        "test": {"start": day(540), "end": day(598)},
    }


def daily(**training):
    mapping = strategy_mapping(**training)
    mapping["training_data"]["timeframes"].update(list=["1d"], base_timeframe="1d")
    return mapping


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Bars imported from CSV files: a walk, one that only rises from bar 400 on, a flat one."""
    folder = tmp_path_factory.mktemp("bad")
    workspace = Workspace.at(folder / "ws").create()
    bars = market_bars(600, timeframe="1d", longest=600)
    close = bars.close.copy()
    rising = close.copy()
    rising[FIRST:] = rising[FIRST - 1] * np.exp(0.001 * np.arange(1, 201))
    series = {"EURUSD": close, "RISING": rising, "FLAT": np.full(600, 1.1)}
    for symbol, closes in series.items():
        opens = np.r_[closes[0], closes[:-1]]
        table = pl.DataFrame(
            {
                "time": [bars.times(k).isoformat() for k in range(600)],
                "open": opens,
                "high": np.maximum(opens, closes) * 1.0001,
                "low": np.minimum(opens, closes) * 0.9999,
                "close": closes,
            }
        )
        table.write_csv(folder / f"{symbol}.csv")
        options = ["--symbol", symbol, "--timeframe", "1d", "--timezone", "UTC"]
        said = cli(
            [
                "--workspace",
                str(workspace.root),
                "data",
                "import",
                str(folder / f"{symbol}.csv"),
                *options,
            ]
        )
        assert said == 0
    return workspace, bars


BLOCKS = {
    "empty validation": (
        "EURUSD",
        lambda bars: {"data_split": split(bars, 0)},
        r"validation part is empty",
    ),
    "one class": (
        "RISING",
        lambda bars: {"data_split": split(bars, 120)},
        r"validation part has no SELL",
    ),
    "no direction": (
        "EURUSD",
        lambda _: {"labels": {"source": "forward_return", "horizon": 1, "dead_zone": 0.5}},
        r"train\w* part has no BUY",
    ),
    "prices that stand still": ("FLAT", lambda _: {}, r"train\w* part has no BUY"),
    "no training": (
        "EURUSD",
        lambda _: {"data_split": {"train": 0.001, "validation": 0.5, "test": 0.499}},
        r"train\w* part is empty",
    ),
    "labels longer than the parts": (
        "EURUSD",
        lambda _: {"labels": {"source": "forward_return", "horizon": 400, "dead_zone": 0.0}},
        r"train\w* part is empty",
    ),
    "no leg ever ends": (
        "EURUSD",
        lambda _: {"labels": {"source": "zigzag", "zigzag_threshold": 0.9}},
        r"train\w* part is empty",
    ),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_a_run_that_could_not_be_judged_is_refused_before_anything_is_recorded(place, case):
    workspace, bars = place
    symbol, training, words = BLOCKS[case]
    mapping = daily(**training(bars))
    mapping["training_data"]["symbols"]["list"] = [symbol]
    atomic_write(workspace.strategies / "bad.yaml", dump_yaml({**mapping, "name": "bad"}))
    with workspace.store() as store:
        ledger = Ledger(store)
        before = ledger.list_operations()[1]
        service = OperationService(workspace, ledger, Executor(workspace, ledger, workers=1))
        with pytest.raises(DataError, match=words) as caught:
            service.start_training(StartRequest(strategy_name="bad"))
        assert ledger.list_operations()[1] == before
    assert caught.value.details["splits"]["train"]["samples"] is not None


@pytest.fixture(scope="module")
def judged(place):
    """Runs with 5 and 20 events judged, and one of 20 other days."""
    workspace, bars = place
    with workspace.store() as store:
        with trainer(workspace, Ledger(store), surrogates=19) as train:
            rows = {
                "five": train("five", daily(data_split=split(bars, 5))),
                "twenty": train("twenty", daily(data_split=split(bars, 20))),
                "later": train("later", daily(data_split=split(bars, 20, first=500))),
            }
        return workspace, {name: row["run_id"] for name, row in rows.items()}


@pytest.mark.parametrize(("name", "n_events"), [("five", 5), ("twenty", 20)])
def test_a_run_with_few_events_ends_with_that_verdict(judged, name, n_events):
    workspace, ids = judged
    said = json.loads((workspace.run_folder(ids[name]) / "verdict.json").read_text())
    assert said["outcome"] == "insufficient data"
    assert f"its validation part holds {n_events} independent events" in said["sentence"]
    assert (said["skill_interval"] is None) == (n_events < 20)


def test_the_test_part_of_such_a_run_says_how_much_it_lacks(judged, capfd):
    workspace, ids = judged
    arguments = ["evaluate", ids["five"], "--test", "--surrogates", "19"]
    assert cli(["--workspace", str(workspace.root), *arguments]) == 0
    said = capfd.readouterr().out
    assert "Verdict on the test part: insufficient data" in said
    assert re.search(r"its test part holds 5\d independent events of .* where 100 are needed", said)
    assert "No test part that was opened before overlaps this one in time." in said


def test_runs_without_common_samples_are_not_compared(judged, capfd):
    workspace, ids = judged
    place = ["--workspace", str(workspace.root), "compare"]
    assert cli([*place, ids["twenty"], ids["later"]]) == 2
    assert "no sample was judged by all of these runs: twenty: 20 samples" in capfd.readouterr().err
    assert cli([*place, ids["five"], ids["twenty"]]) == 0
    said = capfd.readouterr().out
    assert "the 5 common samples hold 5 independent events, and 20 are needed." in said
    assert not _SLIPS.search(said)


def test_no_file_of_such_runs_holds_a_number_that_is_none(judged):
    workspace, ids = judged
    read = 0
    for run_id in ids.values():
        for path in workspace.run_folder(run_id).rglob("*"):
            if path.suffix in {".json", ".csv", ".txt", ".yaml", ".md", ".html"}:
                read += 1
                found = _SLIPS.search(path.read_text())
                assert found is None, f"{path.name}: {found}"
    assert read >= 5 * len(ids)
