"""The raw chunks of a dataset on disk, and the bars that they make together.

A chunk's file counts only with a row in the journal that has its hash, which is written after the
file. So a file is written in place: what a killed fetch leaves of one has no such row.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from marketlab.core import DataNotAvailableError, FloatArray, IntegrityError, storage_error
from marketlab.data._bars import BarFrame
from marketlab.data._fetch_plan import DatasetPlan
from marketlab.data._journal import ChunkJournal, ChunkRecord
from marketlab.data._source import ChunkRequest, time_of

_FINISHED = ("done", "empty")
_COLUMNS = ("open", "high", "low", "close", "volume")


def finished_chunks(plan: DatasetPlan, raw: Path) -> set[str]:
    """Return the names of the chunks that need no request: in the journal, with their file whole.

    Nothing is created.
    """
    folder = raw / plan.folder
    if not folder.is_dir():
        return set()
    journal = ChunkJournal(folder)
    try:
        records = journal.records()
        return {c.name for c in plan.chunks if is_whole(records.get(c.name), c, folder)}
    finally:
        journal.close()


def chunk_folder(folder: Path) -> Path:
    """Return the folder of the chunks' files, made if absent."""
    path = folder / "chunks"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path) from error
    return path


def write_chunk(folder: Path, request: ChunkRequest, payload: bytes) -> None:
    """Write a chunk's file; the journal must not name it before.

    Raises
    ------
    IntegrityError if the disk is full; nothing is left of the file then.
    """
    path = f"{folder}/chunks/{request.name}.json"  # a hot line: no Path
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            written = os.write(descriptor, payload)
            while written < len(payload):  # the disk took a part: the rest says why
                written += os.write(descriptor, payload[written:])
        finally:
            os.close(descriptor)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(path).unlink()
        raise storage_error(error, Path(path)) from error


def is_whole(record: ChunkRecord | None, request: ChunkRequest, folder: Path) -> bool:
    """Return whether a chunk is finished and its file the one that the journal tells of."""
    if record is None or record.state not in _FINISHED or record.target != request.target:
        return False
    try:
        payload = _chunk_path(folder, request).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(payload).hexdigest() == record.sha256


def assemble_bars(
    plan: DatasetPlan,
    folder: Path,
    records: list[ChunkRecord],
    fresh: Mapping[str, FloatArray],
) -> BarFrame:
    """Return the bars of all chunks, checked: from their files, those in `fresh` from memory.

    Raises
    ------
    DataNotAvailableError if the source had none in the whole range; IntegrityError if a chunk's
    file is not the one in the journal; DataError as in `BarFrame.build`.
    """
    assert plan.source is not None
    tables = []
    digest = hashlib.sha256()
    for chunk, record in zip(plan.chunks, records, strict=True):
        digest.update(f"{record.name} {record.sha256}\n".encode())
        if record.n_rows:
            known = fresh.get(record.name)
            tables.append(_read(record, chunk, folder) if known is None else known)
    if not tables:
        raise DataNotAvailableError(
            f"{plan.name} has no bars from {plan.request.start} to {plan.request.end}.",
            field="start",
            suggestion="Ask for a range in which it was traded.",
        )
    table = np.concatenate(tables)
    columns: dict[str, Any] = {
        name: np.ascontiguousarray(table[:, k]) for k, name in enumerate(_COLUMNS, start=1)
    }
    # Seconds are whole and far below 2**53, so they came through float64 unchanged.
    columns["time"] = table[:, 0].astype(np.int64) * 1_000_000_000
    request, source = plan.request, plan.source
    span = (plan.chunks[0].start_s, plan.chunks[-1].end_s)
    facts = source.facts(request.symbol, request.timeframe, *span)
    return BarFrame.build(
        columns,
        symbol=plan.symbol,
        timeframe=request.timeframe,
        source=facts.source,
        provenance=f"{facts.provenance}; {len(plan.chunks)} chunk(s)",
        licence=facts.licence,
        is_synthetic=facts.is_synthetic,
        metadata={
            **facts.metadata,
            "provider_symbol": request.symbol,
            "price_type": source.price_type,
            "volume_unit": source.volume_unit,
            "range": [time_of(bound) for bound in span],
            "plan_id": plan.plan_id,
            "lineage": {
                "raw_folder": str(plan.folder),
                "n_requests": len(plan.chunks),
                "chunks_sha256": digest.hexdigest(),
            },
        },
    )


def _read(record: ChunkRecord, chunk: ChunkRequest, folder: Path) -> FloatArray:
    path = _chunk_path(folder, chunk)
    payload = path.read_bytes()
    if hashlib.sha256(payload).hexdigest() != record.sha256:
        raise IntegrityError(
            f"{path} was altered after it was written.",
            code="INTEGRITY-ChunkAltered",
            suggestion="Run the same command again: only that chunk is asked for.",
        )
    return np.array(json.loads(payload), dtype=np.float64)


def _chunk_path(folder: Path, request: ChunkRequest) -> Path:
    return folder / "chunks" / f"{request.name}.json"
