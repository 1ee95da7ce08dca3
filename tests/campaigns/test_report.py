"""The report: one page that loads nothing, and that any campaign fits into."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from campaign_report_world import (
    NO_ACCOUNT,
    NO_TRADES,
    TRADING,
    V15,
    campaign,
    contract,
    detail,
    failed,
    luck,
    null,
    planted,
    run,
    verdict,
    write_run,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.campaigns._report import report_html, run_html, write_report, write_run_report
from marketlab.campaigns._report_figures import (
    interval_cell,
    interval_scale,
    learning_curves,
    null_column,
    null_matrices,
    reliability_diagram,
    run_null,
    standardised,
)
from marketlab.campaigns._report_markdown import results_markdown, run_markdown
from marketlab.campaigns._report_run_tables import run_tables
from marketlab.campaigns._report_tables import numbers
from marketlab.campaigns._results_files import report_facts, result_records
from marketlab.campaigns._run_facts import run_facts
from marketlab.campaigns._verify import VerifyReport
from marketlab.campaigns._workspace import Workspace
from marketlab.evaluation import max_statistic_p_values

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Collects what a browser would load, ids, and whether elements are balanced."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.ids, self.stack, self.wrong, self.tags = [], [], [], [], set()
        self.words = []
        self.feed(text)

    def handle_data(self, data):
        self.words.append(data)

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


NOT_A_FIGURE = re.compile(r"\b(None(?! of )|nan|NaN|undefined|inf)\b")
HOSTILE = "<script>alert('x')</script> & <img src=http://evil.example/x.png>"


def with_luck(results):
    return replace(results, luck=luck(results.runs))


def nothing_judged():
    made = verdict("insufficient data", events=0)
    made["scores"] = {**made["scores"], "n_samples": 0, "accuracy": None, "log_loss": None}
    made["scores"] |= {"balanced_accuracy": None, "mcc": None, "brier": None, "hold_share": None}
    rules = [{**b, "log_loss": None, "accuracy": None} for b in made["baselines"]]
    return {**made, "skill": None, "best_baseline": None, "baselines": rules, "n_samples": 0}


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
    "no evidence kept": lambda: campaign([run(detail=None), run("b", seed=1)]),
    "no account": lambda: campaign([run(detail=detail(trading=NO_ACCOUNT))]),
    "no trades": lambda: campaign([run(detail=detail(trading=NO_TRADES))]),
    "no sample": lambda: campaign([run(detail=detail(n=0), verdict=nothing_judged())]),
    "walk-forward": lambda: campaign([run(detail=detail(n_folds=4)), run("b", seed=1)]),
    "luck": lambda: with_luck(campaign([run(*row, seed=i) for i, row in enumerate(V15[:4])])),
    "luck of one": lambda: with_luck(campaign([run()])),
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
    assert not NOT_A_FIGURE.search(" ".join(page.words))
    assert not re.search(r"<t[dh][^>]*></t", text), "an empty cell"
    assert "The test part is sealed" in text


def test_hostile_texts_are_shown_and_not_obeyed(page_of):
    text = page_of(CAMPAIGNS["hostile"]())
    assert "&lt;script&gt;" in text
    assert "<script" not in text


def test_the_first_screen_holds_the_answer_then_the_ranking(page_of):
    text = page_of(campaign())
    answer = text.index("<h1>Nothing here shows that any of the 27 strategies learned anything.")
    ranking = text.index(">Ranking</h2>")
    assert answer < text.index("The best of them") < text.index("sealed</dd>") < ranking
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", text)
    assert headings == [
        "Ranking",
        "Why, and what would change it",
        "What went wrong in training",
        "What noise scores in the same pipeline",
        "How far luck explains it",
        "Run by run",
        "All runs side by side: baselines, trading, accuracies",
        "Learning curves",
        "The test part",
        "Duplicate designs: how large chance alone is",
        "What did not finish",
        "Data, splits and how to get this again",
        "Checks of the files",
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
    assert files["html"].stat().st_size < 700_000
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
    assert "beyond" in interval_cell(facts[-1], scale)  # an arrow says that it goes on
    assert "beyond" not in interval_cell(facts[0], scale)
    positions = [float(x) for x in re.findall(r'cx="([\d.]+)"', interval_cell(facts[-1], scale))]
    assert all(0 <= x <= 150 for x in positions)


def test_without_any_epoch_there_are_no_curves():
    assert learning_curves(run_facts(campaign([failed(run())]))) is None


# -- what stands beside a score -------------------------------------------------------------------

UNCHECKED = VerifyReport(ok=True, lines=())


def one(results):
    """The same results with their first run only, as `marketlab report` shows them."""
    return replace(results, runs=results.runs[:1])


def views(results):
    """Every text that a person reads."""
    texts = [report_html(results, UNCHECKED), results_markdown(results)]
    if results.runs:
        texts += [run_html(one(results)), run_markdown(one(results))]
    return texts


def test_every_number_beside_the_score_is_that_of_the_verdict():
    made = verdict("no evidence", skill=0.0123, events=164, accuracy=0.5432, null_p=0.321)
    made["accuracy_interval"] = {**made["skill_interval"], "low": 0.51, "high": 0.58}
    results = campaign([run("a", verdict=made)])
    cells = {row[0]: row[1] for row in numbers(run_facts(results)[0]).rows}
    half = 0.9 / 164
    assert cells == {
        "Skill": "+0.0123 nats per sample",
        "95 % interval": f"{0.0123 - half:+.4f} to {0.0123 + half:+.4f}",
        "Baseline to beat": f"causal state: log-loss 0.6900; the run {0.69 - 0.0123:.4f}",
        "Null p": "0.32 ±0.05 (± Monte-Carlo error), 99 surrogates, family of 27; alone 0.16",
        "Independent events": "164 in 720 judged bars, worth 115 of equal length",
        "Trials": "27",
        "Detectable effect": f"{1.4 * half:.4f} nats per sample",
        "Accuracy": "54.3 % (51.0 to 58.0); balanced 53.3 %; the baseline 56.5 %",
    }
    for text in views(results):
        said = text.replace("−", "-")
        for cell in cells.values():
            assert cell in said
        assert made["sentence"] in said


def test_the_records_hold_what_the_page_shows():
    results = with_luck(campaign([run(*row, seed=i) for i, row in enumerate(V15[:3])]))
    facts = report_facts(results)
    assert json.loads(json.dumps(facts, allow_nan=False)) == json.loads(json.dumps(facts))
    assert [r["strategy"] for r in facts["runs"]] == [r.strategy for r in results.runs]
    for record, done in zip(facts["runs"], results.runs, strict=True):
        judged = done.verdict
        assert record["null_p_error"] == judged["null"]["monte_carlo_error"]
        assert record["minimum_detectable_skill"] == judged["minimum_detectable_skill"]
        assert record["sentence"] == judged["sentence"]
        assert record["detail"] == done.detail
        assert record["bps_per_trade"] == TRADING["after_costs"]["bps_per_trade"]
        assert record["n_test_openings"] == 0
    assert set(result_records(results)[0]) <= set(facts["runs"][0])
    assert facts["luck"]["sentences"]
    assert facts["null"]["p_adjusted"] == results.null["p_adjusted"]


def test_the_tables_of_a_run_agree_with_its_evidence():
    fact = run_facts(campaign([run(detail=detail(n=240, events=120, seed=3))]))[0]
    found = {table.title: table for table in run_tables(fact)}
    told = fact.run.detail
    matrix = found["Confusion: what was answered to what"].rows
    assert [[int(c) for c in row[1:4]] for row in matrix[:3]] == told["confusion"]
    assert sum(sum(row) for row in told["confusion"]) == told["n_samples"] == 240
    bins = told["reliability"]["rows"]
    assert sum(row["n_samples"] for row in bins) == 240
    assert all(row["low"] <= row["mean"] <= row["high"] for row in bins)
    for row in bins:
        assert (row["interval_low"] is None) == (row["why_no_interval"] is not None)
        if row["interval_low"] is not None:
            assert row["interval_low"] <= row["observed"] <= row["interval_high"]
    rules = {row[0]: row for row in found["Baselines"].rows}
    assert rules["causal state"][1:4] == ("decides", "0.6900", "56.5")
    assert rules["logistic"][1:5] == ("shown", "0.6951", "56.1", "0.7010")
    assert rules["gradient boosting"][5] == "it is fitted only where it is asked for."
    account = dict(found["Trading on the forecasts"].rows)
    assert account["Per trade after costs"] == "-0.31 bps; 95 % interval -3.30 to +2.70"
    assert account["Per trade before costs"] == "+0.89 bps; 95 % interval -2.10 to +3.90"
    assert account["Buy and hold"] == "+211.5 bps in all over the same bars"
    assert account["Random entry"].startswith("as good with p = 0.62 ±0.02")


def test_folds_of_a_walk_sum_to_the_whole():
    told = detail(n=240, events=120, n_folds=4)
    assert [row["fold"] for row in told["folds"]] == [0, 1, 2, 3]
    assert sum(row["n_samples"] for row in told["folds"]) == 240
    right = sum(row["accuracy"] * row["n_samples"] for row in told["folds"])
    assert right == pytest.approx(sum(told["confusion"][k][k] for k in range(3)))
    assert detail(n=240)["folds"] == []
    page = run_html(one(CAMPAIGNS["walk-forward"]()))
    assert "<h4>Folds</h4>" in page
    assert "Each fold has a net of its own." in page
    assert "the net that is kept, which trained last" in page
    assert "the net that is kept" not in run_html(one(campaign()))


def test_a_figure_that_is_not_defined_is_a_sentence():
    page = run_markdown(one(campaign([run(detail=detail(trading=NO_TRADES))])))
    assert "| Random entry | none: no position was closed within 720 bars. |" in page
    few = verdict("insufficient data", events=7)
    cells = dict(row[:2] for row in numbers(run_facts(campaign([run(verdict=few)]))[0]).rows)
    assert cells["95 % interval"] == "none: an interval needs 20 independent events, there are 7"
    assert cells["Detectable effect"] == "unknown: it needs an interval"
    bare = run_facts(campaign([run(verdict={**few, "null": None, "null_p": None})], null=None))
    assert dict(row[:2] for row in numbers(bare[0]).rows)["Null p"].startswith("none: no null")
    assert "There is no null" in run_html(campaign([run()], null=None))


def test_what_went_wrong_has_cause_and_remedy_in_both_forms(page_of):
    page, text = page_of(campaign()), results_markdown(campaign())
    for part in (
        "v15_adx_rsi is the same design as v15_rsi_adx.",
        "in another order or under other names",
        "Take v15_adx_rsi out, or change what it is meant to differ in.",
    ):
        assert part.lower() in page.lower()
        assert part in text
    clean = run_html(campaign([run()]))
    assert "Nothing was found: no collapse and no divergence." in clean


def test_every_look_at_the_test_part_is_listed(page_of):
    look = {
        "opened_at": "2026-11-21T10:15:00Z",
        "reason": "the paper",
        "outcome": None,
        "sentence": None,
        "seen_before": None,
    }
    results = campaign([run("a", openings=(look, {**look, "outcome": "no evidence"}))])
    results = replace(results, test_openings=2)
    for text in views(results):
        assert "opened 2 times" in text
        assert "the paper" in text
        assert "2026-11-21 10:15" in text
        assert "no verdict: a replay, or a look that was interrupted" in text


def test_a_run_has_the_null_of_its_own_column():
    made = null(["a", "b", "c"], n_surrogates=29)
    observed, values = null_column(made, "b")
    assert observed == made["observed"][1]
    np.testing.assert_array_equal(values, [row[1] for row in made["null"]])
    assert run_null(made, "b").startswith("<svg")
    assert run_null(made, "absent") is None
    assert run_null(None, "b") is None
    gone = {**made, "observed": [0.1, None, 0.1]}
    assert run_null(gone, "b") is None


def test_the_diagram_draws_an_interval_only_where_there_is_one():
    told = detail(n=240, events=120)["reliability"]
    drawn = reliability_diagram(told)
    known = sum(row["interval_low"] is not None for row in told["rows"])
    assert drawn.count('class="blue"') == known == drawn.count('class="b-dot"')
    few = detail(n=60, events=12)["reliability"]
    assert reliability_diagram(few).count('class="blue"') == 0
    assert reliability_diagram(few).count('class="hollow"') == len(few["rows"])
    assert reliability_diagram({"undefined": "no sample."}) is None


def test_a_run_report_is_written_beside_the_others(tmp_path):
    workspace = Workspace.at(tmp_path).create()
    results = one(campaign())
    files = write_run_report(workspace, results)
    folder = workspace.root / "reports" / "runs" / results.runs[0].run_id
    assert {path.parent for path in files.values()} == {folder}
    assert set(files) == {"html", "markdown", "json"}
    page = Page(files["html"].read_text())
    assert not page.wrong
    assert not page.stack
    assert all(x.startswith("#") for x in page.loads)
    assert len(json.loads(files["json"].read_text())["runs"]) == 1
    assert len(files["html"].read_text()) < 100_000


missing = st.sampled_from((None, float("nan"), float("inf")))


def verdicts():
    """Verdicts with any of their figures missing."""
    holes = st.fixed_dictionaries(
        {},
        optional={
            "skill": missing,
            "skill_interval": st.none(),
            "accuracy_interval": st.none(),
            "minimum_detectable_skill": missing,
            "null": st.none(),
            "null_p": missing,
            "best_baseline": st.sampled_from((None, "causal state", "majority")),
            "reasons": st.just([]),
            "would_change": st.just([]),
        },
    )
    whole = st.builds(
        verdict,
        st.sampled_from(("learned", "no evidence", "worse than baseline", "insufficient data")),
        skill=st.floats(-0.5, 0.5),
        events=st.sampled_from((0, 7, 30, 164, 3_000)),
        null_p=st.floats(0.001, 1.0),
        synthetic=st.booleans(),
        collapsed=st.booleans(),
    )
    return st.builds(lambda made, gone: {**made, **gone}, whole, holes)


@st.composite
def runs(draw):
    k = draw(st.integers(0, 26))
    told = draw(
        st.one_of(
            st.none(),
            st.builds(
                detail,
                n=st.sampled_from((0, 1, 40, 240)),
                events=st.sampled_from((1, 19, 40, 200)),
                n_folds=st.sampled_from((1, 3)),
                trading=st.sampled_from((TRADING, NO_TRADES, NO_ACCOUNT)),
            ),
        )
    )
    changes = {
        "verdict": draw(st.one_of(st.none(), verdicts())),
        "common_skill": draw(st.one_of(missing, st.floats(-0.1, 0.1))),
        "splits": draw(st.one_of(st.none(), st.just(run().splits))),
    }
    made = run(*V15[k], seed=k, detail=told, **changes)
    return failed(made) if draw(st.booleans()) else made


@st.composite
def campaigns(draw):
    some = draw(st.lists(runs(), min_size=1, max_size=3))
    some = [replace(r, strategy=f"{r.strategy}_{k}") for k, r in enumerate(some)]
    made = null([r.strategy for r in some], n_surrogates=19)
    gaps = draw(st.lists(st.booleans(), min_size=len(some), max_size=len(some)))
    made["observed"] = [None if g else v for g, v in zip(gaps, made["observed"], strict=True)]
    base = campaign(some, null=draw(st.sampled_from((None, made))))
    return replace(base, dataset={**base.dataset, "is_synthetic": draw(st.booleans())})


@settings(deadline=None, max_examples=25)
@given(campaigns())
def test_no_page_shows_what_is_no_number(results):
    for text in views(results):
        page = Page(text)
        assert not NOT_A_FIGURE.search(" ".join(page.words))
        assert "| |" not in text
        assert not re.search(r"<t[dh][^>]*></t", text)
    for text in (report_html(results, UNCHECKED), run_html(one(results))):
        page = Page(text)
        assert not page.wrong
        assert len(page.ids) == len(set(page.ids))
    json.dumps(report_facts(results)["runs"][0]["detail"], allow_nan=False)
