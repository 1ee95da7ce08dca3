"""How far luck explains a campaign's ranking and its best run.

Seven questions, each answered by a block with a ``sentence`` or by ``{"undefined": why}``:

- effective_trials: to how many independent tries do the runs amount (their daily returns)?
- overfitting: does the run that is best on half of the samples stay above the median on the other?
- superior: is the best run better than its baseline by more than the luck of trying many?
- step_m: which runs can be named that beat their baseline? confidence_set: which cannot be told
  from the best?
- families: which runs stand by their own null p-values once the number of tests is paid for?
- sharpe: is the best account more than luck's best of as many?

Forecasts are compared on the samples that all comparable runs share, by log-loss; every run
against the best of its own baselines. Resampling is by whole events.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from marketlab.campaigns._luck_families import families_block
from marketlab.campaigns._luck_ranking import ranking_blocks
from marketlab.campaigns._luck_returns import (
    Search,
    common_accounts,
    effective_block,
    sharpe_block,
)
from marketlab.campaigns._luck_samples import LuckRun, common_samples, distinct_designs
from marketlab.campaigns._luck_sentences import luck_sentences
from marketlab.core import check_at_least

__all__ = ["LuckRun", "campaign_luck"]


def campaign_luck(
    runs: Sequence[LuckRun],
    *,
    n_trials: int,
    n_test_openings: int,
    seed: int,
    days_per_year: int,
    null_p_values: Mapping[str, float | None] | None = None,
    n_surrogates: int | None = None,
) -> dict[str, Any]:
    """Return how far luck explains the runs of a campaign, JSON-ready.

    Parameters
    ----------
    runs : completed runs in any order. The first of each design enters, its copies are named.
    n_trials : all trials in the ledger, failed, pruned and repeated ones too. If fewer than the
        distinct runs, these are counted instead.
    n_test_openings : openings of the sealed test part; each after the first counts as one more
        independent trial.
    seed : names the random stream; equal seeds give equal answers.
    days_per_year : 252 for exchanges, 365 for markets that never close; annualises daily ratios.
    null_p_values : name -> the run's own p against its null, not adjusted for the family (None
        where it has none). n_surrogates : behind each of them.

    Returns
    -------
    dict with n_trials, n_runs (distinct), copies, left_out, the seven blocks named above and
    ``sentences`` (three to six). No number in it is NaN or infinite. Without the package `arch`
    superior, step_m and confidence_set are undefined and name the command that installs it.

    Raises
    ------
    ConfigError for counts below 0 or a year without days.
    """
    check_at_least("n_trials", n_trials, 0)
    check_at_least("n_test_openings", n_test_openings, 0)
    check_at_least("days_per_year", days_per_year, 1)
    distinct, copies = distinct_designs(runs)
    n_counted = max(n_trials, len(distinct), 1)
    common = common_samples(distinct)
    accounts = common_accounts(distinct)
    effective = effective_block(accounts, n_counted)
    search = Search(
        n_counted,
        float(effective.get("n_effective", n_counted)),
        n_test_openings,
        days_per_year,
    )
    own_p = {name: p for name, p in (null_p_values or {}).items() if name not in copies}
    luck: dict[str, Any] = {
        "n_trials": n_counted,
        "n_trials_in_ledger": n_trials,
        "n_runs": len(distinct),
        "n_compared": len(common.names),
        "n_test_openings": n_test_openings,
        "copies": copies,
        "left_out": common.left_out,
        "effective_trials": effective,
        **ranking_blocks(common, seed=seed),
        "families": families_block(
            own_p,
            n_trials=n_counted,
            n_test_openings=n_test_openings,
            n_surrogates=n_surrogates,
        ),
        "sharpe": sharpe_block(accounts, search),
    }
    return {**luck, "sentences": luck_sentences(luck)}
