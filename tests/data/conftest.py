import pytest

from marketlab.core import DataNotAvailableError
from marketlab.data import fetch_bundled


@pytest.fixture(scope="session")
def wheels():
    """The wheels of the bundled series, fetched where they are not cached."""
    try:
        fetch_bundled()
    except DataNotAvailableError as error:
        pytest.skip(f"the bundled series cannot be had here: {error}")
