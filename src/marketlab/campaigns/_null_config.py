"""What a null is made of: how many surrogates, of which kind, and which model is refitted."""

from typing import Any, Literal

from pydantic import Field, field_validator

from marketlab.core import ConfigError, FrozenConfig
from marketlab.evaluation import SURROGATES, SurrogateMarket

_MODELS = {"linear": "linear models", "net": "nets"}
_REFITTED = {
    "linear": "a linear model refitted on each, against the same linear model on the real bars",
    "net": "the strategy's own net refitted on each, against its net on the real bars",
}
_STATISTICS = {
    "linear": "log-loss skill of a linear model over the best of class shares, even odds and"
    " causal state, nats per sample",
    "net": "log-loss skill of the strategy's own net over the best of class shares, even odds and"
    " causal state, nats per sample",
}


class NullConfig(FrozenConfig):
    """Surrogate series through the same pipeline. 99 give p-values down to 0.01.

    Attributes
    ----------
    statistic : ``linear`` refits a logistic model on the inputs of each strategy; ``net`` refits
        each strategy's own net, which costs as many trainings as there are surrogates.
    surrogate : ``sign_flip`` or a mapping with ``kind`` and the settings of that kind, as in
        ``{kind: block_bootstrap, mean_block_bars: 5}`` (see `SURROGATES`). The p of other kinds
        than sign flips is shown and decides nothing: volatility alone can make it small.
    """

    surrogates: int = Field(default=99, ge=19, le=9999)
    statistic: Literal["linear", "net"] = "linear"
    surrogate: dict[str, Any] = Field(default_factory=lambda: {"kind": "sign_flip"})

    @field_validator("surrogate", mode="before")
    @classmethod
    def _known(cls, value: Any) -> dict[str, Any]:
        block = {"kind": value} if isinstance(value, str) else value
        if not (isinstance(block, dict) and isinstance(block.get("kind"), str)):
            raise ValueError(  # noqa: TRY004, pydantic collects it
                f"give a kind ({', '.join(SURROGATES.names())}) or a mapping with kind and its "
                "settings, as in {kind: block_bootstrap, mean_block_bars: 5}"
            )
        kind = SURROGATES.canonical(block["kind"])
        return {"kind": kind, **_market(block).to_mapping()}

    def surrogate_market(self) -> SurrogateMarket:
        """Return what draws the surrogates."""
        market: SurrogateMarket = _market(self.surrogate)
        return market

    @property
    def model(self) -> str:
        """What is refitted, two words for a sentence."""
        return _MODELS[self.statistic]

    @property
    def tests_direction(self) -> bool:
        """Whether a small p says that direction is forecast: of sign flips only, today."""
        return self.surrogate_market().tests_direction

    @property
    def noise(self) -> str:
        """What the surrogates are, as it stands after "against"."""
        return self.surrogate_market().noise

    @property
    def statistic_text(self) -> str:
        """What is compared, with its unit."""
        return _STATISTICS[self.statistic]

    @property
    def description(self) -> str:
        """One line for the report."""
        kind = str(self.surrogate["kind"]).replace("_", " ")
        return (
            f"{kind} surrogate bars through the same features, labels and split; "
            f"{_REFITTED[self.statistic]}"
        )


def _market(block: dict[str, Any]) -> Any:
    kind: Any = SURROGATES.get(block["kind"], field="kind")
    settings = {key: value for key, value in block.items() if key != "kind"}
    if settings and not kind.model_fields:
        raise ConfigError(
            f"the surrogate {block['kind']!r} takes no settings; received {', '.join(settings)}.",
            code="CONFIG-Surrogate",
            field=next(iter(settings)),
            suggestion="Leave them out.",
        )
    try:
        return kind.from_mapping(settings)
    except ConfigError as error:
        first = (error.details.get("issues") or [error.to_dict()])[0]
        example = ", ".join(f"{name}: {value}" for name, value in kind.example.items())
        raise ConfigError(
            f"the surrogate {block['kind']!r} cannot be made: {first['message']}",
            code="CONFIG-Surrogate",
            field=first["field"],
            value=first["value"],
            suggestion=f"For example {{kind: {block['kind']}, {example}}}.",
        ) from None
