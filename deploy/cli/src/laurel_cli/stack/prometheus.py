"""Prometheus, if the machine has it: scrapes the four services of this stack. Never fetched, never required."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from . import processes
from .ports import LOOPBACK, port_of, refuse_if_taken
from .services import SERVICES
from .state import Home

PART = "prometheus"
# On SIGTERM Prometheus writes its head block's checkpoint: some seconds.
STOP_LIMIT_SECONDS = 10.0
_RULES = Path("deploy") / "observability" / "prometheus"


class PrometheusServer:
    """The Prometheus of one stack."""

    def __init__(self, home: Home, port_base: int) -> None:
        self.home = home
        self.port = port_of(PART, port_base)
        self._port_base = port_base
        self._root = home.data(PART)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def available(self) -> bool:
        """True when a `prometheus` is on PATH."""
        return shutil.which("prometheus") is not None

    def alive(self) -> bool:
        running = self.home.process(PART)
        return running is not None and processes.is_alive(running)

    def start(self) -> bool:
        """Start it when the machine has it; True when it runs afterwards."""
        if self.alive():
            return True
        program = shutil.which("prometheus")
        if program is None:
            return False
        refuse_if_taken(PART, self.port)
        self._root.mkdir(parents=True, exist_ok=True)
        settings = self._root / "prometheus.yml"
        settings.write_text(self.configuration())
        running = processes.launch(
            [
                program,
                f"--config.file={settings}",
                f"--storage.tsdb.path={self._root / 'data'}",
                f"--web.listen-address={LOOPBACK}:{self.port}",
            ],
            log=self.home.log(PART),
            env={"PATH": ""},
            cwd=self._root,
        )
        self.home.record(PART, running)
        return True

    def stop(self) -> None:
        running = self.home.process(PART)
        if running is not None:
            processes.stop(running, first=signal.SIGTERM, limit_seconds=STOP_LIMIT_SECONDS)
            self.home.forget(PART)

    def configuration(self) -> str:
        """prometheus.yml for this stack: our rules when the checkout has them, one target per service."""
        rules = _rules_directory()
        lines = ["global:", "  scrape_interval: 5s", "  evaluation_interval: 15s"]
        if rules is not None:
            lines += ["rule_files:", f"  - {rules}/rules/*.yml", f"  - {rules}/alerts/*.yml"]
        lines += ["scrape_configs:"]
        for name in SERVICES:
            target = f"{LOOPBACK}:{port_of(name, self._port_base)}"
            lines += [f"  - job_name: {name}", "    static_configs:", f"      - targets: ['{target}']"]
        return "\n".join(lines) + "\n"


def _rules_directory() -> Path | None:
    """deploy/observability/prometheus of the checkout we stand in or were installed from, if there is one."""
    for start in (Path.cwd(), Path(__file__).resolve()):
        for parent in (start, *start.parents):
            if (parent / _RULES).is_dir():
                return parent / _RULES
    return None
