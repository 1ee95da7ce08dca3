"""`marketlab init`, `doctor`, `warmup` and `demo`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketlab.interfaces.cli._shell import (
    JsonOption,
    Shell,
    WorkersOption,
    WorkspaceOption,
    print_json,
    say,
)

if TYPE_CHECKING:
    from marketlab.campaigns import CampaignResults
    from marketlab.interfaces._doctor import Finding

DEMO = {
    "planted": "An edge planted into synthetic bars: it should be found.",
    "noise": "The same bars without the edge: nothing should be found.",
    "v15_contract": "27 strategies on 5,000 real EURUSD bars, thresholds of the contract.",
    "v15_tenth": "The same with thresholds divided by ten, which gives more events.",
}


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("doctor")(doctor)
    app.command("demo")(demo)
    app.command("init")(init)
    app.command("warmup")(warmup)


def init(
    context: typer.Context,
    *,
    recipe: Annotated[
        str | None,
        typer.Option(help="Also bring in the bars and strategies of a shipped campaign."),
    ] = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a workspace of your own.

    Folders and ledger; with --recipe also the bars and strategies of a shipped campaign.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    facts = usecases.init_workspace(shell.workspace, recipe=recipe)
    lines = [f"The workspace is {facts['workspace']}."]
    if recipe is not None:
        written, kept = len(facts["strategies_written"]), len(facts["strategies_kept"])
        lines.append(f"{written} strategies of {recipe} were written, {kept} were there already.")
    lines += [
        "",
        "Next:",
        "  marketlab campaign run planted    a first campaign, no download needed",
        "  marketlab data import FILE …      bars of your own",
        "  marketlab serve                   the REST API for scripts",
    ]
    shell.show(facts, lines)


def doctor(
    context: typer.Context, *, workspace: WorkspaceOption = None, as_json: JsonOption = False
) -> int:
    """Check this machine and what is set up on it.

    Each line says ok, warn or fail, and what to do. Exit code 1 if something fails.
    """
    from marketlab.interfaces._doctor import findings_mapping
    from marketlab.interfaces.usecases import diagnose

    shell = Shell(context, workspace, as_json)
    findings = diagnose(shell.workspace)
    facts = findings_mapping(findings)
    shell.show(facts, [_finding_line(finding) for finding in findings])
    return 0 if facts["ok"] else 1


def _finding_line(finding: "Finding") -> str:
    line = f"{finding.state:<5} {finding.subject}: {finding.message}"
    return f"{line}\n      → {finding.remedy}" if finding.remedy else line


def warmup(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Compile all kernels, once.

    Later runs load them from the user's cache.
    """
    shell = Shell(context, None, as_json)
    facts = warm(shell)
    shell.show(
        facts,
        [f"{facts['kernels']} kernels are ready after {facts['seconds']} s ({facts['cache']})."],
    )


def warm(shell: Shell) -> dict[str, Any]:
    """Compile what is not compiled yet, saying so on stderr."""
    import sys

    from marketlab.interfaces import usecases

    on_terminal = sys.stderr.isatty()

    def step(name: str, position: int, total: int) -> None:
        line = f"compiling kernels {position + 1}/{total}: {name}"
        if on_terminal:
            sys.stderr.write(f"\r\033[K{line}")
            sys.stderr.flush()
        elif position % 10 == 0:
            shell.note(line)

    facts = usecases.warm_up(step)
    if on_terminal:
        sys.stderr.write("\r\033[K")
    return facts


def demo(
    context: typer.Context,
    *,
    workers: WorkersOption = None,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> int:
    """See an edge found, noise refused, EURUSD judged.

    Four campaigns of a few minutes: `planted`, `noise`, `v15_contract` and `v15_tenth`.
    """
    from marketlab.core import MarketLabError
    from marketlab.interfaces import usecases
    from marketlab.interfaces.cli._live import campaign_view
    from marketlab.interfaces.cli._results import show_table

    shell = Shell(context, workspace, as_json)
    usecases.init_workspace(shell.workspace)
    facts = warm(shell)
    shell.note(f"{facts['kernels']} kernels are ready after {facts['seconds']} s.")
    done: dict[str, CampaignResults] = {}
    problems: dict[str, MarketLabError] = {}
    for name, purpose in DEMO.items():
        shell.note(f"\n{name}: {purpose}")
        try:
            if name == "v15_contract":
                usecases.fetch_bundled(None)
            with campaign_view(as_json=as_json) as view:
                done[name] = usecases.run_campaign(
                    shell.workspace, name, workers=workers, on_tick=view.tick
                )
            if not as_json:
                show_table(done[name])
        except MarketLabError as error:
            if error.failure_class != "data":
                raise
            problems[name] = error
            shell.note(f"{name} was left out: {error}")
    reports = {n: usecases.report_paths(shell.workspace, r) for n, r in done.items()}
    _show_demo(shell, done, problems, reports)
    if problems:
        return next(iter(problems.values())).exit_code
    return 1 if any(results.not_completed for results in done.values()) else 0


def _show_demo(
    shell: Shell,
    done: "dict[str, CampaignResults]",
    problems: dict[str, Any],
    reports: dict[str, dict[str, str]],
) -> None:
    from marketlab.interfaces import usecases
    from marketlab.interfaces.cli._results import sentence, statement_lines, verdict_counts

    found = {name: usecases.campaign_findings(results) for name, results in done.items()}
    if shell.as_json:
        left_out = {name: str(error) for name, error in problems.items()}
        print_json({"findings": found, "left_out": left_out, "reports": reports})
        return
    say("\nWhat was found")
    for name in DEMO:
        title = f"EURUSD ({name})" if name.startswith("v15") else name
        if name in found:
            say(f"\n  {title}: {verdict_counts(found[name])}")
            say(f"    {sentence(found[name])}")
        else:
            say(f"\n  {title}: left out. {problems[name]}")
    if "v15_contract" in found:
        facts = found["v15_contract"]
        for title, kind in (
            ("Why EURUSD cannot be judged at the contract's thresholds", "reasons"),
            ("What would change it", "would_change"),
        ):
            for line in statement_lines(facts, kind, title, most=3):
                say(line)
    say("\nReports")
    for name, paths in reports.items():
        say(f"  {name}: {paths.get('report.html', 'none')}")
    say("\nWhat to try next")
    say("  marketlab campaign list           what was run")
    say("  marketlab campaign run v15_sp500  the 27 strategies on 20 years of S&P 500")
    say("  marketlab plan planted            what a campaign resolves to, before anything is run")
    say("  marketlab data import FILE …      bars of your own")
