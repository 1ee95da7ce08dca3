"""The four run files: columns, keys, alerts, status, resume, failure."""

import json
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from training_cases import MODEL, make_data, trainer

from marketlab.core import ConfigError, ManualClock, TrainingDivergedError, load_yaml
from marketlab.training import (
    METRICS_COLUMNS,
    RUN_FILES,
    AlertConfig,
    EpochMetrics,
    RunAnalytics,
    RunFacts,
    TrainingData,
    fit,
)
from marketlab.training._alerts import AlertLog, alerts_text
from marketlab.training._run_files import csv_row

RUN_ID = "EURUSD_v15_rsi_zigzag_1.5_20261121_031500_ab12cd34"


def facts(**changes):
    base = {
        "run_id": RUN_ID,
        "strategy": "v15_rsi_zigzag_1.5",
        "operation_id": "op_training_20261121_031500_ab12cd34",
        "seed": 7,
        "config": {
            "name": "v15_rsi_zigzag_1.5",
            "description": "names: in a text do no harm",
            "version": "3.0",
            "training": {"epochs": 4, "labels": {"source": "zigzag", "zigzag_threshold": 0.015}},
        },
        "features": ["f0", "f1", "f2", "f3", "f4"],
        "splits": {"train": {"rows": 300}, "validation": {"rows": 120}},
        "data_fingerprint": "ab" * 32,
    }
    return RunFacts(**(base | changes))


def analytics(tmp_path, **changes):
    clock = ManualClock(datetime(2026, 11, 21, 3, 15, tzinfo=UTC))
    places = (tmp_path / "runs" / RUN_ID, tmp_path / "failed" / RUN_ID)
    return RunAnalytics(*places, facts(), clock=clock, **{"whole_seconds": 0.0, **changes})


@pytest.fixture
def finished(tmp_path):
    writer = analytics(tmp_path)
    result = fit(make_data(), MODEL, trainer(), seed=7, on_epoch=writer.on_epoch)
    writer.finish(result, baselines={"majority_accuracy": 0.5})
    return tmp_path / "runs" / RUN_ID, result


def test_all_four_files_are_there(finished):
    run, _ = finished
    assert sorted(p.name for p in run.iterdir()) == sorted(RUN_FILES)


def test_metrics_csv_has_the_24_columns_in_order(finished):
    run, result = finished
    text = (run / "metrics.csv").read_text()
    lines = text.splitlines()
    assert text.endswith("\n")
    assert lines[0] == (
        "epoch,train_loss,val_loss,train_acc,val_acc,learning_rate,gradient_norm_avg,"
        "gradient_norm_max,param_change_magnitude,buy_precision,hold_precision,sell_precision,"
        "buy_recall,hold_recall,sell_recall,prediction_confidence_avg,prediction_entropy,"
        "learning_signal_strength,early_stopping_triggered,overfitting_score,"
        "class_balance_score,batch_count,total_samples_processed,epoch_duration_seconds"
    )
    assert len(METRICS_COLUMNS) == 24
    assert len(lines) == 5
    for line, metrics in zip(lines[1:], result.history, strict=True):
        row = dict(zip(METRICS_COLUMNS, line.split(","), strict=True))
        assert int(row["epoch"]) == metrics.epoch
        assert float(row["val_acc"]) == metrics.val_accuracy
        assert float(row["train_loss"]) == metrics.train_loss
        assert float(row["sell_recall"]) == metrics.validation.classes["SELL"].recall
        assert float(row["prediction_entropy"]) == metrics.validation.entropy
        assert row["learning_signal_strength"] in {"unknown", "weak", "medium", "strong"}
        assert row["early_stopping_triggered"] == "False"
        assert row["batch_count"] == "10"
        assert row["total_samples_processed"] == "300"
        assert "e" not in "".join(
            v
            for k, v in row.items()
            if k not in {"learning_signal_strength", "early_stopping_triggered"}
        )
    assert lines[1].split(",")[8] == "0.0"  # no parameter change before the first epoch
    assert float(lines[2].split(",")[8]) > 0


def test_small_numbers_are_written_without_an_exponent():
    history = fit(make_data(), MODEL, trainer(epochs=1, learning_rate=1e-7), seed=1).history
    assert csv_row(history[0]).split(",")[5] == "0.0000001"


def test_same_seed_same_columns_1_to_23(tmp_path):
    rows = []
    for name in ("a", "b"):
        writer = analytics(tmp_path / name)
        fit(make_data(), MODEL, trainer(), seed=7, on_epoch=writer.on_epoch)
        lines = (writer.run_dir / "metrics.csv").read_text().splitlines()
        rows.append([line.split(",")[:23] for line in lines])
    assert rows[0] == rows[1]


def test_detailed_metrics_has_every_documented_key(finished):
    run, result = finished
    text = (run / "detailed_metrics.json").read_text()
    content = json.loads(text)
    assert set(content) >= {
        "run_metadata",
        "training_config",
        "epoch_metrics",
        "alerts",
        "final_analysis",
        "features",
        "splits",
        "baselines",
        "best_epoch_index",
        "environment",
        "data_fingerprint",
        "seed",
        "test_metrics",
    }
    assert content["run_metadata"] == {
        "run_id": RUN_ID,
        "start_time": "2026-11-21T03:15:00Z",
        "end_time": "2026-11-21T03:15:00Z",
        "total_epochs": 4,
        "status": "completed",
    }
    assert content["baselines"] == {"majority_accuracy": 0.5}
    assert content["best_epoch_index"] == result.best_epoch
    assert content["training_config"]["training"]["epochs"] == 4
    sealed = content["test_metrics"]
    assert sealed["test_loss"] is None
    assert sealed["test_accuracy"] is None
    assert "evaluate --test" in sealed["reason"]
    first = content["epoch_metrics"][0]
    assert list(first) == [
        "epoch",
        "train_loss",
        "val_loss",
        "train_accuracy",
        "val_accuracy",
        "learning_rate",
        "duration",
        "gradient_norms",
        "parameter_stats",
        "class_metrics",
        "prediction_stats",
        "learning_indicators",
        "timing",
        "early_stopping_triggered",
    ]
    assert set(first["gradient_norms"]) == {"average", "maximum", "by_layer"}
    layer = first["parameter_stats"]["by_layer"]["layers.0.weight"]
    assert set(layer) == {"mean_change", "std_change", "max_change", "mean_value", "std_value"}
    assert list(first["class_metrics"]) == ["BUY", "HOLD", "SELL"]
    assert set(first["class_metrics"]["BUY"]) == {"precision", "recall", "f1", "support"}
    assert sum(first["prediction_stats"]["confidence_distribution"]) == 120
    assert set(first["learning_indicators"]) == {
        "signal_strength",
        "overfitting_score",
        "class_balance_score",
        "convergence_indicator",
    }
    assert set(first["timing"]) >= {"epoch_duration", "batch_count", "samples_processed"}
    final = content["final_analysis"]
    accuracies = [m.val_accuracy for m in result.history]
    assert final["best_epoch"] == int(np.argmax(accuracies)) + 1
    assert final["best_val_accuracy"] == max(accuracies)
    assert final["stopping_reason"] == "completed"
    assert final["total_epochs_completed"] == 4
    assert final["final_gradient_norm"] == result.history[-1].gradient_norm_avg
    assert final["alert_count"] == len(content["alerts"])
    assert final["training_duration_minutes"] == pytest.approx(
        sum(m.duration_seconds for m in result.history) / 60
    )


def test_config_yaml_names_the_strategy_on_line_1(finished):
    run, _ = finished
    text = (run / "config.yaml").read_text()
    assert text.splitlines()[0] == "name: v15_rsi_zigzag_1.5"
    content = load_yaml(text)
    assert list(content)[:4] == ["name", "description", "version", "training"]
    assert content["status"] == "completed"
    assert content["run_id"] == RUN_ID
    assert content["operation_id"].startswith("op_training_")
    assert content["seed"] == 7
    assert content["features"] == ["f0", "f1", "f2", "f3", "f4"]
    assert content["training"]["labels"]["zigzag_threshold"] == 0.015
    assert content["versions"]["python"]


def test_nothing_appears_before_the_first_epoch_and_everything_after_it(tmp_path):
    writer = analytics(tmp_path)
    assert list(tmp_path.iterdir()) == []
    seen = []

    def on_epoch(metrics, state):
        writer.on_epoch(metrics, state)
        content = json.loads((writer.run_dir / "detailed_metrics.json").read_text())
        assert len(content["epoch_metrics"]) == metrics.epoch + 1
        assert content["run_metadata"]["status"] == "running"
        assert content["run_metadata"]["end_time"] is None
        assert content["best_epoch_index"] == state.stop.best_epoch
        assert load_yaml((writer.run_dir / "config.yaml").read_text())["status"] == "running"
        assert len((writer.run_dir / "metrics.csv").read_text().splitlines()) == metrics.epoch + 2
        seen.append(sorted(p.name for p in writer.run_dir.iterdir()))

    fit(make_data(), MODEL, trainer(epochs=2), seed=7, on_epoch=on_epoch)
    assert seen == [sorted(RUN_FILES)] * 2
    assert not (tmp_path / "failed").exists()


def test_a_run_that_fails_before_its_first_epoch_lies_under_failed(tmp_path):
    writer = analytics(tmp_path)
    with pytest.raises(TrainingDivergedError) as caught:
        fit(
            make_data(),
            MODEL,
            trainer(learning_rate=1e30, optimizer="sgd"),
            seed=7,
            on_epoch=writer.on_epoch,
        )
    place = writer.fail(caught.value)
    assert place == tmp_path / "failed" / RUN_ID
    assert not (tmp_path / "runs").exists()
    assert sorted(p.name for p in place.iterdir()) == sorted(RUN_FILES)
    config = load_yaml((place / "config.yaml").read_text())
    assert config["status"] == "failed"
    assert config["error_code"] == "TRAINING-Diverged"
    assert "epoch 0, batch 1" in config["error"]
    alerts = (place / "alerts.txt").read_text()
    assert "Epoch 0 [CRITICAL]: the loss stopped being finite" in alerts
    content = json.loads((place / "detailed_metrics.json").read_text())
    assert content["alerts"][0]["category"] == "numeric"
    assert content["epoch_metrics"] == []


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_run_that_ends_later_keeps_its_directory(tmp_path, status):
    writer = analytics(tmp_path)
    fit(make_data(), MODEL, trainer(epochs=2), seed=7, on_epoch=writer.on_epoch)
    place = writer.fail(RuntimeError("the machine was switched off"), status=status)
    assert place == tmp_path / "runs" / RUN_ID
    config = load_yaml((place / "config.yaml").read_text())
    assert (config["status"], config["error"]) == (status, "the machine was switched off")
    content = json.loads((place / "detailed_metrics.json").read_text())
    assert content["run_metadata"]["status"] == status
    assert content["final_analysis"]["stopping_reason"] is None
    assert len(content["epoch_metrics"]) == 2


def test_resume_repeats_and_loses_no_epoch(tmp_path):
    data, config = make_data(), trainer(epochs=5)
    states = []
    whole = analytics(tmp_path / "whole")

    def on_epoch(metrics, state):
        whole.on_epoch(metrics, state)
        states.append(state)

    fit(data, MODEL, config, seed=7, on_epoch=on_epoch)
    # The first process wrote 4 epochs, but its last checkpoint holds 3.
    first = analytics(tmp_path / "parts")
    for state in states[:4]:
        first.on_epoch(state.history[-1], state)
    second = analytics(tmp_path / "parts", resume=states[2])
    assert len((second.run_dir / "metrics.csv").read_text().splitlines()) == 4
    result = fit(data, MODEL, config, seed=7, resume=states[2], on_epoch=second.on_epoch)
    second.finish(result)
    texts = []
    for writer in (whole, second):
        rows = (writer.run_dir / "metrics.csv").read_text().splitlines()
        texts.append(
            (
                [row.split(",")[:23] for row in rows],
                (writer.run_dir / "alerts.txt").read_text(),
            )
        )
    assert texts[0] == texts[1]


def test_unsafe_names_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="a name is a letter or digit"):
        RunAnalytics(tmp_path / "a", tmp_path / "b", facts(strategy="../up"))


def example_metrics(**changes):
    """An epoch that no rule objects to, with `changes` on top-level or validation fields."""
    mapping = fit(make_data(), MODEL, trainer(epochs=1), seed=1).history[0].to_mapping()
    mapping |= {
        "epoch": 50,
        "gradient_norm_avg": 0.5,
        "gradient_norm_max": 1.0,
        "overfitting_score": 0.0,
        "signal_strength": "strong",
        "class_balance_score": 1.0,
    }
    mapping["validation"] |= {
        "accuracy": 0.6,
        "predicted_shares": {"BUY": 0.4, "HOLD": 0.2, "SELL": 0.4},
    }
    for key, value in changes.items():
        place = mapping["validation"] if key in mapping["validation"] else mapping
        place[key] = value
    return EpochMetrics.from_mapping(mapping)


def fired(metrics, config=None):
    log = AlertLog(config or AlertConfig())
    log.record(metrics)
    return [(a.severity, a.category) for a in log.alerts]


def test_a_healthy_epoch_raises_no_alert():
    assert fired(example_metrics()) == []


@pytest.mark.parametrize(
    ("changes", "quiet", "expected"),
    [
        ({"gradient_norm_avg": 0.0099, "epoch": 6}, {"epoch": 5}, ("warning", "gradient_flow")),
        ({"gradient_norm_max": 10.1}, {"gradient_norm_max": 10.0}, ("critical", "gradient_flow")),
        ({"overfitting_score": 0.71}, {"overfitting_score": 0.7}, ("critical", "overfitting")),
        ({"signal_strength": "weak", "epoch": 4}, {"epoch": 3}, ("warning", "learning_dynamics")),
        (
            {"class_balance_score": 0.49},
            {"class_balance_score": 0.5},
            ("warning", "data_quality"),
        ),
        ({"accuracy": 0.39, "epoch": 11}, {"epoch": 10}, ("warning", "performance")),
        (
            {"predicted_shares": {"BUY": 0.91, "HOLD": 0.0, "SELL": 0.09}},
            {"predicted_shares": {"BUY": 0.9, "HOLD": 0.0, "SELL": 0.1}},
            ("critical", "collapse"),
        ),
        ({"constant_features": ("f1",)}, {"constant_features": ()}, ("critical", "data_quality")),
    ],
)
def test_each_rule_and_its_bound(changes, quiet, expected):
    assert fired(example_metrics(**changes)) == [expected]
    assert fired(example_metrics(**(changes | quiet))) == []


def test_thresholds_come_from_the_configuration():
    assert fired(example_metrics(), AlertConfig(gradient_norm_high=0.5)) == [
        ("critical", "gradient_flow")
    ]


def test_t13_an_alert_of_every_epoch_is_one_entry():
    log = AlertLog(AlertConfig())
    for epoch in range(40):
        log.record(example_metrics_fast(epoch))
    text = alerts_text("r", log.alerts)
    assert sum("Epoch" in line for line in text.splitlines()) == 1
    assert "    first_epoch: 0\n    last_epoch: 39\n    count: 40\n" in text
    assert text.endswith("Summary:\nTotal alerts: 1\nCritical: 0, Warnings: 1\n")
    assert len(log.alerts) == 1


_IMBALANCED = {}


def example_metrics_fast(epoch):
    """The imbalance of the campaign (shares 50/1/49 score 0.314) in any epoch."""
    if not _IMBALANCED:
        _IMBALANCED.update(example_metrics(class_balance_score=0.314).to_mapping())
    return EpochMetrics.from_mapping(_IMBALANCED | {"epoch": epoch})


def test_alerts_text_in_full():
    log = AlertLog(AlertConfig())
    log.record(example_metrics(class_balance_score=0.25, epoch=2))
    assert alerts_text("run_7", log.alerts) == (
        "Training Alerts for Run: run_7\n" + "=" * 50 + "\n\n"
        "Epoch 2 [WARNING]: the classes of the validation rows are far from balanced\n"
        "    category: data_quality\n"
        "    first_epoch: 2\n"
        "    last_epoch: 2\n"
        "    count: 1\n"
        "    class_balance_score: 0.25\n"
        "    threshold: 0.5\n"
        "\n"
        "Summary:\nTotal alerts: 1\nCritical: 0, Warnings: 1\n"
    )
    assert alerts_text("run_7", []) == (
        "Training Alerts for Run: run_7\n" + "=" * 50 + "\n\n"
        "No alerts generated during training.\n\n"
        "Summary:\nTotal alerts: 0\nCritical: 0, Warnings: 0\n"
    )


def test_constant_features_reach_the_alerts(tmp_path):
    data = make_data()
    x = data.x_train.copy()
    x[:, 2] = 0.5
    flat = TrainingData(x, data.y_train, data.x_validation, data.y_validation, data.feature_names)
    writer = analytics(tmp_path)
    fit(flat, MODEL, trainer(epochs=2), seed=7, on_epoch=writer.on_epoch)
    assert "features: f2\n" in (writer.run_dir / "alerts.txt").read_text()


def test_a_hundred_epochs_leave_101_lines(tmp_path):
    writer = analytics(tmp_path)
    began = time.perf_counter()
    result = fit(make_data(64, 32), MODEL, trainer(epochs=100), seed=7, on_epoch=writer.on_epoch)
    writer.finish(result)
    assert time.perf_counter() - began < 60  # a bound against quadratic growth, not a benchmark
    assert len((writer.run_dir / "metrics.csv").read_text().splitlines()) == 101


def test_longer_files_may_lag_but_the_end_brings_all_of_them_up_to_date(tmp_path):
    lazy = analytics(tmp_path, whole_seconds=3600.0)
    result = fit(make_data(), MODEL, trainer(), seed=7, on_epoch=lazy.on_epoch)
    rows = (lazy.run_dir / "metrics.csv").read_text().splitlines()
    assert len(rows) == len(result.history) + 1
    stored = json.loads((lazy.run_dir / "detailed_metrics.json").read_text())
    assert len(stored["epoch_metrics"]) == 1
    lazy.finish(result)
    stored = json.loads((lazy.run_dir / "detailed_metrics.json").read_text())
    assert len(stored["epoch_metrics"]) == len(result.history)
