"""The four services as processes of their own: how each is started, when it is ready, how it is stopped."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import httpx

from . import processes
from .errors import StackError
from .ports import LOOPBACK, port_of, refuse_if_taken
from .state import Home

# A start migrates the database and joins Kafka: some seconds; with all four at once on two cores up to half a minute.
READY_LIMIT_SECONDS = 90.0
# On SIGTERM a service ends its batch, says what it has to say, and leaves; 10 s are its own limit, 2 s are grace.
STOP_LIMIT_SECONDS = 12.0
# /readyz reads memory and asks its own database; a second is already slow.
PROBE_LIMIT_SECONDS = 2.0
# Gentler than for the engines: a probe costs a starting service a query.
PROBE_INTERVAL_SECONDS = 0.1


@dataclass(frozen=True)
class Service:
    """One service: its name, its package, its database, the role that owns that, and the login that it runs as, which owns nothing."""

    name: str
    package: str
    database: str

    @property
    def role(self) -> str:
        return self.package

    @property
    def login(self) -> str:
        return f"{self.database}_app"


SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        Service("member-svc", "member_svc", "member"),
        Service("points-svc", "points_svc", "points"),
        Service("tier-svc", "tier_svc", "tier"),
        Service("campaign-svc", "campaign_svc", "campaign"),
    )
}


def service_named(name: str) -> Service:
    """The service of that name, or a StackError that lists the names there are."""
    try:
        return SERVICES[name]
    except KeyError:
        raise StackError(f"there is no service {name!r}; there are {', '.join(SERVICES)}") from None


class ServiceProcess:
    """One service of one stack."""

    def __init__(self, service: Service, home: Home, port_base: int) -> None:
        self.service = service
        self.home = home
        self.port = port_of(service.name, port_base)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def launch(self, settings: Mapping[str, str]) -> None:
        """Start the process; does nothing when it runs. `settings` are its environment beside the caller's."""
        name = self.service.name
        running = self.home.process(name)
        if running is not None and processes.is_alive(running):
            return
        if not _can_be_run(self.service.package):
            raise StackError(f"{name} cannot be started: python -m {self.service.package} does not exist")
        refuse_if_taken(name, self.port)
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **settings, "LAUREL_SERVICE_PORT": str(self.port)}
        running = processes.launch(
            [sys.executable, "-m", self.service.package], log=self.home.log(name), env=env, cwd=self.home.root
        )
        self.home.record(name, running)

    def ready(self) -> bool:
        """True when /readyz says 200."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=PROBE_LIMIT_SECONDS, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def refuse_if_dead(self) -> None:
        """A StackError with the end of the log when the process is gone."""
        running, log = self.home.process(self.service.name), self.home.log(self.service.name)
        if running is None or not processes.is_alive(running):
            raise StackError(f"{self.service.name} ended while starting. The end of {log}:\n{processes.tail_of(log)}")

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after the limit."""
        processes.stop_recorded(self.home, self.service.name, first=signal.SIGTERM, limit_seconds=STOP_LIMIT_SECONDS)

    def kill(self) -> None:
        """SIGKILL at once."""
        processes.kill_recorded(self.home, self.service.name)


def _can_be_run(package: str) -> bool:
    try:
        return find_spec(f"{package}.__main__") is not None
    except ModuleNotFoundError:
        return False


def await_ready(launched: list[ServiceProcess], say: Callable[[str], None]) -> None:
    """Wait until every service is ready; a StackError as soon as one dies, or when the limit passes."""
    deadline = time.monotonic() + READY_LIMIT_SECONDS
    waiting = list(launched)
    while waiting:
        for service in list(waiting):
            service.refuse_if_dead()
            if service.ready():
                waiting.remove(service)
                say(f"{service.service.name} is ready at {service.url}")
        if not waiting:
            return
        if time.monotonic() > deadline:
            late, log = waiting[0], waiting[0].home.log(waiting[0].service.name)
            raise StackError(
                f"{late.service.name} is not ready after {READY_LIMIT_SECONDS:.0f} s ({late.url}/readyz). "
                f"The end of {log}:\n{processes.tail_of(log)}"
            )
        time.sleep(PROBE_INTERVAL_SECONDS)
