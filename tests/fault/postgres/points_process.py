"""points-svc as a process of its own, with a pool or a statement timeout of the test's choice, which no operator has to set.
`python -m tests.fault.postgres.points_process [--only api]`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from laurel_cli.stack.ports import free_port_base
from laurel_kit import postgres
from tests.support.shop import ROOT, Deadline

POOL = "TEST_POOL_SIZE"
STATEMENT_TIMEOUT = "TEST_STATEMENT_TIMEOUT"
READY_SECONDS_MAX = 60.0
END_SECONDS_MAX = 15.0
NO_KAFKA = "127.0.0.1:1"  # of a process that neither reads nor relays


@contextmanager
def running_points(settings: Mapping[str, str], log: Path, *arguments: str, port: int | None = None) -> Iterator[str]:
    """The base address of a process that is ready; ended by SIGTERM."""
    port = port or free_port_base()
    with log.open("ab") as output:
        process = start_points(settings, output.fileno(), *arguments, port=port)
        try:
            until = Deadline(READY_SECONDS_MAX)
            while not is_ready(port):
                assert process.poll() is None, log.read_text(errors="replace")[-2000:]
                assert not until.passed(), log.read_text(errors="replace")[-2000:]
                until.wait()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start_points(
    settings: Mapping[str, str], output: int, *arguments: str, port: int, module: str = __name__
) -> subprocess.Popen[bytes]:
    """The process, not waited for."""
    env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": NO_KAFKA, **settings, "LAUREL_SERVICE_PORT": str(port)}
    return subprocess.Popen([sys.executable, "-m", module, *arguments], env=env, cwd=ROOT, stdout=output, stderr=output)


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def main() -> None:
    """The service's own main, on a database that was set up otherwise."""
    from points_svc import main as points

    if timeout := os.environ.get(STATEMENT_TIMEOUT):
        postgres.SESSION_SETTINGS["statement_timeout"] = timeout
    if size := os.environ.get(POOL):
        sizes = {"pool_size": int(size), "reading_size": int(size)}
        vars(points)["Database"] = lambda url, **options: postgres.Database(url, **(options | sizes))
    points.main()


if __name__ == "__main__":
    main()
