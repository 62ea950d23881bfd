"""The knowledge in use: the shipped files, read once per process."""

from functools import cache
from pathlib import Path

from protocols.engine import Knowledge, load


@cache
def knowledge() -> Knowledge:
    """The shipped knowledge. Raises KnowledgeError with every fault of the files."""
    return load(Path(__file__).parent / "knowledge")
