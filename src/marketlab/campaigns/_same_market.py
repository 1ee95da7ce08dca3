"""Which stored data sets are of one market, and which days data sets and parts of runs cover."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from marketlab.campaigns._looks import Span, market_of
from marketlab.core import MarketLabError
from marketlab.data import Catalog, Manifest, parse_timeframe


class SameMarket:
    """The stored data sets of the market of one of them.

    Parameters
    ----------
    market : `market_of` that data set; without it, it is looked up.
    """

    def __init__(self, catalog: Catalog, dataset_id: str, *, market: str | None = None) -> None:
        self.root = catalog.root
        self.dataset_id = dataset_id
        self.manifests = {found.dataset_id: found for found in catalog.list()}
        own = self.manifests.get(dataset_id)
        if market is None and own is not None:
            market = _walk(self.root, dataset_id) if own.is_synthetic else own.symbol
        self.market = market
        self._held: dict[tuple[str, tuple[Span, ...]], bool] = {}

    def may_hold(self, dataset_id: str, symbol: str | None, days: Sequence[Span]) -> bool:
        """Return whether a data set is of this market and has bars on some of the days.

        Of one that is no longer stored only the symbol of its run is known: it may.
        """
        if dataset_id == self.dataset_id:
            return True
        manifest = self.manifests.get(dataset_id)
        if manifest is None:
            return symbol is not None and symbol == self.market
        asked = (dataset_id, tuple(days))
        if asked not in self._held:
            here = bool(overlap([self.extent(manifest)], days))
            self._held[asked] = here and self._is_it(manifest)
        return self._held[asked]

    def extent(self, manifest: Manifest) -> Span:
        """Return when the first bar opens and the last one closes (nominally)."""
        return _span(manifest.first_time, manifest.last_time, manifest.timeframe)

    def _is_it(self, manifest: Manifest) -> bool:
        if not manifest.is_synthetic:
            return manifest.symbol == self.market
        own = self.manifests.get(self.dataset_id)
        if own is None or not own.is_synthetic or own.symbol != manifest.symbol:
            return False
        seeds = [each.metadata.get("config", {}).get("seed") for each in (own, manifest)]
        if None not in seeds and seeds[0] != seeds[1]:
            return False  # without reading the bars
        with suppress(MarketLabError):
            return _walk(self.root, manifest.dataset_id) == self.market
        return True  # it cannot be read, so nobody can tell it apart


@lru_cache(maxsize=4096)
def _walk(root: Path, dataset_id: str) -> str:
    """Return the market of stored synthetic bars; an id means the same bars for ever."""
    return market_of(Catalog(root).load(dataset_id))


def part_spans(
    splits: Mapping[str, Any] | None, timeframe: str, parts: Iterable[str]
) -> list[Span]:
    """Return the days of some parts of a run, from what `split_facts` tells of them."""
    facts = [(splits or {}).get(part) or {} for part in parts]
    return [
        _span(each["first_time"], each["last_time"], timeframe)
        for each in facts
        if each.get("first_time")
    ]


def overlap(spans: Iterable[Span], days: Sequence[Span]) -> list[Span]:
    """Return the parts of spans that lie in the days; spans that only touch have none."""
    cut = [(max(a, low), min(b, high)) for a, b in spans for low, high in days]
    return [(low, high) for low, high in cut if low < high]


def _span(first_opens: str, last_opens: str, timeframe: str) -> Span:
    first, last = datetime.fromisoformat(first_opens), datetime.fromisoformat(last_opens)
    return first, last + parse_timeframe(timeframe)
