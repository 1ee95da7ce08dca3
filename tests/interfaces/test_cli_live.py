"""What a person sees while a campaign runs: on a terminal, and in a log file."""

import io

import pytest
from rich.console import Console

from marketlab.campaigns import CampaignState
from marketlab.interfaces.cli import _live
from marketlab.interfaces.cli._shell import cell_text, duration, table


def row(name, status, **facts):
    return {
        "strategy": name,
        "status": status,
        "operation_id": "op",
        "percentage": 0.0,
        "step": "",
        "epoch": 0,
        "epochs": None,
        "val_loss": None,
        "seconds": None,
        "notes": "",
        **facts,
    }


def state(rows, **facts):
    base = {
        "campaign_id": "c_1",
        "phase": "running",
        "null_done": 20,
        "null_total": 100,
        "elapsed_seconds": 65.0,
        "eta_seconds": 130.0,
    }
    return CampaignState(rows=tuple(rows), **{**base, **facts})


def drawn(table_, width=120):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(table_)
    return console.file.getvalue()


def test_table_shows_status_epoch_loss_time_and_null():
    rows = [
        row("a", "completed", percentage=100.0, epochs=31, val_loss=0.68213, seconds=3.4),
        row("b", "running", percentage=42.0, epoch=11),
        row("c", "failed", notes="Invalid indicator 'x'"),
    ]
    text = drawn(_live.state_table(state(rows)))
    words = [line.split() for line in text.splitlines()]
    assert ["a", "completed", "██████████", "31", "0.6821", "3", "s"] in words
    assert ["b", "running", "████······", "12", "-", "-"] in words
    assert "Invalid indicator 'x'" in text
    caption = (
        "running: 2/3 strategies (1 failed) · null 20/100 · 1 min 05 s · about 2 min 10 s left"
    )
    assert caption in " ".join(text.split())


def test_low_terminal_keeps_what_runs_and_counts_the_rest():
    rows = [row(f"s{i:02}", "completed") for i in range(20)] + [row("now", "running")]
    text = drawn(_live.state_table(state(rows), height=12))
    assert "now" in text
    assert "… and 16 more" in text
    assert len(text.splitlines()) <= 12


def test_log_gets_one_line_per_ended_strategy_and_counts(capsys, monkeypatch):
    now = iter([100.0] * 3 + [101.0] * 3 + [110.0] * 3)
    monkeypatch.setattr(_live.time, "monotonic", lambda: next(now))
    view = _live.PlainCampaign()
    done = row("a", "completed", epochs=3, val_loss=0.5)
    view.tick(state([row("a", "running")]))
    view.tick(state([done]))
    view.tick(state([done], phase="judging"))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("running: 0/1 strategies")
    assert lines[1] == "  a: completed, 3 epochs, best validation loss 0.5000"
    assert lines[2].startswith("judging: 1/1 strategies")
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.4, "0 s"), (59.4, "59 s"), (185.0, "3 min 05 s"), (7620.0, "2 h 07 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_tables_align_numbers_right_and_words_left():
    lines = table(("name", "n"), [("a", 5), ("bb", None), ("c", 120)])
    assert lines == ["name    n", "----  ---", "a       5", "bb      -", "c     120"]
    assert table(("name",), []) == ["name", "----"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (False, "no"),
        (None, "-"),
        (0.12345, "0.1235"),
        (12345.6, "12345.6"),
        (3, "3"),
    ],
)
def test_cells(value, text):
    assert cell_text(value) == text
