"""The protocol engine: pure, total, deterministic, explained. No Django, no clock, no I/O beyond loading knowledge.

`propose(case, knowledge, today)` answers every valid case; DESIGN.md §5 is the contract of its answer.
"""

from protocols.engine.case import Case, CaseFaults, parse
from protocols.engine.following import FollowUp, parse_follow_up
from protocols.engine.knowledge import Formulary, Knowledge, KnowledgeError, build, load
from protocols.engine.proposing import Proposal, propose
from protocols.engine.replan import replan

__all__ = [
    "Case",
    "CaseFaults",
    "FollowUp",
    "Formulary",
    "Knowledge",
    "KnowledgeError",
    "Proposal",
    "build",
    "load",
    "parse",
    "parse_follow_up",
    "propose",
    "replan",
]
