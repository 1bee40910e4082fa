"""What a service's own login may do in PostgreSQL, tried out: nothing outside its database, and in it nothing to what only grows.

INVARIANT: every attempt of every role on a neighbour's database, on the cluster and on the ledger's past is denied.
What would break it: CONNECT left to PUBLIC, a role made with more than LOGIN, a ledger that only the code leaves alone.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from campaign_svc import main as campaign
from laurel_cli.stack import Stack
from laurel_cli.stack.services import SERVICES
from laurel_kit.migrate import upgrade
from member_svc import main as member
from points_svc import main as points
from tests.fault.report import record
from tier_svc import main as tier

ROOT = Path(__file__).parents[3]
INIT_SCRIPT = ROOT / "deploy" / "compose" / "postgres" / "init-databases.sh"
MIGRATIONS = {
    "member-svc": member.migrations(),
    "points-svc": points.migrations(),
    "tier-svc": tier.migrations(),
    "campaign-svc": campaign.migrations(),
}
CLUSTER = (
    "CREATE DATABASE mine",
    "CREATE ROLE mine",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER CREATEDB",
    "ALTER ROLE postgres PASSWORD 'mine'",
    "ALTER SYSTEM SET fsync = off",
    "SELECT pg_reload_conf()",
    "SELECT pg_read_file('postgresql.conf')",
    "COPY (SELECT 1) TO '/dev/null'",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "CREATE EXTENSION file_fdw",
    "CREATE TABLESPACE mine LOCATION '/dev/shm'",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' AND pid <> pg_backend_pid()",
    "SELECT rolpassword FROM pg_authid",
)
# What only grows, by the service that keeps it.
PAST = {
    "points-svc": tuple(
        statement.format(table, column)
        for table, column in (("transfer", "amount"), ("seal", "at"), ("sealed", "digests"))
        for statement in ("UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0}")
    )
}
RIGHTS = """
SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin FROM pg_roles
WHERE rolname = ANY($1)
"""


@asynccontextmanager
async def session(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def is_denied(connection: Any, statement: str) -> bool:
    """Refused by the server for want of a right; what it would do is undone either way."""
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return True
    except asyncpg.RaiseError as refused:  # the ledger's own trigger
        return "the ledger only grows" in str(refused)
    except asyncpg.PostgresError:
        return False
    return False


async def entered(url: str) -> bool:
    try:
        async with session(url):
            return True
    except (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidAuthorizationSpecificationError):
        return False


@pytest.mark.fault
async def test_every_role_is_denied_what_is_not_its_own(fault_postgres: Stack) -> None:
    """T-A08: four roles on each other's databases, on the cluster and on the ledger's past."""
    stack = fault_postgres
    allowed, tried = [], 0
    for name, service in SERVICES.items():
        await upgrade(stack.database_url(name), MIGRATIONS[name], hand_to=service.login)
        own = stack.login_url(name)
        for other in (*(s.database for s in SERVICES.values() if s is not service), "postgres", "template1"):
            tried += 1
            if await entered(f"{own.rpartition('/')[0]}/{other}"):
                allowed.append(f"{name} may enter {other}")
        async with session(stack.superuser_url), session(own) as connection:
            roles = tuple(f"SET ROLE {s.role}" for s in SERVICES.values())
            for statement in (*CLUSTER, *roles, *PAST.get(name, ())):
                tried += 1
                if not await is_denied(connection, statement):
                    allowed.append(f"{name} may {statement}")
    async with session(stack.superuser_url) as connection:
        rows = await connection.fetch(RIGHTS, [service.login for service in SERVICES.values()])
    too_much = [f"{row['rolname']} has {n}" for row in rows for n in list(row.keys())[1:-1] if row[n]]
    held = not (allowed or too_much) and len(rows) == len(SERVICES)
    figure = f"{len(SERVICES)} roles, {tried} attempts: {len(allowed)} allowed, {len(too_much)} rights too many"
    record("T-A08", figure, "denied 100 %", held)
    assert held, (allowed, too_much)


@pytest.mark.fault
async def test_a_role_may_do_what_its_service_does(fault_postgres: Stack) -> None:
    """T-A08: the control; a login that may do nothing at all would be denied everything too."""
    own = fault_postgres.login_url("points-svc")
    owner, login = fault_postgres.database_url("points-svc"), SERVICES["points-svc"].login
    await upgrade(owner, MIGRATIONS["points-svc"], hand_to=login)
    async with session(own) as connection:
        may = not await is_denied(connection, "INSERT INTO partition_day (partition, as_of) VALUES (9999, now())")
        may &= await connection.fetchval("DELETE FROM partition_day WHERE partition = 9999 RETURNING partition") == 9999
    record("T-A08", "the same login writes its own tables", "the control is seen to pass", may)
    assert may


@pytest.mark.fault
def test_the_script_of_the_containers_makes_the_same_roles() -> None:
    """T-A08: as text, because no container runs here: plain logins, an owner each, CONNECT taken from everybody else."""
    script = INIT_SCRIPT.read_text()
    services = re.search(r"for service in (.+); do", script)
    assert services is not None
    databases = set(services[1].split())
    roles = re.findall(r"CREATE ROLE (.+?) PASSWORD", script)
    held = (
        databases == {service.database for service in SERVICES.values()}
        and roles == ["${service}_svc LOGIN", "${service}_app LOGIN"]
        and "CREATE DATABASE ${service} OWNER ${service}_svc;" in script
        and re.search(r"REVOKE (CONNECT|ALL) ON DATABASE \$\{service\} FROM PUBLIC", script) is not None
        and re.search(r"REVOKE (CONNECT|ALL) ON DATABASE postgres, template1 FROM PUBLIC", script) is not None
        and not re.search(r"SUPERUSER|CREATEDB|CREATEROLE|GRANT ALL", script)
    )
    record("T-A08", "the init script of the containers: the same four roles and rights", "as the local stack", held)
    assert held, script
