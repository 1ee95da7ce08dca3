"""Comparing runs: is the difference between them more than noise?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from marketlab.interfaces._session import steering_session

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace


def compare(workspace: "Workspace", references: Sequence[str]) -> dict[str, Any]:
    """Compare completed runs (by run or operation id) on the samples that all of them judged.

    Raises
    ------
    ConfigError, NotFoundError or ConflictError if they cannot be compared, saying why.
    """
    from marketlab.campaigns import compare_runs

    with steering_session(workspace) as session:
        return compare_runs(session.workspace, session.ledger, references).to_mapping()
