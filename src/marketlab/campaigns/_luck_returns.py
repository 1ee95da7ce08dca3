"""Whether the best account of a campaign is more than the best of so many would be by luck."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from marketlab.campaigns._luck_ranking import Block, answered, undefined
from marketlab.campaigns._luck_samples import LuckRun, drop_short
from marketlab.core import FloatArray, MarketLabError
from marketlab.evaluation import (
    MIN_RETURNS,
    DeflatedSharpe,
    clustered_trials,
    deflated_sharpe_ratio,
    effective_number_of_trials,
    minimum_backtest_length,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)

_LARGEST = 1e6  # a million times the capital in one day is no return of an account
_STILL = 1e-12


@dataclass(frozen=True)
class Accounts:
    """Daily returns of the runs that have them, on the days that all of them share.

    ``returns`` has shape (T, M), ``names`` M; ``left_out`` says why a run is not among them.
    """

    names: tuple[str, ...] = ()
    returns: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def n_days(self) -> int:
        """Number of common days."""
        return len(self.returns)


@dataclass(frozen=True)
class Search:
    """How much was tried: all trials, independent ones, openings of the test part."""

    n_trials: int
    n_effective: float
    n_test_openings: int
    days_per_year: int


def common_accounts(runs: Sequence[LuckRun]) -> Accounts:
    """Return the accounts of distinct runs (sorted by name) on their common days."""
    left_out: dict[str, str] = {}
    sound = []
    for run in runs:
        problem = _problem(run)
        if problem:
            left_out[run.name] = problem
        else:
            sound.append(run)
    sound = drop_short(sound, [len(run.days) for run in sound], "days", left_out)
    if not sound:
        return Accounts(left_out=left_out)
    days = sound[0].days
    for run in sound[1:]:
        days = np.intersect1d(days, run.days, assume_unique=True)
    table = np.column_stack(
        [run.daily_returns[np.isin(run.days, days, assume_unique=True)] for run in sound]
    ).astype(np.float64)
    moving = np.ptp(table, axis=0) > _STILL if len(days) else np.ones(len(sound), dtype=np.bool_)
    for run, moves in zip(sound, moving, strict=True):
        if not moves:
            left_out[run.name] = (
                f"its account makes one and the same return on each of {len(days):,} days (0 where "
                "it never trades), so it has no Sharpe ratio."
            )
    return Accounts(
        names=tuple(run.name for run, moves in zip(sound, moving, strict=True) if moves),
        returns=np.ascontiguousarray(table[:, moving]),
        left_out=left_out,
    )


def _problem(run: LuckRun) -> str | None:
    n = len(run.daily_returns)
    if run.daily_returns.ndim != 1 or run.days.shape != run.daily_returns.shape:
        return f"its {n:,} daily returns and {len(run.days):,} days do not fit."
    if n < MIN_RETURNS:
        return f"its account has {n} days where {MIN_RETURNS} are needed."
    if (np.diff(run.days) <= 0).any():
        return "the days of its account do not ascend."
    if not np.isfinite(run.daily_returns).all():
        return "a daily return of its account is not finite."
    if np.abs(run.daily_returns).max() > _LARGEST:
        return f"a daily return of its account is beyond {_LARGEST:,.0f} times the capital."
    return None


def effective_block(accounts: Accounts, n_trials: int) -> Block:
    """Return how many independent trials the search amounts to."""
    refused = _refused(accounts)
    return refused or answered(lambda: _effective(accounts, n_trials))


def _effective(accounts: Accounts, n_trials: int) -> Block:
    found = effective_number_of_trials(accounts.returns, n_trials=n_trials)
    clusters = clustered_trials(accounts.returns)
    groups = [[accounts.names[i] for i in members] for members in clusters.clusters]
    return {
        "n_trials": n_trials,
        "n_with_returns": found.n_with_returns,
        "n_days": accounts.n_days,
        "n_effective": min(max(found.n_effective, 1.0), float(n_trials)),
        "by_average_correlation": found.by_average_correlation,
        "by_eigenvalues": found.by_eigenvalues,
        "by_clusters": clusters.n_effective,
        "average_correlation": found.average_correlation,
        "clusters": groups,
        "without_returns": dict(accounts.left_out),
        "sentence": f"{found.sentence} {clusters.sentence}",
    }


def _refused(accounts: Accounts) -> Block | None:
    """Return why no account can be judged, or None."""
    if not accounts.names:
        counted = Counter(accounts.left_out.values()).most_common(3)
        reasons = [f"{why[:-1]} ({_how_many(count)})" for why, count in counted]
        return undefined(
            f"No account can be judged: {'; '.join(reasons) or 'there is no run with one'}."
        )
    if accounts.n_days < MIN_RETURNS:
        n = len(accounts.names)
        return undefined(
            f"The accounts of {n} runs share {accounts.n_days} days where {MIN_RETURNS} are needed."
        )
    return None


def _how_many(count: int) -> str:
    return "one run" if count == 1 else f"{count} runs"


def sharpe_block(accounts: Accounts, search: Search) -> Block:
    """Return Sharpe ratios with what luck alone would give the best of as many."""
    refused = _refused(accounts)
    return refused or answered(lambda: _sharpe(accounts, search))


def _sharpe(accounts: Accounts, search: Search) -> Block:
    table = accounts.returns
    ratios = table.mean(axis=0) / table.std(axis=0, ddof=1)
    rows = [
        _row(accounts.names[i], table[:, i], ratios, search)
        for i in sorted(range(len(ratios)), key=lambda i: (-ratios[i], accounts.names[i]))
    ]
    annual = math.sqrt(search.days_per_year)
    best = rows[0]
    deflated = _deflated(
        np.ascontiguousarray(table[:, accounts.names.index(best["name"])]), ratios, search
    )
    facts: Block = {
        "runs": rows,
        "best": best["name"],
        "n_days": accounts.n_days,
        "days_per_year": search.days_per_year,
        "years": accounts.n_days / search.days_per_year,
        "n_trials": search.n_trials,
        "n_effective": search.n_effective,
        "n_test_openings": search.n_test_openings,
        "left_out": dict(accounts.left_out),
        "minimum_backtest": _backtest(best["sharpe_annual"], accounts.n_days, search),
    }
    if isinstance(deflated, str):
        return {
            **facts,
            "luck_annual": None,
            "deflated_undefined": deflated,
            "sentence": (
                f"The best account is that of {best['name']}, with an annual Sharpe ratio of "
                f"{best['sharpe_annual']:.2f} after costs on {accounts.n_days:,} days; what luck "
                f"gives the best of {search.n_trials} is not known: {_lower(deflated)}"
            ),
        }
    return {
        **facts,
        "luck_annual": deflated.benchmark * annual,
        "deflated_undefined": None,
        "sentence": _sentence(best, deflated, accounts.n_days, search),
    }


def _row(name: str, returns: FloatArray, ratios: FloatArray, search: Search) -> dict[str, Any]:
    own = np.ascontiguousarray(returns)
    single = probabilistic_sharpe_ratio(own)
    deflated = _deflated(own, ratios, search)
    all_trials = _deflated(own, ratios, search, independent=True)
    record = minimum_track_record_length(own)
    against = None
    if isinstance(deflated, DeflatedSharpe):
        against = minimum_track_record_length(own, benchmark=deflated.benchmark).n_needed
    return {
        "name": name,
        "sharpe_annual": single.moments.sharpe * math.sqrt(search.days_per_year),
        "skewness": single.moments.skewness,
        "kurtosis": single.moments.kurtosis,
        "probabilistic": single.probability,
        "deflated": deflated.probability if isinstance(deflated, DeflatedSharpe) else None,
        "deflated_all_trials": (
            all_trials.probability if isinstance(all_trials, DeflatedSharpe) else None
        ),
        "days_needed": record.n_needed,
        "days_needed_against_luck": against,
    }


def _deflated(
    returns: FloatArray, ratios: FloatArray, search: Search, *, independent: bool = False
) -> DeflatedSharpe | str:
    """Return the deflated ratio, or why there is none."""
    try:
        return deflated_sharpe_ratio(
            returns,
            trial_sharpes=ratios,
            n_trials=search.n_trials,
            n_effective=None if independent else search.n_effective,
            n_test_openings=search.n_test_openings,
        )
    except MarketLabError as error:
        return error.message


def _backtest(annual_sharpe: float, n_days: int, search: Search) -> Block:
    if annual_sharpe < 1e-6:
        return undefined(
            f"The best annual Sharpe ratio is {annual_sharpe:.2f}; only one above 0 would need a "
            "record of some length."
        )
    independent = search.n_effective + max(0, search.n_test_openings - 1)
    found = minimum_backtest_length(
        independent, annual_sharpe=annual_sharpe, years_available=n_days / search.days_per_year
    )
    return {
        "years": found.years,
        "upper_bound_years": found.upper_bound_years,
        "years_available": found.years_available,
        "sentence": found.sentence,
    }


def _sentence(best: dict[str, Any], deflated: DeflatedSharpe, n_days: int, search: Search) -> str:
    luck = deflated.benchmark * math.sqrt(search.days_per_year)
    word = "more" if deflated.probability > 0.95 else "no more"
    return (
        f"The best account is that of {best['name']}, with an annual Sharpe ratio of "
        f"{best['sharpe_annual']:.2f} after costs on {n_days:,} days; "
        f"{_luckiest(search, deflated)} {luck:.2f}, so it is {word} than luck at 95 % (probability "
        f"{deflated.probability:.2f} that its true ratio is above luck's)."
    )


def _luckiest(search: Search, deflated: DeflatedSharpe) -> str:
    if deflated.n_effective == 1.0:
        return "one try without any edge is expected to show"
    more = max(0, search.n_test_openings - 1)
    opened = f" with {more} more for opening the test part again" if more else ""
    return (
        f"the best of {search.n_trials:,} tries ({deflated.n_effective:.1f} independent "
        f"ones{opened}) without any edge is expected to show"
    )


def _lower(text: str) -> str:
    done = text if text.endswith(".") else f"{text}."
    return done[:1].lower() + done[1:]
