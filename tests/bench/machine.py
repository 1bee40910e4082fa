"""The machine under the figures: versions, cores, steal time, the price of one fsync, and CPU time by process."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import psutil

from tests.bench.whole_chain import cpu_seconds

FSYNCS = 60
PACE_DOCUMENT = msgspec.json.encode({f"name {number}": [number, f"value {number}"] for number in range(40)})
PACE_READINGS = 2_000
PACE_ROUNDS = 5
PACKAGES = ("aiokafka", "asyncpg", "SQLAlchemy", "msgspec", "pydantic", "fastapi", "uvicorn", "uvloop")


@dataclass(frozen=True, slots=True)
class Ticks:
    """What the machine's cores have done so far, in seconds."""

    steal: float
    all: float

    @classmethod
    def now(cls) -> Ticks:
        """As the kernel counts it; where it counts no steal time, that is 0."""
        times = psutil.cpu_times()
        return cls(float(getattr(times, "steal", 0.0)), float(sum(times[:8])))

    def steal_since(self, before: Ticks) -> float:
        """The share of the time, 0 to 1, in which another guest of the host had our cores."""
        return (self.steal - before.steal) / max(self.all - before.all, 1e-9)


class Cpu:
    """CPU seconds that parts have used since this was made; a part is one process or several, with all their children."""

    def __init__(self, parts: Mapping[str, tuple[int, ...]]) -> None:
        self._parts = dict(parts)
        self._before = {part: self._seconds(part) for part in self._parts}

    def _seconds(self, part: str) -> float:
        return sum(cpu_seconds(pid) for pid in self._parts[part])

    def spent(self) -> dict[str, float]:
        """By part."""
        return {part: self._seconds(part) - before for part, before in self._before.items()}


def fsync_ms(folder: Path) -> float:
    """The median of some writes of 8 kB, each with fdatasync, in milliseconds."""
    path = folder / "fsync"
    page = os.urandom(8192)
    took = []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for _ in range(FSYNCS):
            began = time.perf_counter()
            os.pwrite(descriptor, page, 0)
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        path.unlink()
    return round(statistics.median(took) * 1000, 3)


def pace_us() -> float:
    """How fast this machine is at the moment: CPU µs of one reading of a fixed document in Python, the median of some rounds. Of the same
    code on the same machine it has been seen to vary by half within hours, as everything told in µs or ms then does."""
    took = []
    for _ in range(PACE_ROUNDS):
        began = time.process_time()
        for _ in range(PACE_READINGS):
            {name: tuple(value) for name, value in msgspec.json.decode(PACE_DOCUMENT).items()}
        took.append((time.process_time() - began) / PACE_READINGS)
    return round(statistics.median(took) * 1e6, 2)


def described(folder: Path, postgres: str, kafka: str) -> dict[str, Any]:
    """Everything a reader needs to judge the figures by."""
    memory = psutil.virtual_memory().total / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgres": postgres,
        "kafka": kafka,
        "packages": {name: version(name) for name in PACKAGES},
        "fsync_p50_ms": fsync_ms(folder),
        "load_before": round(os.getloadavg()[0], 2),
    }
