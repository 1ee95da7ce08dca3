"""The 27 strategies of the campaign: their blocks (reference 3.2) and their matrix (3.3)."""

from typing import Any

_WEAK_STRONG = {"weak": [0, 15, 25], "moderate": [20, 35, 50], "strong": [45, 60, 100]}
_AROON = {"weak": [0, 25, 40], "moderate": [35, 50, 65], "strong": [60, 75, 100]}
_FLOW = {"oversold": [0, 30, 40], "neutral": [35, 50, 65], "overbought": [60, 70, 100]}
_ADX = {"adx_14": {"type": "adx", "period": 14}}

# block -> (indicators, fuzzy_sets)
BLOCKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "RSI": (
        {"rsi_14": {"type": "rsi", "period": 14, "source": "close"}},
        {"rsi_14": {"indicator": "rsi_14", **_FLOW}},
    ),
    "STO": (
        {"stochastic_14": {"type": "stochastic", "k_period": 14, "d_period": 3, "smooth_k": 3}},
        {
            "stochastic_14": {
                "indicator": "stochastic_14.k",
                "oversold": [0, 20, 30],
                "neutral": [25, 50, 75],
                "overbought": [70, 80, 100],
            }
        },
    ),
    "WIL": (
        {"williams_14": {"type": "williams_r", "period": 14}},
        {
            "williams_14": {
                "indicator": "williams_14",
                "oversold": [-100, -80, -60],
                "neutral": [-65, -50, -35],
                "overbought": [-40, -20, 0],
            }
        },
    ),
    "MFI": (
        {"mfi_14": {"type": "mfi", "period": 14}},
        {"mfi_14": {"indicator": "mfi_14", **_FLOW}},
    ),
    "ADX": (_ADX, {"adx_14": {"indicator": "adx_14.adx", **_WEAK_STRONG}}),
    "DI": (
        _ADX,
        {
            "di_plus_14": {"indicator": "adx_14.plus_di", **_WEAK_STRONG},
            "di_minus_14": {"indicator": "adx_14.minus_di", **_WEAK_STRONG},
        },
    ),
    "ARO": (
        {"aroon_25": {"type": "aroon", "period": 25}},
        {
            "aroon_up_25": {"indicator": "aroon_25.up", **_AROON},
            "aroon_down_25": {"indicator": "aroon_25.down", **_AROON},
        },
    ),
    "CMF": (
        {"cmf_20": {"type": "cmf", "period": 20}},
        {
            "cmf_20": {
                "indicator": "cmf_20",
                "selling": [-1, -0.3, -0.05],
                "neutral": [-0.1, 0, 0.1],
                "buying": [0.05, 0.3, 1],
            }
        },
    ),
    "RVI": (
        {"rvi_10": {"type": "rvi_volatility", "period": 10}},
        {
            "rvi_10": {
                "indicator": "rvi_10",
                "low": [0, 20, 40],
                "neutral": [30, 50, 70],
                "high": [60, 80, 100],
            }
        },
    ),
}

# name -> (blocks, number of inputs)
STRATEGIES: dict[str, tuple[tuple[str, ...], int]] = {
    "v15_rsi_only": (("RSI",), 9),
    "v15_stochastic_only": (("STO",), 9),
    "v15_williams_only": (("WIL",), 9),
    "v15_mfi_only": (("MFI",), 9),
    "v15_adx_only": (("ADX",), 9),
    "v15_aroon_only": (("ARO",), 18),
    "v15_cmf_only": (("CMF",), 9),
    "v15_rvi_only": (("RVI",), 9),
    "v15_di_only": (("DI",), 18),
    "v15_rsi_adx": (("RSI", "ADX"), 18),
    "v15_rsi_stochastic": (("RSI", "STO"), 18),
    "v15_rsi_williams": (("RSI", "WIL"), 18),
    "v15_rsi_mfi": (("RSI", "MFI"), 18),
    "v15_adx_aroon": (("ADX", "ARO"), 27),
    "v15_adx_di": (("ADX", "DI"), 27),
    "v15_stochastic_williams": (("STO", "WIL"), 18),
    "v15_mfi_cmf": (("MFI", "CMF"), 18),
    "v15_rsi_cmf": (("RSI", "CMF"), 18),
    "v15_adx_rsi": (("ADX", "RSI"), 18),
    "v15_aroon_rvi": (("ARO", "RVI"), 27),
    "v15_rsi_adx_stochastic": (("RSI", "ADX", "STO"), 27),
    "v15_mfi_adx_aroon": (("MFI", "ADX", "ARO"), 36),
    "v15_williams_stochastic_cmf": (("WIL", "STO", "CMF"), 27),
    "v15_rsi_zigzag_1.5": (("RSI",), 9),
    "v15_rsi_zigzag_2.0": (("RSI",), 9),
    "v15_rsi_zigzag_3.0": (("RSI",), 9),
    "v15_rsi_zigzag_3.5": (("RSI",), 9),
}

VOLUME_STRATEGIES = {
    "v15_mfi_only",
    "v15_cmf_only",
    "v15_rsi_mfi",
    "v15_mfi_cmf",
    "v15_rsi_cmf",
    "v15_mfi_adx_aroon",
    "v15_williams_stochastic_cmf",
}


def raw_blocks(*blocks: str) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Return the YAML blocks `indicators`, `fuzzy_sets`, `nn_inputs` of the named blocks."""
    indicators: dict[str, Any] = {}
    fuzzy_sets: dict[str, Any] = {}
    for block in blocks:
        indicators |= BLOCKS[block][0]
        fuzzy_sets |= BLOCKS[block][1]
    inputs = [{"fuzzy_set": name, "timeframes": "all"} for name in fuzzy_sets]
    return indicators, fuzzy_sets, inputs
