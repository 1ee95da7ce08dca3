"""Fixtures of the campaign tests."""

import pytest
from campaign_world import mini_config, run_campaign


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A finished campaign on bars with a strong edge."""
    return run_campaign(tmp_path_factory.mktemp("campaign") / "ws", mini_config())
