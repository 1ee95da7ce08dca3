"""A campaign: one data set, a family of strategies, what is changed in all of them, and a null."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from marketlab.campaigns._null_config import NullConfig
from marketlab.campaigns._split_config import parse_split
from marketlab.campaigns._strategy import DateRange
from marketlab.core import ConfigError, FrozenConfig, check_name
from marketlab.data import SyntheticConfig


class CatalogRef(FrozenConfig):
    """Bars that were imported into the workspace."""

    symbol: str
    timeframe: str
    dataset_id: str | None = None


class DataConfig(FrozenConfig):
    """Where the bars come from: exactly one of the three."""

    bundled: str | None = None
    synthetic: SyntheticConfig | None = None
    catalog: CatalogRef | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [n for n in ("bundled", "synthetic", "catalog") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of bundled, synthetic, catalog; received {given or 'none'}"
            )
        return self


class StrategiesConfig(FrozenConfig):
    """Which strategy files: shipped ones (`recipe`), else those of the workspace."""

    recipe: str | None = None
    names: tuple[str, ...] = Field(min_length=1)

    @field_validator("names")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            check_name(name, field="strategies.names")
        doubled = sorted({n for n in value if value.count(n) > 1})
        if doubled:
            raise ValueError(f"each strategy may stand once; doubled: {', '.join(doubled)}")
        return value


class Overrides(FrozenConfig):
    """What the campaign changes in every strategy; each change is recorded with the run.

    ``date_range: data`` means from the first to the last bar there is. ``zigzag_scale`` multiplies
    every zigzag threshold.
    """

    date_range: DateRange | Literal["data"] | None = None
    symbol: str | None = None
    timeframe: str | None = None
    zigzag_scale: float | None = Field(default=None, gt=0)
    labels: dict[str, Any] | None = None
    data_split: dict[str, Any] | None = None
    epochs: int | None = Field(default=None, ge=1)
    allow_constant_features: bool | None = None

    @field_validator("data_split", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if value is None:
            return None
        split = parse_split(value)
        return split if isinstance(split, dict) else split.to_mapping()


class CampaignConfig(FrozenConfig):
    """One campaign file. ``compatibility: v15`` lets degenerate labels complete with a verdict.

    ``boosting`` shows gradient boosting on each strategy's inputs among the baselines; it decides
    nothing and costs some 0.3 s a run on 5,000 bars, and 2 s once per worker.
    """

    not_identity: ClassVar[frozenset[str]] = frozenset({"name", "description"})

    schema_version: Literal[1] = 1
    name: str
    description: str = ""
    compatibility: Literal["v15"] | None = None
    data: DataConfig
    strategies: StrategiesConfig
    overrides: Overrides = Overrides()
    null: NullConfig = NullConfig()
    boosting: bool = False
    seed: int = Field(default=0, ge=0)
    backend: Literal["compiled", "torch"] = "compiled"

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return check_name(value)

    @model_validator(mode="after")
    def _one_procedure(self) -> Self:
        if self.null.statistic == "net" and self.backend != "compiled":
            raise ConfigError(
                "the null of nets refits compiled nets, and this campaign's nets are torch's.",
                field="backend",
                value=self.backend,
                suggestion="Use backend compiled, or null.statistic linear.",
            )
        return self

    def with_null(self, *, statistic: str | None = None, surrogates: int | None = None) -> Self:
        """Return the campaign with another null; None keeps what the file says.

        Raises
        ------
        ConfigError if the value is none that a campaign file could hold.
        """
        changed = {"statistic": statistic, "surrogates": surrogates}
        given = {name: value for name, value in changed.items() if value is not None}
        if not given:
            return self
        mapping = self.to_mapping()
        return self.from_mapping({**mapping, "null": {**mapping["null"], **given}})
