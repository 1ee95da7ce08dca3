"""Named random streams: each use of chance has its own, so adding one moves no other.

A stream is identified by the campaign's seed and a path of names. The same path always gives the
same numbers, in any order and in any process. Inside kernels the 64-bit key of a stream feeds a
counter-based generator (`marketlab.kernels`), so that draw number k needs no draw before it.
"""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def stream_key(seed: int, *path: str | int) -> int:
    """Return the 64-bit key of a named stream: the head of SHA-256 over seed and path."""
    text = "\x1f".join([str(int(seed)), *(f"{type(p).__name__}:{p}" for p in path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


def seed_streams(seed: int, *path: str | int) -> "np.random.Generator":
    """Return a NumPy generator (Philox, counter-based) for the named stream."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=stream_key(seed, *path)))
