"""A server that may forget what it has acknowledged: no promise of ours would hold on it, so the service does not start there.

INVARIANT: with fsync=off or synchronous_commit=off the process ends before any part of it runs, and says what must be set.
What would break it: a check that looks at our own sessions (they ask for synchronous commits themselves), or one that only warns.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from laurel_cli.stack import Stack, throwaway_stack
from laurel_cli.stack import postgres as stack_postgres
from laurel_cli.stack.ports import free_port_base
from tests.fault.postgres.bank import fetch
from tests.fault.postgres.points_process import running_points, start_points
from tests.fault.report import record

START_SECONDS_MAX = 60.0


def refused(url: str, log: Path) -> tuple[int, str]:
    """Exit code and output of a start that ends by itself."""
    with log.open("wb") as output:
        process = start_points(
            {"LAUREL_DATABASE_URL": url}, output.fileno(), "--only", "api", port=free_port_base(), module="points_svc"
        )
        try:
            code = process.wait(START_SECONDS_MAX)
        finally:
            process.kill()
            process.wait()
    return code, log.read_text()


@pytest.mark.fault
async def test_the_service_does_not_start_where_commits_are_not_kept(
    fault_postgres: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T-P10: synchronous_commit=off for the role, fsync=off for the server; and with both on it starts."""
    url = fault_postgres.fresh_database()
    role = (await fetch(url, "SELECT current_user"))[0][0]
    await fetch(url, f'ALTER ROLE "{role}" SET synchronous_commit = off')
    by_role = refused(url, tmp_path / "role.log")
    await fetch(url, f'ALTER ROLE "{role}" SET synchronous_commit = local')
    with running_points({"LAUREL_DATABASE_URL": url}, tmp_path / "on.log", "--only", "api"):
        pass
    monkeypatch.setitem(stack_postgres._SETTINGS, "fsync", "off")
    with throwaway_stack(only=("postgres",)) as careless:
        by_server = refused(careless.fresh_database(), tmp_path / "server.log")
    held = (
        by_role[0] != 0
        and "synchronous_commit=off" in by_role[1]
        and "Set synchronous_commit=on" in by_role[1]
        and by_server[0] != 0
        and "Set fsync=on" in by_server[1]
        and "the service starts" not in by_role[1] + by_server[1]
    )
    figure = f"exit {by_role[0]} at synchronous_commit=off, exit {by_server[0]} at fsync=off, each with what to set"
    record("T-P10", figure, "the service refuses to start", held)
    assert held, (by_role, by_server)
