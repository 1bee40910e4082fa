"""Which port belongs to which part, and who holds a port that is taken."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path

from .errors import StackError

DEFAULT_PORT_BASE = 7400
# Enough room above the base for every offset below; ports end at 65535.
HIGHEST_PORT_BASE = 65_500
LOWEST_PORT_BASE = 1_024

OFFSETS: dict[str, int] = {
    "member-svc": 1,
    "points-svc": 2,
    "tier-svc": 3,
    "campaign-svc": 4,
    "kafka": 10,
    "kafka-controller": 11,
    # With three brokers `kafka` is the first of them.
    "kafka-2": 12,
    "kafka-2-controller": 13,
    "kafka-3": 14,
    "kafka-3-controller": 15,
    "postgres": 20,
    "prometheus": 30,
}
LOOPBACK = "127.0.0.1"
_TCP_LISTEN = "0A"


def port_of(part: str, port_base: int) -> int:
    """The TCP port of a part in the stack that begins at `port_base`."""
    return port_base + OFFSETS[part]


def check_port_base(port_base: int) -> int:
    """Refuse a base that leaves no room for the offsets."""
    if not LOWEST_PORT_BASE <= port_base <= HIGHEST_PORT_BASE:
        raise StackError(
            f"port base {port_base} does not fit: choose a number from {LOWEST_PORT_BASE} to {HIGHEST_PORT_BASE} "
            "(--port-base or LAUREL_PORT_BASE)"
        )
    return port_base


def is_open(port: int, host: str = LOOPBACK) -> bool:
    """True when something accepts connections there now."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def refuse_if_taken(part: str, port: int) -> None:
    """Raise a StackError that names the holder if `port` cannot be bound on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise StackError(f"{part} may not bind port {port}: choose a higher --port-base") from error
            raise StackError(
                f"{part} needs port {port} on {LOOPBACK}, but it is taken by {holder_of(port)}. "
                "Stop that process, or move this stack with --port-base (or LAUREL_PORT_BASE)."
            ) from error


def holder_of(port: int) -> str:
    """Who listens on `port`: 'pid 123 (python -m http.server)', or 'another process' if it cannot be read."""
    inodes = _listening_inodes(port)
    if inodes:
        for process in Path("/proc").glob("[0-9]*"):
            if _holds(process, inodes):
                return f"pid {process.name} ({_command_of(process)})"
    return "another process (its name cannot be read by this user)"


def free_port_base(start: int = 21_000, end: int = 29_000, step: int = 40) -> int:
    """A base whose ports are all free now, for throw-away stacks. Begins at a place that differs per process."""
    count = (end - start) // step
    for attempt in range(count):
        base = start + step * ((os.getpid() * 7 + attempt) % count)
        try:
            for part, offset in OFFSETS.items():
                refuse_if_taken(part, base + offset)
        except StackError:
            continue
        return base
    raise StackError(f"no free port base between {start} and {end}")


def _listening_inodes(port: int) -> set[str]:
    """Socket inodes in state LISTEN on `port`, from /proc/net/tcp and tcp6 (Linux only; else empty)."""
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            number = struct.unpack(">H", bytes.fromhex(fields[1].rsplit(":", 1)[1]))[0]
            if number == port and fields[3] == _TCP_LISTEN:
                inodes.add(fields[9])
    return inodes


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        for descriptor in (process / "fd").iterdir():
            target = str(descriptor.readlink())
            if target.startswith("socket:[") and target[8:-1] in inodes:
                return True
    except OSError:
        return False
    return False


def _command_of(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "unknown"
    return words[:80] or "unknown"
