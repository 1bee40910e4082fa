"""PostgreSQL starts on any machine with Python, keeps what it has acknowledged, and keeps services apart."""

from __future__ import annotations

import os
import signal
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir

import asyncpg
import pytest

from laurel_cli.stack import Stack, StackError, processes
from laurel_cli.stack.databases import answers
from laurel_cli.stack.postgres import PostgresServer
from laurel_cli.stack.services import SERVICES
from laurel_cli.stack.state import Home
from tests.integration.stack.conftest import NewStack

POSTGRES = {"postgres"}


async def run(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_what_was_written_is_there_after_down_and_up_and_after_sigkill(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up(only=POSTGRES)
    url = stack.database_url("points-svc")
    await run(url, "CREATE TABLE kept (n int)")
    await run(url, "INSERT INTO kept VALUES (1)")
    stack.down()
    assert not answers(url)
    stack.up(only=POSTGRES)
    await run(url, "INSERT INTO kept VALUES (2)")
    PostgresServer(stack.home, stack.port_base).kill()
    assert stack.pids() == {}
    stack.up(only=POSTGRES)
    assert await run(url, "SELECT sum(n)::int FROM kept") == 3


async def test_every_service_owns_its_database_and_cannot_connect_to_a_neighbours(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up(only=POSTGRES)
    databases = [service.database for service in SERVICES.values()]
    for name, service in SERVICES.items():
        url = stack.database_url(name)
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        assert await run(url, owner) == await run(url, "SELECT current_user") == service.role
        for database in {*databases, "postgres", "template1"} - {service.database}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
                await run(f"{url.rpartition('/')[0]}/{database}", "SELECT 1")


async def test_the_server_is_durable_and_listens_on_loopback_only(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up(only=POSTGRES)
    for setting, value in {
        "fsync": "on", "synchronous_commit": "on", "listen_addresses": "127.0.0.1", "password_encryption": "scram-sha-256",
        "unix_socket_directories": "", "shared_buffers": "256MB", "max_wal_size": "2GB", "jit": "off",
    }.items():  # fmt: skip
        assert await run(stack.superuser_url, f"SHOW {setting}") == value, setting
    wrong = stack.superuser_url.replace(stack.home.secret("postgres-superuser"), "guess")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await run(wrong, "SELECT 1")


async def test_up_keeps_a_server_that_runs_and_starts_a_dead_one_again(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up(only=POSTGRES)
    first = stack.pids()["postgres"]
    stack.up(only=POSTGRES)
    assert stack.pids()["postgres"] == first
    process = stack.home.process("postgres")
    assert process is not None
    os.kill(first, signal.SIGKILL)
    assert processes.wait_until_gone(process, 10.0)
    stack.ensure_running("postgres")
    assert stack.pids()["postgres"] != first


async def test_a_test_gets_a_fresh_database_that_is_its_own(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.up(only=POSTGRES)
    one, other = stack.fresh_database(), stack.fresh_database()
    await run(one, "CREATE TABLE mine ()")
    assert await run(other, "SELECT to_regclass('mine')::text") is None


async def test_two_stacks_stand_side_by_side(new_stack: NewStack) -> None:
    one, other = new_stack(), new_stack()
    one.up(only=POSTGRES)
    other.up(only=POSTGRES)
    await run(one.database_url("tier-svc"), "CREATE TABLE only_here ()")
    assert await run(other.database_url("tier-svc"), "SELECT to_regclass('only_here')::text") is None
    one.down()
    assert answers(other.superuser_url)


async def test_a_server_of_your_own_is_used_and_nothing_is_started(
    new_stack: NewStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = new_stack(), new_stack()
    theirs.up(only=POSTGRES)
    monkeypatch.setenv("LAUREL_DATABASE_URL", theirs.superuser_url)
    ours.up(only=POSTGRES)
    assert ours.pids() == {}
    assert ours.external("postgres")
    assert await run(ours.database_url("member-svc"), "SELECT current_database()") == "member"
    ours.down()
    assert answers(theirs.superuser_url)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_where_namespaces_are_forbidden_runs_it_as_nobody(tmp_path: Path, new_stack: NewStack) -> None:
    for directory in takewhile(lambda made: made != Path(gettempdir()), (tmp_path, *tmp_path.parents)):
        directory.chmod(0o711)  # nobody must come through
    ports = new_stack()
    home = Home(tmp_path / "as-nobody")
    home.make()
    server = PostgresServer(home, ports.port_base, mode="nobody")
    server.start()
    try:
        process = home.process("postgres")
        assert process is not None
        assert Path(f"/proc/{process.pid}").stat().st_uid != 0
        assert answers(server.superuser_url())
        again = Stack(home.root, ports.port_base)  # the mode is remembered, not asked again
        again.down()
        again.up(only=POSTGRES)
        assert Path(f"/proc/{again.pids()['postgres']}").stat().st_uid != 0
    finally:
        server.stop()


def test_a_server_of_somebody_else_on_the_port_is_told_not_taken_for_ours(new_stack: NewStack) -> None:
    """What would break it: two stacks that choose one port at the same moment, and a traceback about a password."""
    ours = new_stack()
    ours.up(only=POSTGRES)
    password = ours.home.secret("postgres-superuser")
    with pytest.raises(StackError, match="another stack took the port") as told:
        answers(ours.superuser_url.replace(password, "of-another-stack"))
    assert "of-another-stack" not in str(told.value)
