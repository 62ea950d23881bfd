from pathlib import Path

import pytest

from protocols.engine import Knowledge, load


@pytest.fixture(scope="session")
def knowledge() -> Knowledge:
    """The shipped knowledge files."""
    return load(Path(__file__).parents[2] / "protocols" / "knowledge")
