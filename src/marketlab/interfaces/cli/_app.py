"""The root of the command line: which commands there are, and how an error is shown once."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from marketlab.interfaces.cli import (
    _campaign,
    _compare,
    _data,
    _features,
    _labels,
    _models,
    _operations,
    _report,
    _selfcheck,
    _serve,
    _strategy,
    _system,
    _train,
)
from marketlab.interfaces.cli._shell import State, WorkspaceOption, print_json, say

WELCOME = """\
marketlab trains families of small models on market data and says whether anything was learned.

Start here:
  marketlab doctor    check this machine
  marketlab demo      see a planted edge found, noise refused, and real EURUSD judged
  marketlab init      make a workspace of your own

All commands: marketlab --help"""

REPORT = (
    "This is a mistake in marketlab, not in your input. Please report it with the command you "
    "ran and what\n`marketlab -v <the same command>` prints (it adds the traceback)."
)

app = typer.Typer(
    name="marketlab",
    help="Campaigns of machine-learning experiments on market data whose conclusions hold.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    *,
    workspace: WorkspaceOption = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Show a traceback for unexpected errors.")
    ] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Campaigns of machine-learning experiments on market data whose conclusions hold."""
    state = context.ensure_object(State)
    state.workspace, state.verbose = workspace, verbose
    if version:
        from marketlab import __version__

        say(f"marketlab {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(WELCOME)


for module in (
    _system,
    _data,
    _features,
    _labels,
    _strategy,
    _train,
    _campaign,
    _report,
    _compare,
    _operations,
    _models,
    _selfcheck,
    _serve,
):
    module.add_to(app)


def main() -> None:
    """Run the command line of this process; the console script calls this."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    0 done · 1 done, and the answer is no · 2 change the request · 3 look at the data · 4 try
    again · 5 stopped on request · 6 a promise is broken · 70 a mistake of ours · 130 interrupted.
    """
    if not arguments:  # before typer, which loads pydantic as soon as it reads an option
        say(WELCOME)
        return 0
    state = State()
    as_json = "--json" in arguments
    try:
        code = app(args=list(arguments), prog_name="marketlab", standalone_mode=False, obj=state)
    except typer.Abort:
        return _interrupted()
    except BrokenPipeError:  # the reader of our output went away
        sys.stderr.close()
        return 1
    except Exception as error:  # the one place where errors are shown
        return _show(error, as_json=as_json, verbose=state.verbose)
    if code == 130:
        return _interrupted()
    return code if isinstance(code, int) else 0


def _interrupted() -> int:
    _complain("Stopped.")
    return 130


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


def _show(error: Exception, *, as_json: bool, verbose: bool) -> int:
    """Show an error once, as text on stderr or as the envelope on stdout; return the exit code."""
    from marketlab.core import MarketLabError
    from marketlab.interfaces._envelope import envelope, error_envelope

    usage = getattr(error, "format_message", None)  # typer's own errors about options
    if usage is not None:
        message = str(usage())
        if as_json:
            print_json(envelope(code="REQUEST-Usage", message=message))
        else:
            _complain(f"Error: {message}\n  Help: {_help_of(error)}")
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, MarketLabError):
        if as_json:
            print_json(error_envelope(error))
        else:
            _complain("\n".join(error_lines(error)))
        return error.exit_code
    text = f"{type(error).__name__}: {error}"
    if as_json:
        print_json(envelope(code="SYSTEM-Unexpected", message=text, suggestion=REPORT))
    else:
        _complain(f"Unexpected error: {text}\n{REPORT}")
    if verbose:
        import traceback

        _complain("".join(traceback.format_exception(error)))
    return 70


def _help_of(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context is not None else 'marketlab'} --help"


def error_lines(error: Exception) -> list[str]:
    """Return the lines that show a `MarketLabError`: code, message, value, remedy, other issues."""
    from marketlab.core import MarketLabError

    if not isinstance(error, MarketLabError):
        raise TypeError(f"{type(error).__name__} is no MarketLabError")
    head = f"{error.field}: {error.message}" if error.field else error.message
    lines = [f"Error {error.code}: {head}"]
    value = error.to_dict()["value"]
    if value is not None and value not in error.message:
        lines.append(f"  Received: {value}")
    if error.suggestion:
        lines.append(f"  What to do: {error.suggestion}")
    issues = error.details.get("issues") or []
    if len(issues) > 1:
        lines.append(f"  All {len(issues)} findings:")
        for item in issues[:40]:
            facts = item if isinstance(item, dict) else item.to_dict()
            owner = f"{facts['strategy']}: " if facts.get("strategy") else ""
            lines.append(f"    - {owner}{facts['message']}")
        if len(issues) > 40:
            lines.append(f"    … and {len(issues) - 40} more (--json lists them all)")
    return lines
