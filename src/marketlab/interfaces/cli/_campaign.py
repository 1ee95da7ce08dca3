"""`marketlab campaign …`: families of strategies on one data set, with their null."""

from typing import TYPE_CHECKING, Annotated

import typer

from marketlab.interfaces.cli._shell import (
    JsonOption,
    Shell,
    WorkersOption,
    WorkspaceOption,
    print_json,
    say,
    table,
)

if TYPE_CHECKING:
    from marketlab.campaigns import CampaignResults

campaign = typer.Typer(
    help="Run families of strategies on one data set, beside noise, to a verdict.",
    no_args_is_help=True,
)

CampaignArgument = Annotated[
    str, typer.Argument(metavar="CAMPAIGN", help="Id of a campaign, or its name for the latest.")
]


NullOption = Annotated[
    str | None,
    typer.Option(
        help="What is refitted on every surrogate market: `linear` (a line on each strategy's "
        "inputs, seconds) or `net` (each strategy's own net, minutes). Default: as the file says."
    ),
]
SurrogatesOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Surrogate markets, 19 or more. Default: as the file says."),
]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.add_typer(campaign, name="campaign")


@campaign.command("run")
def run(
    context: typer.Context,
    reference: Annotated[
        str, typer.Argument(metavar="NAME_OR_FILE", help="A shipped recipe or a campaign file.")
    ],
    *,
    null: NullOption = None,
    surrogates: SurrogatesOption = None,
    workers: WorkersOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run a campaign to its verdicts and reports.

    Trains every strategy, scores surrogates, judges, writes the reports.

    Ctrl-C stops it; `marketlab campaign resume` goes on from there.
    """
    from marketlab.interfaces import usecases
    from marketlab.interfaces.cli._live import campaign_view

    shell = Shell(context, workspace, as_json)
    with campaign_view(as_json=as_json) as view:
        results = usecases.run_campaign(
            shell.workspace,
            reference,
            null=null,
            surrogates=surrogates,
            workers=workers,
            on_tick=view.tick,
        )
    return finish(shell, results)


@campaign.command("resume")
def resume(
    context: typer.Context,
    reference: CampaignArgument,
    *,
    workers: WorkersOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Go on with a campaign that was stopped.

    Finished runs are kept, interrupted ones continue from their checkpoint.
    """
    from marketlab.interfaces import usecases
    from marketlab.interfaces.cli._live import campaign_view

    shell = Shell(context, workspace, as_json)
    with campaign_view(as_json=as_json) as view:
        results = usecases.resume_campaign(
            shell.workspace, reference, workers=workers, on_tick=view.tick
        )
    return finish(shell, results)


def finish(shell: Shell, results: "CampaignResults") -> int:
    """Show a campaign that ended; 0 if every run completed, else 1."""
    from marketlab.interfaces import usecases
    from marketlab.interfaces.cli._results import show_results

    reports = usecases.report_paths(shell.workspace, results)
    if shell.as_json:
        print_json({**usecases.results_mapping(results), "reports": reports})
    else:
        show_results(results, reports)
    return 1 if results.not_completed else 0


@campaign.command("list")
def list_(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> None:
    """List campaigns and recipes."""
    from marketlab.campaigns import recipe_names
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    rows = usecases.list_campaigns(shell.workspace)
    lines = table(
        ("campaign", "status", "created", "finished"),
        [(r["campaign_id"], r["status"], r["created_at"], r["finished_at"]) for r in rows],
    )
    text = lines if rows else ["No campaign was run here yet."]
    recipes = recipe_names()
    shell.show(
        {"campaigns": rows, "recipes": recipes},
        [*text, "", f"Recipes for `marketlab campaign run`: {', '.join(recipes)}"],
    )


@campaign.command("results")
def results_(
    context: typer.Context,
    reference: CampaignArgument,
    *,
    csv: Annotated[bool, typer.Option("--csv", help="Print the results as CSV.")] = False,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a campaign amounts to."""
    from marketlab.interfaces import usecases
    from marketlab.interfaces.cli._results import show_results

    shell = Shell(context, workspace, as_json)
    results = usecases.campaign_results(shell.workspace, reference)
    if as_json:
        print_json(usecases.results_mapping(results))
    elif csv:
        say(usecases.results_csv(results).rstrip("\n"))
    else:
        show_results(results, usecases.report_paths(shell.workspace, results))


@campaign.command("report")
def report(
    context: typer.Context,
    reference: CampaignArgument,
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the reports of a campaign again."""
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    paths = usecases.campaign_report(shell.workspace, reference)
    shell.show(paths, [f"{kind}: {path}" for kind, path in paths.items()])


@campaign.command("verify")
def verify(
    context: typer.Context,
    reference: Annotated[
        str | None,
        typer.Argument(metavar="[CAMPAIGN]", help="All run directories if none is named."),
    ] = None,
    *,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check the files of runs.

    For one campaign also the five end-to-end checks and the four questions.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    found = usecases.verify(shell.workspace, reference)
    shell.show(found.to_mapping(), found.lines)
    return 0 if found.ok else 1
