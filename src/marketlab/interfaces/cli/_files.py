"""`marketlab data register-raw|register-processed`: files kept account of by manifests."""

from pathlib import Path
from typing import Annotated, Any

import typer

from marketlab.interfaces.cli._shell import JsonOption, Shell, WorkspaceOption

Dataset = Annotated[str, typer.Option(help="Name such as SPY.OHLCV.daily.")]
File = Annotated[
    Path,
    typer.Option(help="The file; a relative path counts from the workspace's folder data."),
]


def add_to(app: typer.Typer) -> None:
    """Register these commands."""
    app.command("register-raw")(register_raw)
    app.command("register-processed")(register_processed)


def register_raw(
    context: typer.Context,
    *,
    dataset: Dataset,
    file: File,
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter a downloaded file, such as raw/SPY.parquet, in the manifest of raw files.

    Other bytes under a path that is registered are refused.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    entry = usecases.register_raw(shell.workspace, dataset, file)
    shell.show(entry, _lines(entry))


def register_processed(
    context: typer.Context,
    *,
    dataset: Dataset,
    version: Annotated[int, typer.Option(min=1, help="Number of the version; it never changes.")],
    tier: Annotated[str, typer.Option(help="Such as a20, c, dataset or thresholds.")],
    file: File,
    sources: Annotated[
        list[str],
        typer.Option(
            help="MD5 or registered path of a raw file that it was made of; repeat it, or part "
            "several by commas."
        ),
    ],
    workspace: WorkspaceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Enter a derived file, such as processed/v1/SPY_dataset_c.parquet, with its sources.

    Other bytes under a registered path, or under a registered version, are refused.
    """
    from marketlab.interfaces import usecases

    shell = Shell(context, workspace, as_json)
    parts = [part.strip() for text in sources for part in text.split(",") if part.strip()]
    entry = usecases.register_processed(
        shell.workspace, dataset, file, version=version, tier=tier, sources=parts
    )
    shell.show(entry, _lines(entry))


def _lines(entry: dict[str, Any]) -> list[str]:
    lines = [f"{entry['dataset']}: {entry['path']}", f"  MD5      {entry['md5']}"]
    lines.append(f"  SHA-256  {entry['sha256']}")
    return lines + [f"  source   {md5}" for md5 in entry.get("source_raw_md5s", [])]
