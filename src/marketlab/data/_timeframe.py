"""Bar lengths by name."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from marketlab.core import ConfigError, did_you_mean

TIMEFRAMES: Mapping[str, timedelta] = MappingProxyType(
    {
        "1m": timedelta(minutes=1),
        "5m": timedelta(minutes=5),
        "15m": timedelta(minutes=15),
        "30m": timedelta(minutes=30),
        "1h": timedelta(hours=1),
        "2h": timedelta(hours=2),
        "4h": timedelta(hours=4),
        "1d": timedelta(days=1),
        "2d": timedelta(days=2),
        "3d": timedelta(days=3),
        "5d": timedelta(days=5),
        "1w": timedelta(weeks=1),
        "2w": timedelta(weeks=2),
        "1mo": timedelta(days=30),
    }
)
"""Name of each bar length and how long one bar lasts; nominal where a calendar decides."""

BY_SESSIONS = frozenset({"2d", "3d", "5d", "2w", "1mo"})
"""Bars of several trading days: only a calendar says when one of them closes."""

_OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "daily": "1d",
        "weekly": "1w",
        "2wk": "2w",
        "biweekly": "2w",
        "monthly": "1mo",
        "1M": "1mo",
        "M1": "1m",
        "M5": "5m",
        "M15": "15m",
        "M30": "30m",
        "H1": "1h",
        "H4": "4h",
        "D1": "1d",
        "W1": "1w",
    }
)


def parse_timeframe(name: str) -> timedelta:
    """Return how long one bar of timeframe `name` lasts; nominal for those in `BY_SESSIONS`.

    Raises
    ------
    ConfigError (``CONFIG-UnknownTimeframe``) if the name is not in `TIMEFRAMES`.
    """
    if name not in TIMEFRAMES:
        ours = _OTHER_NAMES.get(name)
        raise ConfigError(
            f"Invalid timeframe {name!r}.",
            code="CONFIG-UnknownTimeframe",
            field="timeframe",
            value=name,
            suggestion=f"Here it is called {ours!r}." if ours else did_you_mean(name, TIMEFRAMES),
        )
    return TIMEFRAMES[name]


def timeframe_ns(name: str) -> int:
    """Return the bar length in nanoseconds; errors as in `parse_timeframe`."""
    return parse_timeframe(name) // timedelta(microseconds=1) * 1000


def fixed_timeframe_ns(name: str) -> int:
    """Return the bar length in nanoseconds of a timeframe whose bars all last as long.

    Raises
    ------
    ConfigError (``CONFIG-NoFixedLength``) for bars of several trading days, besides the errors of
    `parse_timeframe`: to add a nominal length would date what is known too early or too late.
    """
    if name in BY_SESSIONS:
        raise ConfigError(
            f"bars of {name} last as long as their trading days; only a calendar says when one "
            "closes.",
            code="CONFIG-NoFixedLength",
            field="timeframe",
            value=name,
            suggestion="Make them of daily bars with `marketlab data resample`.",
        )
    return timeframe_ns(name)
