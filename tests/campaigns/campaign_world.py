"""A small campaign on synthetic bars that several tests look at."""

import csv

from marketlab.campaigns import (
    CampaignConfig,
    CampaignRunner,
    DataConfig,
    Executor,
    Ledger,
    NullConfig,
    Overrides,
    StrategiesConfig,
    Workspace,
)
from marketlab.data import SyntheticConfig


def mini_config(*, edge=0.35, epochs=12, n_bars=5_000, names=None, surrogates=19, **changes):
    """A campaign of two strategies that runs in seconds."""
    return CampaignConfig(
        name="mini",
        data=DataConfig(synthetic=SyntheticConfig(n_bars=n_bars, seed=3, edge_strength=edge)),
        strategies=StrategiesConfig(
            recipe="next_bar", names=names or ("next_bar_rsi", "next_bar_williams")
        ),
        overrides=Overrides(date_range="data", epochs=epochs),
        null=NullConfig(surrogates=surrogates),
        seed=7,
        **changes,
    )


def run_campaign(root, config):
    """Run a campaign from nothing and return (workspace, campaign id, results)."""
    workspace = Workspace.at(root).create()
    with workspace.store() as store:
        ledger = Ledger(store)
        with Executor(workspace, ledger, workers=2) as executor:
            runner = CampaignRunner(workspace, ledger, executor)
            campaign_id = runner.create(config)
            states = []
            results = runner.run(campaign_id, on_tick=states.append)
    return workspace, campaign_id, results, states


def numbers(workspace, run):
    """Return metrics.csv without its last column, the duration."""
    rows = csv.reader((workspace.runs / run.run_id / "metrics.csv").read_text().splitlines())
    return [row[:23] for row in rows]


def weights(workspace, run):
    """Return the bytes of the run's weights."""
    return (workspace.runs / run.run_id / "model" / "weights.safetensors").read_bytes()
