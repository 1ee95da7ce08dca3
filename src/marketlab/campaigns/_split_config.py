"""Which split a strategy file may ask for: by shares of the samples, or by days."""

from fractions import Fraction
from typing import Any, Literal

from pydantic import Field

from marketlab.core import ConfigError, DataNotAvailableError, FrozenConfig, IntArray
from marketlab.evaluation import SPLITTERS, DateSplit, DayRange, Fold, RatioSplit

_RATIOS = ("train", "validation", "test")
_EXAMPLE = "For example {train: 0.70, validation: 0.15, test: 0.15}."
_OTHERS = {
    "chunk": "it trains on what comes after validation and is for hyper-parameter search only",
    "walk_forward": "it gives several folds, and a run trains one net on one fold",
    "combinatorial": "it gives many folds that train on what comes after the test groups, and a"
    " run trains one net on one fold",
}


class DatesSplitConfig(FrozenConfig):
    """``{type: dates, train: {start, end}, …}``: UTC days, both included (see `DateSplit`).

    A sample belongs to a part only if its bar and its label's end lie in it.
    """

    type: Literal["dates"]
    train: DayRange
    validation: DayRange
    test: DayRange
    embargo_bars: int = Field(default=0, ge=0)

    def splitter(self) -> DateSplit:
        """Return the splitter; `ConfigError` if the ranges overlap."""
        return DateSplit(
            train=self.train,
            validation=self.validation,
            test=self.test,
            embargo_bars=self.embargo_bars,
        )


SplitConfig = DatesSplitConfig | dict[str, float]


def parse_split(value: Any) -> SplitConfig:
    """Return the checked block `data_split`.

    Without ``type``, or with ``type: ratio``, it is the mapping of the three shares.

    Raises
    ------
    ConfigError (CONFIG-DataSplit) for an unknown or unfit type, unknown or missing keys, shares
    that do not sum to 1 and day ranges that overlap.
    """
    if isinstance(value, DatesSplitConfig):
        return value
    if not isinstance(value, dict):
        raise ConfigError(
            f"the split must be a mapping, not {value!r}.",
            code="CONFIG-DataSplit",
            suggestion=_EXAMPLE,
        )
    kind = value.get("type", "ratio")
    if kind == "dates":
        return _dates(value)
    if kind != "ratio":
        SPLITTERS.get(str(kind), field="type")
        why = _OTHERS[SPLITTERS.canonical(str(kind))]
        raise ConfigError(
            f"a strategy cannot be split by {kind!r}: {why}.",
            code="CONFIG-DataSplit",
            field="type",
            value=kind,
            suggestion="Use type ratio or dates here.",
        )
    return _ratios({key: share for key, share in value.items() if key != "type"})


def splitter_of(config: SplitConfig) -> RatioSplit | DateSplit:
    """Return the splitter that a checked block names."""
    if isinstance(config, DatesSplitConfig):
        return config.splitter()
    return RatioSplit(train=config["train"], validation=config["validation"], test=config["test"])


def part_share(config: SplitConfig, fold: Fold, part: str) -> float:
    """Return the share of the usable samples that one part gets: as asked, or as the days give."""
    if isinstance(config, DatesSplitConfig):
        return len(fold.part(part)) / max(fold.n_samples, 1)
    return config[part]


def refuse_uncovered_days(config: SplitConfig, close_time_ns: IntArray) -> None:
    """Raise `DataNotAvailableError` if the bars end more than a week inside the asked days."""
    if not isinstance(config, DatesSplitConfig):
        return
    problems = config.splitter().coverage_problems(close_time_ns)
    if problems:
        raise DataNotAvailableError(
            f"the split cannot be made as asked: {problems[0]}",
            field="training.data_split",
            details={"problems": list(problems)},
            suggestion="Import a longer series, or ask for days that it covers.",
        )


def _dates(value: dict[str, Any]) -> DatesSplitConfig:
    try:
        config = DatesSplitConfig.from_mapping(value)
        config.splitter()
    except ConfigError as error:
        raise _first_issue(error) from None
    return config


def _first_issue(error: ConfigError) -> ConfigError:
    """Return the first broken rule alone, for the strategy's own error to carry."""
    first = (error.details.get("issues") or [error.to_dict()])[0]
    return ConfigError(
        first["message"],
        code="CONFIG-DataSplit",
        field=first["field"],
        value=first["value"],
        suggestion=first["suggestion"],
    )


def _ratios(value: dict[str, Any]) -> dict[str, float]:
    for key, share in value.items():
        if key not in _RATIOS:
            raise ConfigError(
                f"unknown split key {key!r}.",
                code="CONFIG-DataSplit",
                field=key,
                suggestion=f"The keys are {', '.join(_RATIOS)}.",
            )
        if isinstance(share, bool) or not isinstance(share, int | float):
            raise ConfigError(
                f"a share must be a number; received {share!r}.",
                code="CONFIG-DataSplit",
                field=key,
                value=share,
                suggestion=_EXAMPLE,
            )
    missing = [key for key in _RATIOS if key not in value]
    if missing:
        raise ConfigError(
            f"the split lacks {', '.join(missing)}.",
            code="CONFIG-DataSplit",
            suggestion="Give train, validation and test; they must sum to 1.",
        )
    total = sum(Fraction(str(share)) for share in value.values())
    if total != 1:
        raise ConfigError(
            f"train, validation and test must sum to 1; {value} sums to {float(total):g}.",
            code="CONFIG-DataSplit",
            suggestion=_EXAMPLE,
        )
    shares = {key: float(share) for key, share in value.items()}
    try:
        RatioSplit.from_mapping(shares)
    except ConfigError as error:
        raise _first_issue(error) from None
    return shares
