"""The report: one page that loads nothing, and that any campaign fits into."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from campaign_report_world import campaign, contract, failed, null, planted, run, verdict, write_run

from marketlab.campaigns._report import write_report
from marketlab.campaigns._report_figures import (
    interval_cell,
    interval_scale,
    learning_curves,
    null_matrices,
    standardised,
)
from marketlab.campaigns._run_facts import run_facts
from marketlab.campaigns._workspace import Workspace
from marketlab.evaluation import max_statistic_p_values

VOID = {"meta", "link", "br", "hr", "img", "input", "path", "circle", "use"}


class Page(HTMLParser):
    """Collects what a browser would load, ids, and whether elements are balanced."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.ids, self.stack, self.wrong, self.tags = [], [], [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "poster") and value:
                self.loads.append(value)
            if name == "id":
                self.ids.append(value)
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.stack or self.stack.pop() != tag:
            self.wrong.append(tag)


@pytest.fixture
def page_of(tmp_path):
    def make(results):
        files = write_report(Workspace.at(tmp_path).create(), results)
        return files["html"].read_text()

    return make


HOSTILE = "<script>alert('x')</script> & <img src=http://evil.example/x.png>"
CAMPAIGNS = {
    "nothing shown": campaign,
    "too few events": contract,
    "learned": planted,
    "all failed": lambda: campaign([failed(run())], null=None),
    "no run": lambda: campaign([], null=None),
    "pending": lambda: campaign(
        [
            replace(
                failed(run()),
                status="pending",
                error=None,
                error_code=None,
                run_id=None,
                blocks=(),
                label="",
                duration_seconds=None,
            )
        ],
        null=None,
        finished_at=None,
        duration_seconds=None,
        dataset={},
        config={},
        environment={},
    ),
    "not judged": lambda: campaign([run(verdict=None)], null=None),
    "null with gaps": lambda: campaign(
        [run("a"), run("b", seed=1)],
        null={
            **null(["a", "b"]),
            "observed": [None, 0.001],
            "null": [[None, 0.001], [0.002, None], [None, None]],
            "p_adjusted": [None, 0.5],
        },
    ),
    "empty null": lambda: campaign(
        [run("a")],
        null={**null(["a"]), "observed": [None], "null": [[None]] * 19, "p_adjusted": [None]},
    ),
    "constant null": lambda: campaign(
        [run("a")], null={**null(["a"]), "observed": [0.0], "null": [[0.0]] * 19}
    ),
    "odd history": lambda: campaign(
        [
            run("a", history={"train_loss": [None], "val_loss": [float("nan")]}, best_epoch=99),
            run("b", seed=1, history={"train_loss": [0.7], "val_loss": [0.7]}, best_epoch=0),
        ]
    ),
    "hostile": lambda: campaign(
        [failed(run(), error=HOSTILE), run("b", warnings=(HOSTILE,), label=HOSTILE, seed=1)],
        description=HOSTILE,
        null=None,
    ),
}


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_the_page_stands_alone_and_is_well_formed(page_of, name):
    text = page_of(CAMPAIGNS[name]())
    page = Page(text)
    assert not page.wrong
    assert not page.stack
    assert [x for x in page.loads if not x.startswith("#")] == []
    assert not {"script", "link", "iframe", "object", "embed", "img"} & page.tags
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert len(page.ids) == len(set(page.ids))
    targets = {x[1:] for x in page.loads}
    targets |= set(re.findall(r"url\(#([^)]*)\)", text))
    assert targets <= set(page.ids)
    assert not re.search(
        r"\b(None|nan|NaN|undefined)\b", re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    )
    assert "The test part is sealed" in text


def test_hostile_texts_are_shown_and_not_obeyed(page_of):
    text = page_of(CAMPAIGNS["hostile"]())
    assert "&lt;script&gt;" in text
    assert "<script" not in text


def test_the_first_screen_holds_the_answer_then_the_ranking(page_of):
    text = page_of(campaign())
    answer = text.index("<h1>Nothing here shows that any of the 27 strategies learned anything.")
    ranking = text.index(">Ranking</h2>")
    assert answer < text.index("The best of them") < text.index("sealed") < ranking
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", text)
    assert headings == [
        "Ranking",
        "Why, and what would change it",
        "What noise scores in the same pipeline",
        "Learning curves",
        "Data",
        "Splits and independent events",
        "Duplicate designs: how large chance alone is",
        "What did not finish",
        "Checks of the files",
        "How to get this again",
        "Words",
    ]
    for text_part in (
        "AGPL-3.0",
        "3,441",
        "820",
        "v15_rsi_adx = v15_adx_rsi",
        "Known at",
        "numba",
        "DATA-ConstantFeature",
        "of as many strategies on noise",
    ):
        assert text_part in text


def test_intervals_are_drawn_only_where_one_is_allowed(page_of):
    many, few = page_of(campaign()), page_of(contract())
    assert many.count('class="interval"') == 26
    assert 'class="interval"' not in few
    assert "none is honest below 20 independent events" in few
    assert "Strategies, not ranked" in few


def test_synthetic_bars_are_announced(page_of):
    assert "The bars are synthetic." in page_of(planted())
    assert "The bars are synthetic." not in page_of(campaign())


def test_the_same_campaign_gives_the_same_bytes(page_of):
    assert page_of(campaign()) == page_of(campaign())


def test_all_files_are_written_where_they_belong(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    results = campaign()
    for done in results.completed:
        write_run(workspace.runs / done.run_id, done.strategy)
    files = write_report(workspace, results)
    folder = workspace.root / "reports" / results.campaign_id
    assert {path.parent for path in files.values()} == {folder}
    assert set(files) == {"html", "markdown", "csv", "json", "lines", "verification"}
    assert all(path.stat().st_size for path in files.values())
    assert json.loads(files["verification"].read_text())["ok"] is True
    records = json.loads(files["json"].read_text())["runs"]
    assert {"val_accuracy", "verdict", "legacy_55_rule"} <= set(records[0])
    assert "| Q3.4 | Is data quality consistent? | yes |" in files["markdown"].read_text()
    assert files["html"].stat().st_size < 400_000
    write_report(workspace, results)  # a view may be made again


def test_the_histogram_uses_the_scale_of_the_p_values():
    made = null([f"s{i}" for i in range(5)], n_surrogates=49)
    observed, rows = null_matrices(made)
    own, best = standardised(observed, rows)
    expected = max_statistic_p_values(observed, rows)
    np.testing.assert_allclose(own, expected.standardised, rtol=1e-12)
    p = (1 + (best[:, None] >= own).sum(axis=0)) / (len(best) + 1)
    np.testing.assert_allclose(np.maximum(p, expected.p_single), expected.p_adjusted, rtol=1e-12)


def test_one_bad_run_does_not_flatten_the_intervals_of_the_others():
    runs = [run(f"s{i}", verdict=verdict(skill=0.001, events=200), seed=i) for i in range(5)]
    runs.append(run("bad", verdict=verdict("worse than baseline", skill=-3.0, events=200), seed=9))
    facts = run_facts(campaign(runs))
    scale = interval_scale(facts)
    assert scale < 0.02
    assert interval_cell(facts[-1], scale).count("stroke=") > interval_cell(facts[0], scale).count(
        "stroke="
    )  # an arrow says that it goes on
    positions = [float(x) for x in re.findall(r'cx="([\d.]+)"', interval_cell(facts[-1], scale))]
    assert all(0 <= x <= 150 for x in positions)


def test_without_any_epoch_there_are_no_curves():
    assert learning_curves(run_facts(campaign([failed(run())]))) is None
