"""Memory is planned before a computation starts, so that none dies halfway."""

from marketlab.core import ConfigError


def require_memory(n_columns: int, n_bars: int) -> int:
    """Return the bytes of a float64 matrix of that shape.

    Raises
    ------
    ConfigError if they are more than the memory that is free now.
    """
    import psutil

    needed = 8 * n_columns * n_bars
    free = int(psutil.virtual_memory().available)
    if needed > free:
        raise ConfigError(
            f"{n_columns} columns over {n_bars} bars take {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB of memory are free.",
            code="CONFIG-TooLarge",
            field="tier",
            suggestion="Compute a part of the bars or of the columns at a time.",
        )
    return needed
