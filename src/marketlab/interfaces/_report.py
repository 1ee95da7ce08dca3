"""Reporting: one campaign or one run, for people and for programs."""

from typing import TYPE_CHECKING, Any

from marketlab.interfaces._session import steering_session

if TYPE_CHECKING:
    from marketlab.campaigns import Workspace


def report(workspace: "Workspace", reference: str) -> dict[str, Any]:
    """Write the report of a run or a campaign and return it.

    Parameters
    ----------
    reference : id of a run, operation or campaign, or a strategy of the newest campaign.

    Returns
    -------
    JSON-ready: kind ("run" or "campaign"), facts (`report_facts`), reports (path by kind of file),
    markdown.

    Raises
    ------
    NotFoundError if nothing is called so.
    """
    from marketlab.campaigns import make_report

    with steering_session(workspace) as session:
        made = make_report(session.workspace, session.ledger, reference)
    return {
        "kind": made.kind,
        "facts": made.facts,
        "reports": {name: str(path) for name, path in made.files.items()},
        "markdown": made.markdown,
    }
