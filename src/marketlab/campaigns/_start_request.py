"""What a caller may say when a training is started, and how it changes the strategy's file."""

from typing import Any

from pydantic import Field

from marketlab.core import ConfigError, FrozenConfig


class StartRequest(FrozenConfig):
    """The body of a training start. Dates override the strategy's file and are recorded.

    ``boosting`` shows gradient boosting on the strategy's inputs among the baselines.
    """

    strategy_name: str
    symbol: str | None = None
    symbols: tuple[str, ...] | None = None
    timeframe: str | None = None
    timeframes: tuple[str, ...] | None = None
    start_date: str | None = None
    end_date: str | None = None
    task_id: str | None = None
    detailed_analytics: bool = True
    seed: int | None = Field(default=None, ge=0)
    repeats: int = Field(default=1, ge=1, le=100)
    boosting: bool = False

    def one(self, field: str) -> str | None:
        """Return the one symbol or timeframe that the body names, None if it names none."""
        single = getattr(self, field)
        several = getattr(self, f"{field}s")
        names = {*([single] if single else []), *(several or ())}
        if len(names) > 1:
            raise ConfigError(
                f"this version trains on one {field} at a time; received {sorted(names)}.",
                field=f"{field}s",
                suggestion="Start one operation for each.",
            )
        return next(iter(names), None)


def override_one(
    mapping: dict[str, Any], request: StartRequest, field: str, block: str, changes: list[str]
) -> None:
    """Let the request's symbol or timeframe replace the file's, and note it if it differs."""
    wanted = request.one(field)
    data = mapping.get("training_data", {}).get(block)
    if wanted is None or not isinstance(data, dict) or data.get("list") == [wanted]:
        return
    changes.append(f"training_data.{block}.list: {data.get('list')} -> [{wanted}]")
    data["list"] = [wanted]
    if block == "timeframes":
        data["base_timeframe"] = wanted
