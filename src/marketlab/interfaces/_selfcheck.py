"""Runs the check of the judge in a folder of its own that is gone afterwards."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from marketlab.interfaces._session import default_workers

if TYPE_CHECKING:
    from marketlab.campaigns import CampaignState, SelfcheckReport


def run_selfcheck(
    *,
    workers: int | None = None,
    on_step: Callable[[str], None] | None = None,
    on_tick: Callable[["CampaignState"], None] | None = None,
) -> "SelfcheckReport":
    """Return whether noise fails and a planted edge is found on this machine.

    Needs no workspace and no download; a database that ``DB_URL`` names is not touched.
    """
    import tempfile
    from pathlib import Path

    from marketlab.campaigns import selfcheck

    with tempfile.TemporaryDirectory(
        prefix="marketlab-selfcheck-", ignore_cleanup_errors=True
    ) as folder:
        return selfcheck(
            Path(folder), workers=workers or default_workers(), on_step=on_step, on_tick=on_tick
        )
