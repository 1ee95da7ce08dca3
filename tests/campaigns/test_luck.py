"""How far luck explains a ranking: coins, planted edges, odd campaigns, independent software."""

import json
import math
import sys
from dataclasses import replace

import numpy as np
import purgedcv
import pytest
from arch.bootstrap import MCS, SPA
from hypothesis import given, settings
from hypothesis import strategies as st

from marketlab.campaigns._luck import LuckRun, campaign_luck
from marketlab.campaigns._luck_ranking import N_RESAMPLES
from marketlab.campaigns._luck_samples import MAX_UNITS, common_samples
from marketlab.core import ConfigError, stream_key
from marketlab.evaluation import expected_maximum
from marketlab.evaluation._loss_tests import stationary_variance

HOUR = 3_600_000_000_000
KNOWN = {"n_test_openings": 0, "seed": 1, "days_per_year": 252}
BLOCKS = ("effective_trials", "overfitting", "superior", "step_m", "confidence_set", "families")


def rows_of(up):
    """Forecasts (n, 3) from P(BUY) next to P(SELL)."""
    return np.column_stack([0.998 * up, np.full(len(up), 0.002), 0.998 * (1.0 - up)])


def coins(seed, m=27, n=600, *, edge=0.0, drift=0.0, horizon=1, days=250):
    """`m` runs that toss coins; the first knows `edge` and earns `drift` a day more than noise."""
    rng = np.random.default_rng(seed)
    y = np.where(rng.random(n) < 0.5, 0, 2)
    shared, market = rng.standard_normal(n), rng.standard_normal(days)
    out = []
    for k in range(m):
        z = 0.1 * (shared + rng.standard_normal(n)) + (edge if k == 0 else 0.0) * (1 - y)
        out.append(
            LuckRun(
                name=f"run_{k:02d}",
                time_ns=HOUR * np.arange(n),
                event=np.arange(n) // horizon,
                y=y,
                probabilities=rows_of(1.0 / (1.0 + np.exp(-z))),
                best_baseline=rows_of(np.full(n, 0.5)),
                daily_returns=0.005 * (market + rng.standard_normal(days))
                + (drift if k == 0 else 0.0),
                days=np.arange(days),
                design_id=f"design {k}",
            )
        )
    return out


def luck(runs, n_trials=None, **changes):
    """The answer, proven to be JSON without NaN."""
    found = campaign_luck(
        runs, n_trials=len(runs) if n_trials is None else n_trials, **{**KNOWN, **changes}
    )
    json.dumps(found, allow_nan=False)
    assert 3 <= len(found["sentences"]) <= 6
    for name in (*BLOCKS, "sharpe"):
        assert ("undefined" in found[name]) != ("sentence" in found[name])
    for text in found["sentences"]:
        assert text[0] == text[0].upper()
        assert text.endswith(".")
        assert not text.endswith("..")
        assert " nan" not in text
    return found


class TestCoins:
    def test_nothing_is_believed(self):
        found = [luck(coins(seed)) for seed in range(8)]
        assert 0.38 < np.mean([f["overfitting"]["pbo"] for f in found]) < 0.66
        assert sum(f["superior"]["spa"]["p"] <= 0.05 for f in found) <= 2
        assert sum(bool(f["step_m"]["names"]) for f in found) <= 2
        assert sum(f["sharpe"]["runs"][0]["deflated"] > 0.95 for f in found) <= 2
        alone = [f["sharpe"]["runs"][0]["probabilistic"] > 0.95 for f in found]
        assert sum(alone) >= 4  # the best of 27 looks sure to whoever forgets the other 26
        text = " ".join(found[0]["sentences"])
        assert "27 different designs" in text
        assert "The ranking cannot be told from luck" in text
        assert "is no more than luck at 95 %" in text
        assert len(found[0]["confidence_set"]["names"]) > 20

    def test_a_planted_edge_is_named(self):
        found = luck(coins(3, n=1500, edge=0.15, drift=0.003))
        assert found["overfitting"]["pbo"] < 0.05
        assert found["overfitting"]["most_chosen"] == "run_00"
        assert found["superior"]["best"] == "run_00"
        assert found["superior"]["spa"]["p"] <= 0.01
        assert found["superior"]["reality_check"]["p"] <= 0.01
        assert found["step_m"]["names"] == ["run_00"]
        assert found["confidence_set"]["names"] == ["run_00"]
        assert found["sharpe"]["best"] == "run_00"
        assert found["sharpe"]["runs"][0]["deflated"] > 0.95
        assert found["sharpe"]["runs"][0]["days_needed_against_luck"] <= 250
        text = " ".join(found["sentences"])
        assert "The ranking holds up:" in text
        assert "it alone can be named as better than its baseline: run_00." in text
        assert "stands apart: run_00 is better than every other of the 27 compared." in text
        assert "it is more than luck at 95 %" in text

    def test_the_same_answer_twice_and_another_seed(self):
        runs = coins(5, m=4)
        assert luck(runs) == luck(runs)
        assert luck(runs)["superior"] != luck(runs, seed=2)["superior"]


@given(seed=st.integers(0, 2**32 - 1), order=st.permutations(range(5)))
@settings(deadline=None, max_examples=6)
def test_the_order_of_runs_changes_nothing(seed, order):
    runs = coins(seed, m=5, n=150, days=60)
    assert luck([runs[i] for i in order]) == luck(runs)


@given(seed=st.integers(0, 2**32 - 1), which=st.integers(0, 3), same=st.booleans())
@settings(deadline=None, max_examples=6)
def test_a_copy_changes_nothing_but_its_own_line(seed, which, same):
    runs = coins(seed, m=4, n=150, days=60)
    other = runs[which] if same else coins(seed + 1, m=1, n=150, days=60)[0]
    copy = replace(other, name="a copy", design_id=runs[which].design_id)
    p_values = {run.name: 0.02 for run in runs}
    before = luck(runs, n_trials=9, null_p_values=p_values)
    after = luck([*runs, copy], n_trials=9, null_p_values={**p_values, "a copy": 0.001})
    assert after["copies"] == {"a copy": runs[which].name}
    assert "1 copy is not counted" in after["sentences"][0]
    differing = {"copies", "sentences"}
    assert {k: v for k, v in after.items() if k not in differing} == {
        k: v for k, v in before.items() if k not in differing
    }
    assert after["sentences"][1:] == before["sentences"][1:]


class TestIndependentSoftware:
    def test_arch(self):
        runs = coins(7, m=8, n=900, edge=0.02)
        found = luck(runs)
        common = common_samples(runs)
        length = found["superior"]["block_units"]
        scaled = common.skill / np.sqrt(stationary_variance(common.skill, length))

        def stream(name):
            return np.random.default_rng(stream_key(1, name))

        def p_of(test, bound):
            test.compute()
            return (round(test.pvalues[bound] * N_RESAMPLES) + 1) / (N_RESAMPLES + 1)

        known = {"block_size": length, "reps": N_RESAMPLES}
        spa = SPA(np.zeros(900), -scaled, **known, seed=stream("superior"))
        assert found["superior"]["spa"]["p"] == pytest.approx(p_of(spa, "consistent"))
        white = SPA(np.zeros(900), -common.skill, **known, seed=stream("superior"))
        assert found["superior"]["reality_check"]["p"] == pytest.approx(p_of(white, "upper"))
        theirs = MCS(common.loss, size=0.1, method="R", **known, seed=stream("confidence_set"))
        theirs.compute()
        for i, name in enumerate(common.names):
            p = (theirs.pvalues["Pvalue"][i] * N_RESAMPLES + 1) / (N_RESAMPLES + 1)
            assert found["confidence_set"]["p_values"][name] == pytest.approx(min(p, 1.0))

    def test_purgedcv_on_deflated_ratios(self):
        runs = coins(8, m=6)
        found = luck(runs, n_trials=40)["sharpe"]
        ratios = np.array([r.daily_returns.mean() / r.daily_returns.std(ddof=1) for r in runs])
        best = runs[int(ratios.argmax())].daily_returns
        theirs = purgedcv.deflated_sharpe_ratio_full(best, 40, max(ratios.var(ddof=1), 1 / 249))
        assert found["best"] == runs[int(ratios.argmax())].name
        assert found["runs"][0]["deflated_all_trials"] == pytest.approx(theirs.dsr, abs=0.01)
        own = max(float(ratios.std(ddof=1)), 1 / math.sqrt(249))
        expected = own * expected_maximum(found["n_effective"]) * math.sqrt(252)
        assert found["luck_annual"] == pytest.approx(expected)

    def test_purgedcv_on_overfitting(self):
        runs = coins(9, m=6, n=160)
        found = luck(runs)["overfitting"]
        skill = common_samples(runs).skill
        theirs = purgedcv.probability_of_backtest_overfitting(
            skill.T, n_splits=found["n_blocks"], metric=np.mean
        )
        assert found["n_blocks"] == 16
        assert found["n_splits"] == theirs.n_combos == 12_870
        assert found["pbo"] - found["share_at_median"] == pytest.approx(theirs.pbo)


def test_events_are_never_torn():
    runs = coins(2, m=3, n=710, horizon=7)
    common = common_samples(runs)
    units = common.units(common.skill)
    assert common.n_events == len(units) == 102
    assert units.mean(axis=0) == pytest.approx(common.skill.mean(axis=0))
    assert units[0] * (710 / 102) == pytest.approx(common.skill[:7].sum(axis=0))
    found = luck(runs)
    assert found["overfitting"]["n_events"] == 102
    assert found["superior"]["samples_per_unit"] == pytest.approx(710 / 102)
    many = coins(2, m=2, n=2 * MAX_UNITS + 1)
    table = common_samples(many)
    assert len(table.units(table.skill)) == 2667  # three neighbours each
    assert table.units(table.skill).mean(axis=0) == pytest.approx(table.skill.mean(axis=0))


class TestOddCampaigns:
    def test_no_run(self):
        found = luck([], n_trials=7)
        assert found["n_runs"] == 0
        assert found["sentences"][1] == "The ledger counts 7 tries on these data."
        assert "there is none" in found["overfitting"]["undefined"]
        assert luck([], n_trials=0, n_test_openings=3)["n_trials"] == 1

    def test_one_run(self):
        found = luck(coins(1, m=1, edge=0.3))
        assert found["sentences"][0].startswith("One design was run")
        assert "2 comparable runs or more; there is one" in found["overfitting"]["undefined"]
        assert "2 comparable runs or more; there is one" in found["confidence_set"]["undefined"]
        assert found["step_m"]["names"] == ["run_00"]
        assert found["sharpe"]["luck_annual"] == 0.0
        many = luck(coins(1, m=1), n_trials=30)
        assert many["sharpe"]["runs"][0]["deflated"] is None
        assert "needs the Sharpe ratios of 2 or more" in many["sharpe"]["deflated_undefined"]
        assert "what luck gives the best of 30 is not known" in many["sentences"][-1]

    def test_two_runs(self):
        found = luck(coins(4, m=2))
        assert found["overfitting"]["by_luck"] == 0.5
        assert found["effective_trials"]["n_with_returns"] == 2

    def test_equal_runs_are_one(self):
        one = coins(1, m=1)[0]
        runs = [replace(one, name=f"r{k}", design_id=f"d{k}") for k in range(4)]
        found = luck(runs)
        assert found["n_compared"] == 1
        assert found["left_out"]["r3"] == "its losses are those of r0 at every sample."
        assert found["effective_trials"]["n_effective"] == pytest.approx(1.0, abs=0.05)
        assert "there is one" in found["overfitting"]["undefined"]

    def test_forecasts_of_the_baseline(self):
        runs = [
            replace(run, probabilities=run.best_baseline, best_baseline=run.best_baseline)
            for run in coins(1, m=2)
        ]
        found = luck(runs)
        assert "nothing to resample" in found["superior"]["undefined"]
        mixed = luck([runs[0], coins(1, m=2)[1]])
        assert mixed["superior"]["same_as_baseline"] == ["run_00"]
        assert mixed["superior"]["n_runs"] == 1

    def test_accounts_that_cannot_be_judged(self):
        runs = coins(1, m=6)
        still, none, wild = np.zeros(250), np.empty(0), runs[3].daily_returns.copy()
        wild[3] = 1e9
        runs[0] = replace(runs[0], daily_returns=still)
        runs[1] = replace(runs[1], daily_returns=still + 0.001)
        runs[2] = replace(runs[2], daily_returns=none, days=none.astype(np.int64))
        runs[3] = replace(runs[3], daily_returns=wild)
        found = luck(runs)
        left_out = found["sharpe"]["left_out"]
        assert "one and the same return on each of 250 days" in left_out["run_00"]
        assert "one and the same return" in left_out["run_01"]
        assert left_out["run_02"] == "its account has 0 days where 30 are needed."
        assert "beyond 1,000,000 times" in left_out["run_03"]
        assert [row["name"] for row in found["sharpe"]["runs"]] != []
        assert found["effective_trials"]["n_effective"] > 4  # without returns: independent
        nobody = luck(runs[:3])
        assert (
            nobody["sentences"][-1]
            == nobody["sharpe"]["undefined"]
            == (
                "No account can be judged: its account makes one and the same return on each of "
                "250 days (0 where it never trades), so it has no Sharpe ratio (2 runs); its "
                "account has 0 days where 30 are needed (one run)."
            )
        )

    def test_accounts_of_different_days(self):
        runs = coins(1, m=3)
        runs[0] = replace(runs[0], days=runs[0].days + 10_000)
        found = luck(runs)
        assert "The accounts of 3 runs share 0 days where 30" in found["sharpe"]["undefined"]
        short = replace(
            runs[0], days=np.arange(40), daily_returns=runs[0].daily_returns[:40], name="short"
        )
        found = luck([short, *runs[1:]])
        why = found["sharpe"]["left_out"]["short"]
        assert why == "it has 40 days where the others have about 250."

    def test_runs_that_cannot_be_compared(self):
        runs = coins(1, m=8)
        runs[0] = replace(runs[0], y=2 - runs[0].y)
        runs[1] = replace(runs[1], label="another")
        runs[2] = replace(runs[2], probabilities=runs[2].probabilities[:5])
        runs[3] = replace(runs[3], time_ns=runs[3].time_ns[::-1])
        short = {
            name: getattr(runs[4], name)[:20]
            for name in ("time_ns", "event", "y", "probabilities", "best_baseline")
        }
        runs[4] = replace(runs[4], **short)
        runs[5] = replace(runs[5], **{name: values[:0] for name, values in short.items()})
        found = luck(runs)
        assert found["n_compared"] == 2
        left_out = found["left_out"]
        assert left_out["run_00"] == (
            "its label, or the time it judges, is not that of the 3 compared."
        )
        assert left_out["run_01"] == left_out["run_00"]
        assert "(600, 3)" in left_out["run_02"]
        assert left_out["run_03"] == "the times of its samples do not ascend."
        assert left_out["run_04"] == "it has 20 judged samples where the others have about 600."
        assert left_out["run_05"] == "it has no judged sample."

    def test_too_few_events(self):
        found = luck(coins(1, m=3, n=600, horizon=40))
        assert "tested on 100 independent events or more" in found["overfitting"]["undefined"]
        assert "600 samples that the 3 runs share hold 15" in found["overfitting"]["undefined"]
        assert (
            "100 events or more in all; the 600 common samples hold 15 events"
            in found["superior"]["undefined"]
        )
        assert "Whether the ranking would hold up is unknown" in found["sentences"][1]

    def test_a_set_of_the_best_needs_more_events(self):
        found = luck(coins(1, m=3, n=199))
        assert "needs 200 blocks of" in found["confidence_set"]["undefined"]
        assert "hold 199 events" in found["confidence_set"]["undefined"]
        assert "p" in found["superior"]["spa"]
        assert not any("cannot be told from the best" in text for text in found["sentences"])

    def test_without_arch(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "arch.bootstrap", None)
        found = luck(coins(1, m=3))
        for block in ("superior", "step_m", "confidence_set"):
            assert "pip install 'marketlab[statistics]'" in found[block]["undefined"]
        assert "pbo" in found["overfitting"]
        assert "pip install" in found["sentences"][2]

    def test_openings_and_trials_count(self):
        runs = coins(1, m=3)
        closed, open_ = luck(runs, n_trials=50), luck(runs, n_trials=50, n_test_openings=4)
        assert open_["sharpe"]["luck_annual"] > closed["sharpe"]["luck_annual"]
        assert "opened 4 times" in open_["sentences"][-1]
        assert "the ledger counts 50" in closed["sentences"][0]
        few = luck(runs, n_trials=1)
        assert (few["n_trials"], few["n_trials_in_ledger"]) == (3, 1)
        with pytest.raises(ConfigError, match="n_trials"):
            luck(runs, n_trials=-1)

    def test_losing_runs(self):
        runs = [
            replace(run, daily_returns=run.daily_returns - 0.01, probabilities=rows_of(u))
            for run, u in zip(
                coins(1, m=3), np.random.default_rng(1).uniform(0.05, 0.95, (3, 600)), strict=True
            )
        ]
        found = luck(runs)
        assert "No run beats its baseline on these samples" in found["sentences"][2]
        assert "only one above 0" in found["sharpe"]["minimum_backtest"]["undefined"]
        assert found["sharpe"]["runs"][0]["days_needed"] is None


@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_whatever_comes_the_answer_is_clear(data):
    """Short, flat, foreign, empty and repeated runs in any mixture: JSON, no NaN, no exception."""
    seed = data.draw(st.integers(0, 999))
    n = data.draw(st.sampled_from([1, 2, 15, 60, 120]))
    days = data.draw(st.sampled_from([0, 1, 30, 45]))
    runs = coins(seed, m=data.draw(st.integers(1, 5)), n=n, days=days)
    for k, run in enumerate(runs):
        change = data.draw(
            st.sampled_from(["none", "flat", "tiny", "base", "later", "twin", "two"])
        )
        size = len(run.daily_returns)
        runs[k] = {
            "none": run,
            "flat": replace(run, daily_returns=np.zeros(size)),
            "tiny": replace(run, daily_returns=run.daily_returns * 1e-160),
            "base": replace(run, probabilities=run.best_baseline),
            "later": replace(run, time_ns=run.time_ns + HOUR * data.draw(st.integers(1, n))),
            "twin": replace(run, design_id=runs[0].design_id),
            "two": replace(run, daily_returns=np.where(np.arange(size) % 2, 0.02, 0.01)),
        }[change]
    luck(runs, n_trials=data.draw(st.integers(0, 40)), n_test_openings=data.draw(st.integers(0, 3)))


OWN_P = {"run_00": 0.001, "run_01": 0.004, "run_02": 0.03, "run_03": None}


class TestFamilies:
    def test_values_by_hand(self):
        found = luck(coins(1, m=4), null_p_values=OWN_P)["families"]
        assert found["n_tests"] == 4
        assert found["adjusted"]["bonferroni"] == pytest.approx(
            {"run_00": 0.004, "run_01": 0.016, "run_02": 0.12}
        )
        assert found["adjusted"]["holm"] == pytest.approx(
            {"run_00": 0.004, "run_01": 0.012, "run_02": 0.06}
        )
        assert found["adjusted"]["benjamini_hochberg"] == pytest.approx(
            {"run_00": 0.004, "run_01": 0.008, "run_02": 0.04}
        )
        assert found["found"]["holm"] == ["run_00", "run_01"]
        assert found["found"]["benjamini_hochberg"] == ["run_00", "run_01", "run_02"]
        assert found["without_p"] == ["run_03"]
        assert "2 runs stand at 5 % after Bonferroni and 2 after Holm" in found["sentence"]
        assert "(FWER), and 3 after Benjamini and Hochberg" in found["sentence"]
        assert "max statistic" in found["sentence"]

    def test_few_surrogates_are_named(self):
        p = {f"run_{k:02d}": 0.01 for k in range(27)}
        found = luck(coins(1, n=60), null_p_values=p, n_surrogates=99)["families"]
        assert found["found"]["holm"] == []
        assert "With 99 surrogates no own p is below 0.01" in found["sentence"]
        assert "that needs 539 surrogates" in found["sentence"]
        assert "surrogates no own p" not in luck(coins(1, m=4), null_p_values=OWN_P)["families"]

    def test_none(self):
        assert "the campaign has no null" in luck(coins(1, m=2))["families"]["undefined"]
        found = luck(coins(1, m=2), null_p_values={"run_00": None, "run_01": math.nan})
        assert "none of its runs has one" in found["families"]["undefined"]


def test_labels_that_have_begun_are_not_compared_with_simple_rules():
    runs = [replace(run, label_has_begun=True) for run in coins(3, m=4)]
    found = luck(runs)
    for block in ("superior", "step_m"):
        assert "on pure noise too a good model beats" in found[block]["undefined"]
    assert found["overfitting"]["worse_than_baseline"] is None
    assert "worse than its baseline" not in found["overfitting"]["sentence"]
    assert luck(coins(3, m=4))["overfitting"]["worse_than_baseline"] is not None
