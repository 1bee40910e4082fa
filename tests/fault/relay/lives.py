"""The toy as processes that a test kills, stops and starts again: one life after another of one process. The one thing not to break: only
processes of this module are ended, by the handle they were started with."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.integration.kit.toy_kafka import PARTITIONS

ROOT = Path(__file__).parents[3]
LOOPBACK = "127.0.0.1"
TOY = "tests.integration.kit.toy_process"
RELAY = "tests.fault.relay.relay_process"


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@dataclass
class Life:
    """One process of the toy, or, with a `name`, of a relay alone that PostgreSQL knows by that name."""

    database_url: str
    bootstrap: str
    name: str = ""
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    async def begin(self, **more: str) -> None:
        """Start it; `more` is added to its environment."""
        env = {
            **os.environ, "LAUREL_DATABASE_URL": self.database_url, "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "LAUREL_SERVICE_PORT": str(self.port), "LAUREL_PARTITIONS": str(PARTITIONS), "LAUREL_LOG_LEVEL": "error", **more,
        }  # fmt: skip
        words = [RELAY, self.name] if self.name else [TOY]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *words, cwd=ROOT, env=env, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def ask(self, path: str) -> dict[str, Any] | None:
        """What it answers; None where it does not."""
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
                found: dict[str, Any] = (await client.get(f"http://{LOOPBACK}:{self.port}{path}")).json()
        except (httpx.HTTPError, ValueError):
            return None
        return found

    async def is_ready(self) -> bool:
        said = await self.ask("/readyz")
        return said is not None and said["status"] == "ready"

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
        await self.ended()

    async def stop(self, seconds_max: float) -> tuple[int | None, float]:
        """SIGTERM; the exit code (None: it did not end in time and was killed) and the seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code: int | None = await asyncio.wait_for(self.process.wait(), seconds_max)
        except TimeoutError:
            code = None
            await self.kill()
        return code, time.monotonic() - began

    async def ended(self) -> int:
        assert self.process is not None
        return await self.process.wait()
