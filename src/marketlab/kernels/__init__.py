"""Compiled causal primitives on plain arrays: one kernel per idea, for research and live alike."""

from marketlab.kernels._elementwise import binary, clip, ratio, unary, where
from marketlab.kernels._gather import gather_rows
from marketlab.kernels._jit import cache_folder, jit, kernel_sources_hash, register_warmup, warmup
from marketlab.kernels._lag import after, lag
from marketlab.kernels._membership import membership
from marketlab.kernels._primitives import (
    MEMBERSHIPS,
    N_MEMBERSHIP_PARAMETERS,
    PRIMITIVES,
    Parameter,
    Primitive,
)
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
from marketlab.kernels._tile import accumulate
from marketlab.kernels._zigzag import ZIGZAG_STATE_SIZE, zigzag_extremes, zigzag_state

__all__ = [
    "MEMBERSHIPS",
    "N_MEMBERSHIP_PARAMETERS",
    "PRIMITIVES",
    "ZIGZAG_STATE_SIZE",
    "Parameter",
    "Primitive",
    "accumulate",
    "after",
    "bars_since_extreme",
    "binary",
    "cache_folder",
    "clip",
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
    "unary",
    "warmup",
    "where",
    "zigzag_extremes",
    "zigzag_state",
]
