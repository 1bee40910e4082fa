"""The four services as processes of their own: how each is started, when it is ready, how it is stopped."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
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


@dataclass(frozen=True)
class Service:
    """One service: its name, its package, its database and the role that owns it."""

    name: str
    package: str
    database: str

    @property
    def role(self) -> str:
        return self.package


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

    def alive(self) -> bool:
        running = self.home.process(self.service.name)
        return running is not None and processes.is_alive(running)

    def launch(self, settings: Mapping[str, str]) -> None:
        """Start the process; does nothing when it runs. `settings` are its environment beside the caller's."""
        if self.alive():
            return
        name = self.service.name
        if find_spec(f"{self.service.package}.__main__") is None:
            raise StackError(f"{name} cannot be started: python -m {self.service.package} does not exist")
        refuse_if_taken(name, self.port)
        env = {**os.environ, "PYTHONUNBUFFERED": "1", **settings, "LAUREL_SERVICE_PORT": str(self.port)}
        running = processes.launch(
            [sys.executable, "-m", self.service.package], log=self.home.log(name), env=env, cwd=self.home.root
        )
        self.home.record(name, running)

    def await_ready(self) -> None:
        """Wait until /readyz says 200; a StackError with the end of the log when the process dies or the limit passes."""
        name, log = self.service.name, self.home.log(self.service.name)
        running = self.home.process(name)
        if running is None:
            raise StackError(f"{name} was not started")
        deadline = time.monotonic() + READY_LIMIT_SECONDS
        while time.monotonic() < deadline:
            if not processes.is_alive(running):
                raise StackError(f"{name} ended while starting. The end of {log}:\n{processes.tail_of(log)}")
            if self.ready():
                return
            time.sleep(0.1)  # gentler than elsewhere: the probe costs the service a query
        raise StackError(
            f"{name} is not ready after {READY_LIMIT_SECONDS:.0f} s ({self.url}/readyz). The end of {log}:\n"
            + processes.tail_of(log)
        )

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=PROBE_LIMIT_SECONDS, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """SIGTERM, then SIGKILL after the limit."""
        running = self.home.process(self.service.name)
        if running is not None:
            processes.stop(running, first=signal.SIGTERM, limit_seconds=STOP_LIMIT_SECONDS)
            self.home.forget(self.service.name)

    def kill(self) -> None:
        """SIGKILL at once."""
        running = self.home.process(self.service.name)
        if running is not None:
            processes.kill(running)
            self.home.forget(self.service.name)
