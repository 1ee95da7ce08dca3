"""Compiled causal primitives on plain arrays: one kernel per idea, for research and live alike."""

from marketlab.kernels import (  # noqa: F401 - they fill PRIMITIVES
    _table_basic,
    _table_complexity,
    _table_fused,
    _table_recursions,
    _table_windows,
)
from marketlab.kernels._calendar import CALENDAR_FIELDS, CALENDAR_ZONES
from marketlab.kernels._coarse import FIRST, HIGHEST, LAST, LOWEST, TOTAL, coarse_bars, spread
from marketlab.kernels._elementwise import binary, clip, ratio, unary, where
from marketlab.kernels._gather import gather_rows
from marketlab.kernels._jit import cache_folder, jit, kernel_sources_hash, register_warmup, warmup
from marketlab.kernels._lag import after, lag
from marketlab.kernels._membership import membership
from marketlab.kernels._order import RANK_KINDS
from marketlab.kernels._primitives import PRIMITIVES, Parameter, Primitive
from marketlab.kernels._random import (
    counter_bits,
    counter_uniform,
    fill_permutation,
    fill_uniform,
)
from marketlab.kernels._rolling import (
    bars_since_extreme,
    rolling_extreme,
    rolling_std,
    rolling_sum,
)
from marketlab.kernels._smoothing import smooth
from marketlab.kernels._table_basic import MEMBERSHIPS, N_MEMBERSHIP_PARAMETERS
from marketlab.kernels._tile import accumulate
from marketlab.kernels._zigzag import ZIGZAG_STATE_SIZE, zigzag_extremes, zigzag_state

__all__ = [
    "CALENDAR_FIELDS",
    "CALENDAR_ZONES",
    "FIRST",
    "HIGHEST",
    "LAST",
    "LOWEST",
    "MEMBERSHIPS",
    "N_MEMBERSHIP_PARAMETERS",
    "PRIMITIVES",
    "RANK_KINDS",
    "TOTAL",
    "ZIGZAG_STATE_SIZE",
    "Parameter",
    "Primitive",
    "accumulate",
    "after",
    "bars_since_extreme",
    "binary",
    "cache_folder",
    "clip",
    "coarse_bars",
    "counter_bits",
    "counter_uniform",
    "fill_permutation",
    "fill_uniform",
    "gather_rows",
    "jit",
    "kernel_sources_hash",
    "lag",
    "membership",
    "ratio",
    "register_warmup",
    "rolling_extreme",
    "rolling_std",
    "rolling_sum",
    "smooth",
    "spread",
    "unary",
    "warmup",
    "where",
    "zigzag_extremes",
    "zigzag_state",
]
