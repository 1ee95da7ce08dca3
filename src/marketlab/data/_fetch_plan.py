"""What is to be fetched: recipes, and the requests of a fetch before its first one."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from marketlab.core import (
    Clock,
    ConfigError,
    FrozenConfig,
    MarketLabError,
    NotFoundError,
    SystemClock,
    content_id,
    did_you_mean,
    from_mapping,
    load_yaml_file,
)
from marketlab.data._source import SOURCES, BarSource, ChunkRequest, plan_chunks, step_seconds


class FetchRequest(FrozenConfig):
    """One dataset to fetch: the bars that open in ``[start, end)``, ISO 8601 with a zone."""

    source: str
    symbol: str
    timeframe: str
    start: str
    end: str
    candles_per_request: int | None = None


class _RecipeSymbol(FrozenConfig):
    source: str
    symbol: str


class FetchRecipe(FrozenConfig):
    """Several datasets of one range; the order is that of symbols, then timeframes."""

    name: str
    description: str
    start: str
    end: str
    timeframes: list[str]
    candles_per_request: dict[str, int] = Field(default_factory=dict)
    symbols: list[_RecipeSymbol]

    def requests(self) -> list[FetchRequest]:
        """Return one request per dataset."""
        return [
            FetchRequest(
                source=each.source,
                symbol=each.symbol,
                timeframe=timeframe,
                start=self.start,
                end=self.end,
                candles_per_request=self.candles_per_request.get(each.source),
            )
            for each in self.symbols
            for timeframe in self.timeframes
        ]


@dataclass(frozen=True)
class DatasetPlan:
    """The requests of one dataset, or the reason why its source cannot be asked."""

    request: FetchRequest
    source: BarSource | None
    chunks: tuple[ChunkRequest, ...]
    step: int
    blocked: MarketLabError | None = None

    @property
    def symbol(self) -> str:
        """Symbol of the stored dataset, as strategies spell it, such as ``BTCUSD``."""
        return canonical_symbol(self.request.symbol)

    @property
    def file_symbol(self) -> str:
        """The provider's symbol in names of files, such as ``BTC_USD``."""
        return re.sub(r"[^A-Za-z0-9]+", "_", self.request.symbol).strip("_")

    @property
    def name(self) -> str:
        """Source, symbol and timeframe, for people."""
        return f"{self.request.source} {self.request.symbol} {self.request.timeframe}"

    @property
    def plan_id(self) -> str:
        """Identity of the plan: the same requests have the same id."""
        return content_id([chunk.target for chunk in self.chunks])

    @property
    def folder(self) -> Path:
        """Folder of the dataset's raw chunks, under the raw folder."""
        top = self.request.source if self.source is None else self.source.folder
        return Path(top) / f"{self.file_symbol}_{self.request.timeframe}"

    @property
    def calendar(self) -> str:
        """Name of the calendar by which the symbol trades, of a dataset that is not blocked."""
        assert self.source is not None
        return self.source.calendar(self.request.symbol)


@dataclass(frozen=True)
class FetchPlan:
    """All datasets of a fetch in their order."""

    datasets: tuple[DatasetPlan, ...]

    @property
    def n_requests(self) -> int:
        """Requests of a fetch that starts with nothing."""
        return sum(len(each.chunks) for each in self.datasets)

    def seconds(self, remaining: Mapping[str, int] | None = None) -> float:
        """Return how long the fetch takes at least, at the pace of each source.

        `remaining` requests per dataset name; None means all. Sources run side by side.
        """
        totals: dict[str, float] = {}
        for each in self.datasets:
            if each.source is not None:
                count = len(each.chunks) if remaining is None else remaining[each.name]
                rate = each.source.limits.requests_per_second
                totals[each.source.name] = totals.get(each.source.name, 0.0) + count / rate
        return max(totals.values(), default=0.0)


def fetch_recipe_names() -> list[str]:
    """Return the names of the shipped fetch recipes."""
    return sorted(path.stem for path in _folder().glob("*.yaml"))


def load_fetch_recipe(name: str) -> FetchRecipe:
    """Return a shipped recipe, or one from the path of a YAML file.

    Raises
    ------
    NotFoundError if there is none of that name; ConfigError if the file breaks a rule.
    """
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        path = _folder() / f"{name}.yaml"
        if name not in fetch_recipe_names():
            raise NotFoundError(
                f"there is no fetch recipe {name!r}.",
                code="CONFIG-UnknownName",
                field="recipe",
                suggestion=did_you_mean(name, fetch_recipe_names()),
            )
    if not path.is_file():
        raise NotFoundError(f"there is no file {name!r}.", field="recipe")
    return from_mapping(FetchRecipe, load_yaml_file(path), source=path.name)


def plan_fetch(
    requests: list[FetchRequest],
    *,
    environment: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
) -> FetchPlan:
    """Return the requests of all datasets, before anything is asked.

    With several datasets a source that is not set up blocks its own datasets only: their plan
    carries the error. With one dataset it is raised.

    Raises
    ------
    ConfigError for an unknown source, wrong symbol, timeframe or range.
    """
    ready: dict[str, BarSource] = {}
    blocked: dict[str, MarketLabError] = {}
    for name in dict.fromkeys(request.source for request in requests):
        factory = SOURCES.get(name, field="source")
        try:
            ready[name] = factory(environment)
        except ConfigError as error:
            if len({request.source for request in requests}) == 1:
                raise
            blocked[name] = error
    now = clock or SystemClock()
    plans: dict[str, DatasetPlan] = {}
    for request in requests:
        if request.source in blocked:
            plan = DatasetPlan(request, None, (), 0, blocked[request.source])
        else:
            plan = _plan_dataset(request, ready[request.source], now)
        if plan.name in plans:
            raise ConfigError(f"{plan.name} is asked for twice.", field="symbols")
        plans[plan.name] = plan
    return FetchPlan(tuple(plans.values()))


def canonical_symbol(provider_symbol: str) -> str:
    """Return a provider's symbol as strategies spell it: capital letters and digits alone.

    ``BTC-USD``, ``EUR_USD`` and ``BTC/USDT`` become BTCUSD, EURUSD and BTCUSDT; the ending ``=X``,
    by which Yahoo marks currencies, is left out. ``planted/BTC-USD`` of the made-up markets becomes
    PLANTEDBTCUSD: it is never mixed up with the real BTCUSD.
    """
    return re.sub(r"[^A-Z0-9]", "", provider_symbol.upper().removesuffix("=X"))


def parse_moment(text: str, *, field: str) -> datetime:
    """Return an ISO 8601 date (its first moment in UTC) or time with a zone.

    Raises
    ------
    ConfigError for anything else.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no date or time.",
            field=field,
            value=text,
            suggestion="Write 2020-01-01 or 2020-01-01T12:00:00Z.",
        ) from error
    if moment.tzinfo is None and len(text) == 10:
        return moment.replace(tzinfo=UTC)
    if moment.tzinfo is None:
        raise ConfigError(
            f"the time {text!r} has no zone; one would be a guess.",
            field=field,
            value=text,
            suggestion="Add 'Z' for UTC, or an offset such as '+02:00'.",
        )
    return moment.astimezone(UTC)


def _plan_dataset(request: FetchRequest, source: BarSource, clock: Clock) -> DatasetPlan:
    chunks = plan_chunks(
        source,
        request.symbol,
        request.timeframe,
        parse_moment(request.start, field="start"),
        parse_moment(request.end, field="end"),
        candles=request.candles_per_request,
        clock=clock,
    )
    return DatasetPlan(request, source, tuple(chunks), step_seconds(source, request.timeframe))


def _folder() -> Path:
    return Path(__file__).parent / "recipes"
