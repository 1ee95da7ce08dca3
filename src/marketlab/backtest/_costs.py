"""What a fill costs, and how large a pip is."""

from typing import Self

from pydantic import Field

from marketlab.core import ConfigError, FrozenConfig

# fmt: off
_CURRENCIES = frozenset({
    "AUD", "CAD", "CHF", "CNH", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF",
    "JPY", "MXN", "NOK", "NZD", "PLN", "SEK", "SGD", "TRY", "USD", "ZAR",
})
# fmt: on
_PIP_OF_QUOTE = {"JPY": 0.01, "HUF": 0.01}
# Shares and indices: the pip is the hundredth in which they are quoted.
_PIP_OF_SYMBOL = {"GOOG": 0.01, "SPX": 0.01, "IXIC": 0.01, "NDX": 0.01, "VIX": 0.01}


def pip_size_of(symbol: str) -> float:
    """Return the price of one pip: 0.0001 for currency pairs (0.01 if quoted in JPY or HUF).

    Raises
    ------
    ConfigError (``COST-UnknownPip``) for an instrument without a known pip; none is guessed.
    """
    plain = symbol.upper().replace("/", "").replace("-", "").replace("_", "")
    if plain in _PIP_OF_SYMBOL:
        return _PIP_OF_SYMBOL[plain]
    base, quote = plain[:3], plain[3:]
    if base in _CURRENCIES and quote in _CURRENCIES:
        return _PIP_OF_QUOTE.get(quote, 0.0001)
    raise ConfigError(
        f"there is no known pip size for {symbol!r}.",
        code="COST-UnknownPip",
        field="costs.pip_size",
        value=symbol,
        suggestion="Give `pip_size` in quote currency, for example 0.0001 for EURUSD.",
    )


class CostModel(FrozenConfig):
    """Costs of one instrument; bar prices are taken as mid prices.

    Each fill (an opening or a closing; a flip is two) pays half of `spread_pips` · `pip_size` per
    unit, `slippage_bps` of the mid value as a price moved against it, and `commission_fraction`
    of the mid value. A held position pays `financing_bps_per_day` of its value for each calendar
    day between bar opens, long and short alike (weekends are therefore charged).
    1 bps is 1/10 000. The defaults other than the spread are zero, not typical: state your own.
    """

    spread_pips: float = Field(default=1.0, ge=0.0)
    pip_size: float = Field(default=0.0001, gt=0.0)
    commission_fraction: float = Field(default=0.0, ge=0.0, lt=1.0)
    slippage_bps: float = Field(default=0.0, ge=0.0, lt=10_000.0)
    financing_bps_per_day: float = Field(default=0.0, ge=0.0, lt=10_000.0)

    @classmethod
    def for_symbol(cls, symbol: str, *, spread_pips: float = 1.0) -> Self:
        """Return a model with the symbol's own pip; errors as `pip_size_of`."""
        return cls(spread_pips=spread_pips, pip_size=pip_size_of(symbol))

    @classmethod
    def free(cls) -> Self:
        """Return the model without any cost, for gross figures and tests."""
        return cls(spread_pips=0.0)
