"""What a made-up market is asked to be, and the two markets that everybody needs."""

import math
from datetime import UTC, datetime
from typing import Literal, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from marketlab.core import ConfigError, FrozenConfig, check_name, did_you_mean
from marketlab.data._timeframe import fixed_timeframe_ns


class MarketSymbol(FrozenConfig):
    """One symbol of a made-up market.

    Attributes
    ----------
    hourly_volatility : standard deviation of the log return of one open hour, as a fraction,
        without jumps and weekend gaps; 0.0064 is about 60 % a year round the clock.
    loadings : correlation of the symbol's noise with each common factor; the squares add up to 1
        at most, the rest is the symbol's own noise. All symbols name the same number of factors.
    mean_volume : volume of a usual bar.
    """

    name: str
    start_price: float = Field(default=1_000.0, gt=0.0)
    hourly_volatility: float = Field(default=0.0064, gt=0.0, le=0.05)
    loadings: tuple[float, ...] = ()
    mean_volume: float = Field(default=1_000.0, gt=0.0)

    @field_validator("name")
    @classmethod
    def _safe_name(cls, name: str) -> str:
        return check_name(name, field="name")

    @field_validator("loadings")
    @classmethod
    def _at_most_all(cls, loadings: tuple[float, ...]) -> tuple[float, ...]:
        total = math.fsum(value * value for value in loadings)
        if not total <= 1.0 + 1e-12:
            raise ValueError(f"the squares of the loadings add up to {total:g}, more than 1")
        return loadings


class SyntheticMarketConfig(FrozenConfig):
    """A made-up market of several symbols with common stamps.

    Attributes
    ----------
    start : bars open from here on, on the timeframe's grid counted from this moment.
    calendar : ``24x7``, or ``fx``: open from Sunday 17:00 to Friday 17:00 New York time, with its
        clock changes (bars of a day or longer: without Saturdays and Sundays, UTC).
    volatility_spread, volatility_persistence : standard deviation and one-bar autocorrelation of
        the logarithm of volatility, an AR(1) with noise of its own: the past of prices does not
        drive it. A spread of 0 switches it off.
    volatility_common_share : share of that logarithm's variance that all symbols have in common.
    tail_degrees : degrees of freedom of the Student-t returns; None for normal ones.
    jump_probability, jump_size : chance of a jump in a bar, and its standard deviation in units of
        the bar's long-run standard deviation.
    session_profile : volatility and volume by time of day (Tokyo, London, New York), for bars of
        one hour or less.
    weekend_gap : standard deviation of the jump from the last close to the first open after a
        weekend, as a fraction; elsewhere a bar opens at the last close.
    edge_strength : planted edge: the drift of `edge_horizon_bars` bars in units of their standard
        deviation, where volatility and direction stay as they are. 0 plants none.
    edge_run_bars : mean number of bars until the planted direction turns.
    """

    symbols: tuple[MarketSymbol, ...] = Field(min_length=1)
    timeframe: str = "1m"
    n_bars: int = Field(default=500_000, ge=1, le=20_000_000)
    seed: int = 0
    start: AwareDatetime = datetime(2020, 1, 1, tzinfo=UTC)
    calendar: Literal["24x7", "fx"] = "24x7"
    volatility_spread: float = Field(default=0.5, ge=0.0, le=1.0)
    volatility_persistence: float = Field(default=0.999, ge=0.0, le=0.9999)
    volatility_common_share: float = Field(default=0.5, ge=0.0, le=1.0)
    tail_degrees: float | None = Field(default=5.0, gt=2.0, le=1_000.0)
    jump_probability: float = Field(default=0.0001, ge=0.0, le=0.1)
    jump_size: float = Field(default=10.0, ge=0.0, le=100.0)
    session_profile: bool = True
    weekend_gap: float = Field(default=0.0, ge=0.0, le=0.05)
    edge_strength: float = Field(default=0.0, ge=0.0, le=5.0)
    edge_horizon_bars: int = Field(default=15, ge=1, le=1_000)
    edge_run_bars: float = Field(default=60.0, gt=1.0, le=100_000.0)

    @field_validator("timeframe")
    @classmethod
    def _known_timeframe(cls, name: str) -> str:
        fixed_timeframe_ns(name)
        return name

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [symbol.name for symbol in self.symbols]
        if len(set(names)) < len(names):
            raise ValueError(f"a symbol is named twice: {', '.join(names)}")
        if len({len(symbol.loadings) for symbol in self.symbols}) > 1:
            raise ValueError("all symbols must have the same number of loadings")
        return self

    def symbol(self, name: str) -> MarketSymbol:
        """Return the entry of symbol `name`.

        Raises
        ------
        ConfigError (``CONFIG-UnknownSymbol``) if the market has no such symbol.
        """
        known = {symbol.name: symbol for symbol in self.symbols}
        if name not in known:
            raise ConfigError(
                f"the made-up market has no symbol {name!r}; it has {', '.join(known)}.",
                code="CONFIG-UnknownSymbol",
                field="symbol",
                value=name,
                suggestion=did_you_mean(name, known),
            )
        return known[name]

    def correlation(self, first: str, second: str) -> float:
        """Return the correlation of one-bar log returns that the config implies without an edge.

        Loadings give the product sum; the parts of volatility that the two do not share, and
        jumps, which every symbol has for itself, lower it.
        """
        if first == second:
            return 1.0
        pairs = zip(self.symbol(first).loadings, self.symbol(second).loadings, strict=True)
        apart = self.volatility_spread**2 * (1.0 - self.volatility_common_share)
        jumps = 1.0 + self.jump_probability * self.jump_size**2
        return math.fsum(a * b for a, b in pairs) * math.exp(-apart) / jumps


_RECIPE_BARS = 3_081_668  # 2020-01-01 to 2025-11-10, one-minute bars
_RECIPE_SYMBOLS = (
    MarketSymbol(name="BTC-USD", start_price=40_000.0, loadings=(0.85,), hourly_volatility=0.0055),
    MarketSymbol(name="ETH-USD", start_price=2_500.0, loadings=(0.80,), hourly_volatility=0.0065),
    MarketSymbol(name="BNB-USD", start_price=300.0, loadings=(0.70,), hourly_volatility=0.0065),
)
# A strength of 1.21 gives a best attainable accuracy of 0.80 over 15 bars of the recipe.
_RECIPE_EDGE = {"null": 0.0, "planted": 1.21}
_MOST_SYMBOLS = 1_000


def market_recipe(name: str, *, n_symbols: int = 3) -> SyntheticMarketConfig:
    """Return the market ``null`` (no edge) or ``planted`` (best attainable accuracy about 0.80).

    Both are coins, round the clock, 3,081,668 one-minute bars from 2020-01-01, alike but for the
    edge: three named ones and further made-up names. Ask for fewer bars by another `n_bars`: the
    bars kept are the same, as are those of a symbol whatever `n_symbols` (1 to 1,000) is.

    Raises
    ------
    ConfigError (``CONFIG-UnknownRecipe``) for another name, for fewer than 1 or more than 1,000
    symbols.
    """
    if name not in _RECIPE_EDGE:
        raise ConfigError(
            f"there is no market recipe {name!r}; there are {', '.join(_RECIPE_EDGE)}.",
            code="CONFIG-UnknownRecipe",
            field="recipe",
            value=name,
            suggestion=did_you_mean(name, _RECIPE_EDGE),
        )
    if not 1 <= n_symbols <= _MOST_SYMBOLS:
        raise ConfigError(
            f"a market has 1 to {_MOST_SYMBOLS:,} symbols, not {n_symbols}.",
            code="CONFIG-OutOfRange",
            field="n_symbols",
            value=n_symbols,
        )
    more = tuple(_further_coin(number) for number in range(len(_RECIPE_SYMBOLS) + 1, n_symbols + 1))
    return SyntheticMarketConfig(
        symbols=(*_RECIPE_SYMBOLS[:n_symbols], *more),
        n_bars=_RECIPE_BARS,
        edge_strength=_RECIPE_EDGE[name],
    )


def _further_coin(number: int) -> MarketSymbol:
    return MarketSymbol(
        name=f"COIN{number}-USD",
        start_price=100.0,
        loadings=(0.85 - 0.05 * (number % 8),),
        hourly_volatility=0.0055 + 0.0005 * (number % 5),
    )
