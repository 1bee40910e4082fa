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


def on_path() -> str | None:
    """Where this machine has Prometheus, if it has it."""
    return shutil.which("prometheus")


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

    def start(self) -> bool:
        """Start it when the machine has it; True when it runs afterwards."""
        running = self.home.process(PART)
        if running is not None and processes.is_alive(running):
            return True
        program = on_path()
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
        """SIGTERM, then SIGKILL after the limit."""
        processes.stop_recorded(self.home, PART, first=signal.SIGTERM, limit_seconds=STOP_LIMIT_SECONDS)

    def configuration(self) -> str:
        """prometheus.yml for this stack: our rules when the checkout has them, one target per service."""
        rules = _rule_files()
        lines = ["global:", "  scrape_interval: 5s", "  evaluation_interval: 15s"]
        if rules:
            lines += ["rule_files:", *(f"  - '{path}'" for path in rules)]
        lines += ["scrape_configs:"]
        for name in SERVICES:
            target = f"{LOOPBACK}:{port_of(name, self._port_base)}"
            lines += [f"  - job_name: {name}", "    static_configs:", f"      - targets: ['{target}']"]
        return "\n".join(lines) + "\n"


def _rule_files() -> list[Path]:
    """The rules and alerts in deploy/observability/prometheus of the checkout we stand in or run from, if there is one."""
    for start in (Path.cwd(), Path(__file__).resolve()):
        for parent in (start, *start.parents):
            if (parent / _RULES).is_dir():
                return [path for path in sorted((parent / _RULES).rglob("*.yml")) if "groups:" in path.read_text()]
    return []
