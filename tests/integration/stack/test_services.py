"""A service is a process of its own with its own environment and log; its death while starting is told at once."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from laurel_cli.stack import Stack, StackError, assembly, services
from laurel_cli.stack.services import Service, ServiceProcess
from tests.integration.stack.conftest import NewStack

ROOT = Path(__file__).parents[3]


@pytest.fixture
def stack(new_stack: NewStack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """PostgreSQL runs; tier-svc is a stand-in of twenty lines, the others are left out."""
    tiny = {"tier-svc": Service("tier-svc", "tests.integration.stack.tiny_service", "tier")}
    monkeypatch.setattr(services, "SERVICES", tiny)
    monkeypatch.setattr(assembly, "SERVICES", tiny)
    monkeypatch.setattr(Service, "role", property(lambda self: f"{self.database}_svc"))
    monkeypatch.setattr(Stack, "_make_topics", lambda *_: None)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = new_stack()
    made.up(only={"postgres", "tier-svc"}, clock="2018-01-02T00:00:00-05:00", days="command", partitions=4)
    return made


def test_a_started_service_is_ready_and_has_its_own_settings(stack: Stack) -> None:
    said = httpx.get(f"{stack.urls()['tier-svc']}/readyz", trust_env=False).json()
    assert said["LAUREL_DATABASE_URL"] == stack.login_url("tier-svc")
    assert said["KAFKA_BOOTSTRAP_SERVERS"] == stack.kafka_bootstrap
    assert said["LAUREL_SERVICE_PORT"] == str(stack.port_base + 3)
    assert int(said["LAUREL_CLOCK_OFFSET_SECONDS"]) < -7 * 365 * 86_400
    assert (said["LAUREL_DAYS"], said["LAUREL_PARTITIONS"]) == ("command", "4")
    assert "GET /readyz" in stack.home.log("tier-svc").read_text()


def test_a_killed_service_is_dead_until_it_is_started_again(stack: Stack) -> None:
    first = stack.pids()["tier-svc"]
    stack.kill_service("tier-svc")
    assert not stack.alive("tier-svc")
    stack.start_service("tier-svc")
    assert stack.pids()["tier-svc"] != first
    stack.stop_service("tier-svc")
    assert set(stack.pids()) == {"postgres"}
    stack.ensure_running("tier-svc")
    assert stack.alive("tier-svc")


def test_a_service_that_dies_while_starting_is_told_with_the_end_of_its_log(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.stop_service("tier-svc")
    monkeypatch.setenv("TINY_MODE", "broken")
    with pytest.raises(StackError, match=r"(?s)tier-svc ended while starting.*broken on purpose"):
        stack.start_service("tier-svc")


def test_a_service_without_a_program_is_refused_before_anything_is_started(stack: Stack) -> None:
    nothing = ServiceProcess(Service("points-svc", "no_such_package", "points"), stack.home, stack.port_base)
    with pytest.raises(StackError, match="python -m no_such_package does not exist"):
        nothing.launch({})
