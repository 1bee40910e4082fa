"""Start a process that outlives us, know it again by pid and start time, and stop exactly that one."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import StackError

if TYPE_CHECKING:
    from .state import Home

# A log that is larger than this when its part starts is set aside as <name>.log.1 (the one before is dropped).
LOG_LIMIT_BYTES = 50 * 1024 * 1024
POLL_SECONDS = 0.02  # how often a waiting loop looks again; a look costs microseconds
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Running:
    """One process as recorded: the pid alone would be reused one day, the birth mark is not."""

    pid: int
    birth: str
    started_at: float  # Unix seconds


def launch(command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path, user: str | None = None) -> Running:
    """Start `command` in its own session with its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    _turn_over(log)
    with log.open("ab") as output:
        try:
            child = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
                **identity(user),
            )
        except OSError as error:
            raise StackError(f"cannot start {command[0]}: {error.strerror}") from error
    _children[child.pid] = child
    return Running(pid=child.pid, birth=birth_of(child.pid) or "", started_at=time.time())


def identity(user: str | None) -> dict[str, Any]:
    """The arguments of subprocess that change to `user` and leave all of root's groups behind."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def is_alive(running: Running) -> bool:
    """True while that very process runs; a zombie and a stranger with the same pid are not it."""
    child = _children.get(running.pid)
    if child is not None:
        if child.poll() is None:
            return True
        del _children[running.pid]
        return False
    return bool(running.birth) and birth_of(running.pid) == running.birth


def stop(running: Running, *, first: signal.Signals, limit_seconds: float) -> bool:
    """Send `first`, wait up to the limit, then SIGKILL. True when the process ended by the first signal."""
    if not is_alive(running):
        return True
    os.kill(running.pid, first)
    if wait_until_gone(running, limit_seconds):
        return True
    kill(running)
    return False


def kill(running: Running) -> None:
    """SIGKILL that very process and wait until it is gone."""
    if is_alive(running):
        os.kill(running.pid, signal.SIGKILL)
        wait_until_gone(running, 10.0)


def stop_recorded(home: Home, part: str, *, first: signal.Signals, limit_seconds: float) -> None:
    """Stop the recorded process of a part and forget it. Does nothing when there is none."""
    running = home.process(part)
    if running is not None:
        stop(running, first=first, limit_seconds=limit_seconds)
        home.forget(part)


def kill_recorded(home: Home, part: str) -> None:
    """SIGKILL the recorded process of a part and forget it. Does nothing when there is none."""
    running = home.process(part)
    if running is not None:
        kill(running)
        home.forget(part)


def wait_until_gone(running: Running, limit_seconds: float) -> bool:
    """Wait for the end of the process; False when the limit passes first."""
    deadline = time.monotonic() + limit_seconds
    while is_alive(running):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def birth_of(pid: int) -> str | None:
    """A mark that tells two processes with one pid apart; None when there is no such living process."""
    try:
        fields = _stat_fields(pid)
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _birth_by_ps(pid)
    except (ProcessLookupError, PermissionError):
        return None
    if fields[0] in {"Z", "X"} and int(fields[17]) <= 1:  # a killed JVM is a zombie while its threads still hold ports
        return None
    return f"{_boot_id()}:{fields[19]}"


def memory_mib(pid: int) -> float | None:
    """Memory of a process and its children in MiB, shared pages counted once; None when it cannot be read."""
    try:
        kib = _proportional_kib(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            kib += sum(_proportional_kib(int(child)) for child in (task / "children").read_text().split())
    except (OSError, ValueError):
        return _memory_by_ps(pid)
    return kib / 1024


def tail_of(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:])


def _turn_over(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def _stat_fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat behind the command name: state first, threads at index 17, start in ticks at 19."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _proportional_kib(pid: int) -> int:
    """The proportional set size: own pages, and its share of the pages it shares."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/smaps_rollup tells no Pss")


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "boot"


def _birth_by_ps(pid: int) -> str | None:
    answer = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    words = answer.stdout.split()
    if not words or words[0].startswith("Z"):
        return None
    return " ".join(words[1:])


def _memory_by_ps(pid: int) -> float | None:
    try:
        answer = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return int(answer.stdout) / 1024
    except (OSError, ValueError):
        return None
