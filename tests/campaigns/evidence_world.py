"""Small series that count as real, strategies with odd splits, and runs of them."""

import copy
from contextlib import contextmanager

from marketlab.campaigns import Executor, OperationService, StartRequest
from marketlab.campaigns._recipes import recipe_strategy
from marketlab.core import RunRecord, atomic_write, dump_yaml
from marketlab.data import BarFrame, SyntheticConfig, synthetic_bars


def market_bars(n_bars=2_000, *, seed=3, timeframe="1h", symbol="EURUSD", longest=2_000):
    """The first bars of one walk, stored as if they had been imported."""
    made = synthetic_bars(SyntheticConfig(n_bars=longest, seed=seed, timeframe=timeframe))
    return BarFrame.build(
        made.frame.head(n_bars), symbol=symbol, timeframe=timeframe, source="a broker"
    )


def strategy_mapping(name="next_bar_rsi", **training):
    """A shipped strategy with another training block."""
    mapping = copy.deepcopy(recipe_strategy("next_bar", name))
    mapping["training"].update({"epochs": 2, **training})
    return mapping


@contextmanager
def trainer(workspace, ledger, **options):
    """Yield a function that writes a strategy file, trains it and returns the operation's row."""
    with Executor(workspace, ledger, workers=1) as executor:
        service = OperationService(workspace, ledger, executor, **{"surrogates": 0, **options})

        def train(name, mapping):
            path = workspace.strategies / f"{name}.yaml"
            atomic_write(path, dump_yaml({**mapping, "name": name}))
            row = service.start_training(StartRequest(strategy_name=name, seed=5))
            while not executor.idle:
                executor.pump(0.1)
            return ledger.operation(row["operation_id"])

        yield train


def record_of(run_id, dataset_id, status="completed"):
    """A ledger's record of a run that never was."""
    return RunRecord(
        run_id=run_id,
        config_id=f"c_{run_id}",
        dataset_id=dataset_id,
        code_version="0",
        environment={},
        seed=1,
        status=status,
        started_at="2026-11-01T00:00:00Z",
    )


def pretend_run(ledger, run_id, dataset_id):
    """Let the ledger know a run of which only the openings matter."""
    ledger.record_run(
        record_of(run_id, dataset_id), operation_id=f"op_{run_id}", campaign_id=None, design_id="d"
    )
