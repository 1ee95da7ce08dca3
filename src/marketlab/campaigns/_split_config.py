"""Which split a strategy file may ask for: by shares of the samples, by days, or a walk forward.

One fold, or many: a walk trains one net for each of its blocks and one more, the *final* net, on
everything that is not sealed. What is judged are the forecasts of the blocks, each by the net that
had trained before it; the final net is the one that is kept, promoted and tested under the seal.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from marketlab.core import ConfigError, DataNotAvailableError, FrozenConfig, IntArray
from marketlab.evaluation import (
    SPLITTERS,
    DateSplit,
    DayRange,
    Fold,
    PurgedWalkForward,
    RatioSplit,
)
from marketlab.evaluation._verdict import JudgedPart
from marketlab.labels import LabelSet

_RATIOS = ("train", "validation", "test")
_EXAMPLE = "For example {train: 0.70, validation: 0.15, test: 0.15}."
_OTHERS = {
    "chunk": "it trains on what comes after validation and is for hyper-parameter search only",
    "combinatorial": "its folds train on what comes after the blocks they forecast, which nobody"
    " could have done then",
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


class WalkForwardSplitConfig(PurgedWalkForward):
    """``{type: walk_forward, train_share, n_folds, validation_share, sealed_share, …}``.

    See `PurgedWalkForward`. ``validation_share`` must be above 0: each net takes the epoch that is
    best on the end of its own training window, never on the block that it forecasts.
    """

    type: Literal["walk_forward"]

    @model_validator(mode="after")
    def _chooses_inside(self) -> Self:
        if not self.validation_share:
            raise ConfigError(
                "validation_share must be above 0: each net's epoch is chosen on the end of its "
                "own training window.",
                code="CONFIG-DataSplit",
                field="validation_share",
                value=self.validation_share,
                suggestion="0.15 is usual.",
            )
        return self


SplitConfig = DatesSplitConfig | WalkForwardSplitConfig | dict[str, float]


class JudgedFold(NamedTuple):
    """Sample positions: what a net trains on, what chooses its epoch, what its forecasts are of."""

    train: IntArray
    validation: IntArray
    judged: IntArray


@dataclass(frozen=True)
class RunFolds:
    """The folds of one run.

    Attributes
    ----------
    final : of the net that is kept; its ``test`` part is sealed.
    scored : the folds of a walk, oldest first, each with the block that its net forecasts as its
        ``test`` part; empty where a run has one fold, whose ``validation`` part is judged.
    """

    final: Fold
    scored: tuple[Fold, ...] = ()

    @property
    def judged_part(self) -> JudgedPart:
        """What the verdict is about until the seal is opened."""
        return "walk-forward" if self.scored else "validation"

    def judged(self, part: JudgedPart) -> tuple[JudgedFold, ...]:
        """Return what trains and what is judged in each fold of one judged part."""
        if part == "walk-forward":
            return tuple(JudgedFold(f.train, f.validation, f.test) for f in self.scored)
        return (JudgedFold(self.final.train, self.final.validation, self.final.part(part)),)


def parse_split(value: Any) -> SplitConfig:
    """Return the checked block `data_split`.

    Without ``type``, or with ``type: ratio``, it is the mapping of the three shares.

    Raises
    ------
    ConfigError (CONFIG-DataSplit) for an unknown or unfit type, unknown or missing keys, shares
    that do not sum to 1 and day ranges that overlap.
    """
    if isinstance(value, DatesSplitConfig | WalkForwardSplitConfig):
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
    if kind == "walk_forward":
        return _walk(value)
    if kind != "ratio":
        SPLITTERS.get(str(kind), field="type")
        why = _OTHERS[SPLITTERS.canonical(str(kind))]
        raise ConfigError(
            f"a strategy cannot be split by {kind!r}: {why}.",
            code="CONFIG-DataSplit",
            field="type",
            value=kind,
            suggestion="Use type ratio, dates or walk_forward here.",
        )
    return _ratios({key: share for key, share in value.items() if key != "type"})


def make_folds(config: SplitConfig, labels: LabelSet, close_time_ns: IntArray) -> RunFolds:
    """Cut the samples of one run; `close_time_ns` holds the close of every bar, (n_bars,)."""
    table = {"start": labels.start, "end": labels.end, "bar": labels.bar, "times": close_time_ns}
    if isinstance(config, WalkForwardSplitConfig):
        return RunFolds(config.final_fold(**table), config.folds(**table))
    if isinstance(config, DatesSplitConfig):
        return RunFolds(config.splitter().split(**table))
    ratio = RatioSplit(train=config["train"], validation=config["validation"], test=config["test"])
    return RunFolds(ratio.split(**table))


def part_share(config: SplitConfig, folds: RunFolds, part: JudgedPart) -> float:
    """Return the share of the usable samples that one part gets: as asked, or as the days give."""
    if isinstance(config, dict):
        return config[part]
    n_judged = sum(len(fold.judged) for fold in folds.judged(part))
    return n_judged / max(folds.final.n_samples, 1)


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


def _walk(value: dict[str, Any]) -> WalkForwardSplitConfig:
    try:
        return WalkForwardSplitConfig.from_mapping(value)
    except ConfigError as error:
        raise _first_issue(error) from None


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
