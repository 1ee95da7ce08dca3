"""Reads stored arrays whole, or says that the file cannot be read."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketlab.core import IntegrityError


def read_arrays(path: Path, *, suggestion: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz file by name; nothing in it is executed.

    Raises
    ------
    IntegrityError (STORAGE-Corrupt) if the file is missing, empty or damaged.
    """
    try:
        # Read whole first: numpy leaves its own handle open when the archive is damaged.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise IntegrityError(
            f"{path} cannot be read: {error}.", code="STORAGE-Corrupt", suggestion=suggestion
        ) from error
