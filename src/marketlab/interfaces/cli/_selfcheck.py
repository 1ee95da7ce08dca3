"""`marketlab selfcheck`: does the judge still tell noise from an edge."""

from typing import TYPE_CHECKING

import typer

from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkersOption, duration

if TYPE_CHECKING:
    from marketlab.campaigns import SelfcheckReport


def add_to(app: typer.Typer) -> None:
    """Register this command."""
    app.command("selfcheck")(selfcheck)


def selfcheck(
    context: typer.Context, *, workers: WorkersOption = None, as_json: JsonOption = False
) -> int:
    """Prove that noise fails and a planted edge is found.

    Forecasts of known worth, a campaign on noise and one on a planted edge go through the real
    pipeline. About a minute on two cores, without workspace or download. Exit code 1 if the judge
    or the pipeline is wrong anywhere.
    """
    from marketlab.interfaces import usecases
    from marketlab.interfaces.cli._live import campaign_view
    from marketlab.interfaces.cli._system import warm

    shell = Shell(context, None, as_json)
    warm(shell)
    with campaign_view(as_json=as_json) as view:
        report = usecases.run_selfcheck(workers=workers, on_step=shell.note, on_tick=view.tick)
    shell.show(report.to_mapping(), report_lines(report))
    return 0 if report.passed else 1


def report_lines(report: "SelfcheckReport") -> list[str]:
    """Return what was expected and what came out, part by part, then the one sentence."""
    lines: list[str] = []
    for part in dict.fromkeys(check.part for check in report.checks):
        lines += ["", f"{part} ({duration(report.seconds[part])})"]
        for check in report.checks:
            if check.part == part:
                lines.append(f"  {'ok  ' if check.passed else 'FAIL'} {check.name}")
                lines.append(f"       expected: {check.expected}")
                lines.append(f"       found:    {check.found}")
    return [*lines, "", f"{report.sentence} ({duration(report.seconds['total'])})"]
