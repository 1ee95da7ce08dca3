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
        "1w": timedelta(weeks=1),
    }
)
"""Name of each bar length and how long one bar lasts."""


def parse_timeframe(name: str) -> timedelta:
    """Return how long one bar of timeframe `name` lasts.

    Raises
    ------
    ConfigError (``CONFIG-UnknownTimeframe``) if the name is not in `TIMEFRAMES`.
    """
    if name not in TIMEFRAMES:
        raise ConfigError(
            f"Invalid timeframe {name!r}.",
            code="CONFIG-UnknownTimeframe",
            field="timeframe",
            value=name,
            suggestion=did_you_mean(name, TIMEFRAMES),
        )
    return TIMEFRAMES[name]


def timeframe_ns(name: str) -> int:
    """Return the bar length in nanoseconds; errors as in `parse_timeframe`."""
    return parse_timeframe(name) // timedelta(microseconds=1) * 1000
