"""A process of a service, in the hand of a test: a second one beside the stack's, in the same consumer group, or one whose way to
PostgreSQL leads through a proxy. The one thing not to break: it is gone at the end, stopped or not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

import httpx

from laurel_cli.stack.services import service_named
from tests.support.shop import Deadline, Shop

LOOPBACK = "127.0.0.1"
READY_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 12.0


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def progress_at(url: str) -> dict[str, Any] | None:
    """What a process says of itself; None where it does not answer in time."""
    try:
        found: dict[str, Any] = httpx.get(f"{url}/progress", timeout=3.0, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return None
    return found if "lanes" in found else None


def lanes_at(url: str) -> int:
    """How many lanes a process has open."""
    found = progress_at(url)
    return 0 if found is None else sum(lane["state"] not in {"opening", "backing_off"} for lane in found["lanes"])


def rss_mib(pid: int) -> float:
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:  # noqa: PTH123 - a pseudo file
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS:"))


class Beside:
    """with Beside(shop, "points-svc") as second: …"""

    def __init__(self, shop: Shop, service: str, **environment: str) -> None:
        self.service = service_named(service)
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._env = {**os.environ, **shop.stack._environment_of(service), **environment}
        self._env |= {"LAUREL_SERVICE_PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        self.log = shop.stack.home.log(f"{service}-{self.port}")
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> Self:
        """Start it, without waiting for it."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self.service.package],
                env=self._env,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        return self

    def until_ready(self) -> None:
        until = Deadline(READY_SECONDS_MAX)
        while not self.ready():
            assert self.alive, f"{self.service.name} has ended: {self.log.read_text(errors='replace')[-2000:]}"
            assert not until.passed(), f"{self.service.name} is not ready"
            until.wait()

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=3.0, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code and the seconds it took."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(STOP_SECONDS_MAX)
        return code, time.monotonic() - began

    def __enter__(self) -> Self:
        self.begin()
        self.until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()  # also one that is stopped
            self._process.wait(STOP_SECONDS_MAX)
