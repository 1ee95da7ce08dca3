"""One name per formula, thresholds in basis points; the names of older files lead to the same."""

import re
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from marketlab.core import ConfigError

_IN_BPS = {"zigzag_threshold", "threshold", "dead_zone", "cusum_threshold", "cost", "p99"}
_SHORT = {"horizon": "h", "zigzag_threshold": "t", "threshold": "t", "lookback": "n"}
_TOUCH = re.compile(r"touch_(up_high|up_close|down_low|down_close)_h(\d+)_t(\d+(?:p\d+)?)bps")
_LEGACY = re.compile(r"label_h(\d+)_t(\d+)pct")


def bps_text(fraction: float) -> str:
    """Return a fraction in basis points, exactly: 0.025 is ``250``, 0.00015 is ``1p5``."""
    points = (Decimal(repr(float(fraction))) * 10_000).normalize()
    return format(points, "f").replace(".", "p")


def generic_name(block: BaseModel) -> str:
    """Return the source with its horizon and every option that is not the default."""
    kind = type(block)
    parts = [str(getattr(block, "source", ""))]
    for name, info in kind.model_fields.items():
        value = getattr(block, name)
        is_usual = not info.is_required() and value == info.default
        if name in {"source", "allow"} or (is_usual and name != "horizon"):
            continue
        parts.append(_SHORT.get(name, name.replace("_", "")) + _text(name, value))
    return "_".join(parts)


def _text(name: str, value: Any) -> str:
    if name in _IN_BPS and isinstance(value, float):
        return f"{bps_text(value)}bps"
    return str(value).replace(".", "p").replace("_", "").replace("+", "").replace("-", "m")


def block_of_name(name: str) -> dict[str, Any] | None:
    """Return the label block that a touch name stands for; None if it is no such name.

    ``touch_up_high_h5_t100bps`` and its legacy alias ``label_h5_t1pct`` are the same label; so
    is the canonical High-based rule meant by the alias, whatever prices an older file used.

    Raises
    ------
    ConfigError for ``t0pct``, to which older files rounded 0.5 %.
    """
    legacy = _LEGACY.fullmatch(name)
    if legacy:
        if int(legacy[2]) == 0:
            raise ConfigError(
                f"{name!r} names no threshold: fractions of a percent were rounded to 0.",
                code="LABELS-AmbiguousName",
                field="label",
                value=name,
                suggestion=f"Write basis points: touch_up_high_h{legacy[1]}_t50bps is 0.5 %.",
            )
        return _touch_block("up_high", legacy[1], Decimal(legacy[2]) / 100)
    touch = _TOUCH.fullmatch(name)
    if touch is None:
        return None
    return _touch_block(touch[1], touch[2], Decimal(touch[3].replace("p", ".")) / 10_000)


def _touch_block(rule: str, horizon: str, threshold: Decimal) -> dict[str, Any]:
    side, price = rule.split("_")
    return {
        "source": "threshold_touch",
        "horizon": int(horizon),
        "threshold": float(threshold),
        "side": side,
        "price": "close" if price == "close" else "high_low",
    }
