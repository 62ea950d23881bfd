"""For the mutation check only (`-p tests.mutation`): each mutant meets all that can notice it, and soon.

mutmut runs all tests once without a mutant, then tries each mutant in a process forked from that one. Here the first
run notes which lines of the core each test and each recorded case goes through. A fork compares the recorded answers
that go through the changed statement, one of each way through the function after the other: most mutants end at one of
the first, in a tenth of a second. Mutants left over meet the other tests that go through the statement.

MESOCLINIC_MUTATION_ANSWERS=400 lets a mutant meet at most so many recorded answers: a first, quicker look. What it leaves
over is no survivor yet.
"""

import ast
import json
import os
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from types import CodeType
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import settings

#: Enough to kill by, few enough for thousands of mutants.
EXAMPLES = 5
#: Seconds of processor time for one recorded answer, which takes milliseconds, and for all other tests: more is a loop
#: without end.
PATIENCE, PATIENCE_WITH_THE_REST = 1, 120
#: Recorded answers that one mutant meets at most.
MOST = int(os.environ.get("MESOCLINIC_MUTATION_ANSWERS", "0")) or None
#: Exit codes that mutmut reads.
SURVIVED, KILLED, TIMEOUT = 0, 1, 36
_RECORDED = "tests/engine/test_recorded.py::test_every_recorded_case_gets_its_answer["
#: Cases that are recorded too.
_AGAIN = "tests/engine/test_rules.py::test_a_rule_fires_on_its_example_and_not_on_the_near_miss["
#: The recorded groups that are made for one rule after the other.
_OF_RULES = {"rule", "fact", "person"}
_TOOL = sys.monitoring.PROFILER_ID

type Lines = frozenset[tuple[str, int]]  # module and line
#: What the first run goes through, by the name of a test or (group, title, place) of a recorded case.
_SEEN: dict[Any, Lines] = {}
#: Each place once, whatever goes through it.
_PLACES: dict[tuple[str, int], tuple[str, int]] = {}


def _forget_compiled_rules() -> None:
    """Closures that were built before the mutant was set would hide it."""
    from protocols.engine import rules

    rules._COMPILED.clear()


def _modules() -> Iterator[tuple[str, Any]]:
    """The modules that have mutants."""
    for name, module in list(sys.modules.items()):
        if name.startswith("protocols.engine.") and "_mutmut_mutated" in vars(module):
            yield name, module


# --- the first run: what goes through which lines ---


def _with_inner(code: CodeType) -> Iterator[tuple[CodeType, str]]:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _with_inner(inner)
    yield code, Path(code.co_filename).stem


def _watch() -> None:
    sys.monitoring.use_tool_id(_TOOL, "mutation")
    for _name, module in _modules():
        for key, mutants in vars(module).items():
            if key.startswith("mutants_"):
                for code, _module in _with_inner(mutants["_mutmut_orig"].__code__):
                    sys.monitoring.set_local_events(_TOOL, code, sys.monitoring.events.LINE)


@contextmanager
def _noted(key: Any) -> Iterator[None]:
    seen: set[tuple[str, int]] = set()

    def note(code: CodeType, line: int) -> Any:
        place = (Path(code.co_filename).stem, line)
        seen.add(_PLACES.setdefault(place, place))
        return sys.monitoring.DISABLE

    sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, note)
    sys.monitoring.restart_events()
    try:
        yield
    finally:
        sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, None)
        _SEEN[key] = frozenset(seen)


def _is_first_run() -> bool:
    return os.environ.get("MUTANT_UNDER_TEST") == ""


def _recorded() -> list[tuple[tuple[str, str, int], dict[str, Any], str]]:
    """Each recorded case with its key and its record."""
    from tests.engine import recorded

    lines = iter(recorded.FILE.read_text().splitlines())
    return [
        ((group, title, place), data, next(lines))
        for group in recorded.GROUPS
        for place, (title, data) in enumerate(recorded.cases_of(group))
    ]


def pytest_collection_finish() -> None:
    if _is_first_run():
        _watch()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if not _is_first_run():
        return (yield)
    with _noted(item.nodeid):
        return (yield)


def pytest_sessionfinish() -> None:
    if _is_first_run():
        from protocols.engine import rules
        from tests.engine import recorded

        _forget_compiled_rules()
        with _noted("compiling"):
            rules.compile_rules(recorded.KNOWN)
        for key, data, _line in _recorded():
            with _noted(key):
                recorded.record(*key[:2], data)
        _find_statements()
        sys.monitoring.free_tool_id(_TOOL)


# --- where the mutants are ---

#: Text of each function that mutmut made, and of the original ones each statement: first, last line, end of its head.
_TEXTS: dict[str, list[str]] = {}
_STATEMENTS: dict[str, list[tuple[int, int, int]]] = {}


def _find_statements() -> None:
    for name, module in _modules():
        text = Path(module.__file__).read_text()
        rows = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name:
                key = f"{name}.{node.name}"
                _TEXTS[key] = rows[node.lineno - 1 : node.end_lineno]
                if key.endswith("_orig"):
                    _STATEMENTS[key] = [
                        (one.lineno, one.end_lineno or one.lineno, max(one.lineno, _end_of_head(one)))
                        for one in ast.walk(node)
                        if isinstance(one, ast.stmt)
                    ] + [
                        # What stands in a lambda below its first line is gone through when it is called.
                        (one.lineno + 1, one.end_lineno, one.end_lineno)
                        for one in ast.walk(node)
                        if isinstance(one, ast.Lambda) and one.end_lineno and one.end_lineno > one.lineno
                    ]


def _end_of_head(statement: ast.stmt) -> int:
    body = getattr(statement, "body", None)
    return body[0].lineno - 1 if body else statement.end_lineno or statement.lineno


def _function(mutant: str) -> Lines:
    """All lines of the original function."""
    stem, _, _number = mutant.rpartition("_")
    first, last, _head = _STATEMENTS[f"{stem}_orig"][0]
    return frozenset((stem.split(".")[2], line) for line in range(first, last + 1))


def _changed(mutant: str) -> Lines:
    """The lines of the original function's statement that the mutant changes; all lines where that can't be told."""
    stem, _, _number = mutant.rpartition("_")
    original = f"{stem}_orig"
    module = stem.split(".")[2]
    statements = _STATEMENTS[original]
    first, last, _head = statements[0]
    before, after = _TEXTS[original], _TEXTS[mutant]
    places = [n for n, (old, new) in enumerate(zip(before, after, strict=False)) if n and old != new]
    if len(before) != len(after) or not places:
        return _function(mutant)
    lines: set[tuple[str, int]] = set()
    for place in places:
        around = [row for row in statements[1:] if row[0] <= first + place <= row[1]]
        start, _end, head = min(around, key=lambda row: row[1] - row[0], default=(first, last, last))
        lines |= {(module, line) for line in range(start, head + 1)}
    return frozenset(lines)


# --- a mutant ---


def _one_of_each(known: list[Any], around: Lines) -> list[Any]:
    """In turns one case of each way through the function: what only a rare case notices is noticed soon."""
    ways: dict[Lines, list[Any]] = {}
    for row in known:
        ways.setdefault(_SEEN[row[0]] & around, []).append(row)
    turns = zip_longest(*sorted(ways.values(), key=len))
    return [row for turn in turns for row in turn if row is not None]


def _answers_differ(mutant: str, changed: Lines) -> bool:
    """Whether a recorded case gets another answer, or none."""
    from tests.engine import recorded

    # A fork compiles the rules for its first case: which one that is says nothing.
    every = not changed.isdisjoint(_SEEN["compiling"])
    known = [row for row in _recorded() if every or not changed.isdisjoint(_SEEN[row[0]])]
    random.Random(1).shuffle(known)
    if every:
        known.sort(key=lambda row: row[0][0].split()[0] not in _OF_RULES)
    else:
        known = _one_of_each(known, _function(mutant))
    # The cases are valid: checking that again for each mutant would take more than half of the time.
    with (
        patch("protocols.engine.case.schema_faults", return_value=[]),
        patch("protocols.engine.following.schema_faults", return_value=[]),
    ):
        for key, data, line in known[:MOST]:
            signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
            try:
                if recorded.record(*key[:2], data) != line:
                    return True
            except Exception:
                return True
    return False


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(args: list[str]) -> None:
    """Before pytest does anything else for a mutant: the recorded answers. Then the choice of the other tests."""
    mutant = os.environ.get("MUTANT_UNDER_TEST", "")
    if "__mutmut_" not in mutant:
        return
    changed = _changed(mutant)
    _forget_compiled_rules()
    signal.signal(signal.SIGVTALRM, lambda *_: os._exit(TIMEOUT))
    if _answers_differ(mutant, changed):
        os._exit(KILLED)
    args[:] = [
        arg for arg in args
        if not arg.startswith((_RECORDED, _AGAIN)) and (arg not in _SEEN or not changed.isdisjoint(_SEEN[arg]))
    ]  # fmt: skip
    if not any("::" in arg for arg in args):
        os._exit(SURVIVED)  # without a test named pytest would take all there are
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE_WITH_THE_REST)


@pytest.fixture(autouse=True)
def _rules_compiled_anew() -> Iterator[None]:
    _forget_compiled_rules()
    yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fewer examples in the property tests, and the same ones for every mutant."""
    for item in items:
        test = getattr(item, "obj", None)
        own = getattr(test, "_hypothesis_internal_use_settings", None)
        if test is not None and own is not None:
            test._hypothesis_internal_use_settings = settings(
                own, max_examples=EXAMPLES, derandomize=True, database=None
            )


# --- the result ---


def table() -> str:
    """What became of the mutants by module; a loop without end counts as noticed."""
    rows = ["| module | mutants | killed | score |", "|---|---|---|---|"]
    total = [0, 0]
    for file in sorted(Path("mutants/protocols/engine").glob("*.meta")):
        codes = list(json.loads(file.read_text())["exit_code_by_key"].values())
        if codes:
            killed = sum(code in {KILLED, 3, TIMEOUT, 24, -24, 152, 255} for code in codes)
            total = [total[0] + len(codes), total[1] + killed]
            rows.append(f"| {file.stem} | {len(codes)} | {killed} | {100 * killed / len(codes):.1f} % |")
    rows.append(f"| all | {total[0]} | {total[1]} | {100 * total[1] / (total[0] or 1):.1f} % |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
