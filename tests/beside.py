"""How `make test` and `make fault` use two cores: pytest-xdist runs two tests at a time, for most of them wait for something most of the
time, and those that measure a time run by themselves afterwards (marker `alone`). The one thing not to break: what shares a stack stays
together, in its order, and the report knows of every test that was chosen, whichever process it ran in."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.fault.gathering import ID_PROPERTY, id_in

if TYPE_CHECKING:
    from collections.abc import Iterable

# Folders whose tests share one stack; everything else shares one only within its file.
SHARING = ("tests/fault/input", "tests/fault/loop")
# What takes minutes goes first, so that nobody is left with it at the end; and what generates requests as fast as the machine can (T-H01,
# in `input`) beside what waits for brokers, sessions and statements to end, not beside what computes.
LONGEST_FIRST = (
    "tests/fault/input",
    "tests/fault/brokers/test_brokers_die.py",
    "tests/fault/postgres/test_own_process.py",
    "tests/fault/postgres/test_sessions_ended.py",
    "tests/fault/test_numbers_on_the_topics.py",
    "tests/fault/test_out_of_turn.py",
    "tests/fault/test_crash_points.py",
    "tests/fault/loop",
    "tests/fault/test_kills.py",
    "tests/fault/postgres/test_deadlocks.py",
    "tests/fault/postgres/test_cancelled_requests.py",
)


def scope_of(node: str) -> str:
    """What is given to one process as a whole."""
    file = PurePosixPath(node.partition("::")[0])
    return next((folder for folder in SHARING if file.is_relative_to(folder)), str(file))


def in_turn(nodes: Iterable[str]) -> list[str]:
    """The longest first, and each scope in one piece, its tests in their order."""
    known = {scope: rank for rank, scope in enumerate(LONGEST_FIRST)}
    scopes: dict[str, list[str]] = {}
    for node in nodes:
        scopes.setdefault(scope_of(node), []).append(node)
    return [node for scope in sorted(scopes, key=lambda one: known.get(one, len(known))) for node in scopes[scope]]


class ByStack(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out scopes in the order of the collection."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByStack:
    """Ours, in the process that hands out."""
    config.option.loadscopereorder = False
    return ByStack(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In every process that runs tests: the order, and which row of the catalogue a test is."""
    place = {node: number for number, node in enumerate(in_turn(item.nodeid for item in items))}
    items.sort(key=lambda item: place[item.nodeid])
    for item in items:
        item.user_properties.append((ID_PROPERTY, id_in(getattr(getattr(item, "obj", None), "__doc__", None))))
