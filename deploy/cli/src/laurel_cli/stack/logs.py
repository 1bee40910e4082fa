"""Read the log files of the parts: the last lines, and what is added."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

# How often a followed log is looked at, in seconds: a person does not notice the delay, the machine not the look.
LOOK_INTERVAL_SECONDS = 0.2
# How much of the end of a file is read to find its last lines; lines of logs are far below 1 KiB on average.
_BYTES_PER_LINE = 4096


def last_lines(logs: Mapping[str, Path], lines: int) -> Iterator[tuple[str, str]]:
    """(part, line) for the last `lines` of each log that exists."""
    for name, path in logs.items():
        yield from ((name, line) for line in _tail(path, lines))


def follow_logs(logs: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """(part, line) for whatever is added from now on; never ends. A log that is begun anew is read from its start."""
    return _added(logs, {name: _size(path) for name, path in logs.items()})


def _added(logs: Mapping[str, Path], position: dict[str, int]) -> Iterator[tuple[str, str]]:
    while True:
        found = False
        for name, path in logs.items():
            size = _size(path)
            if size < position[name]:
                position[name] = 0
            if size > position[name]:
                with path.open("rb") as handle:
                    handle.seek(position[name])
                    added = handle.read()
                whole = added.rfind(b"\n") + 1  # a line that is still being written waits for its end
                position[name] += whole
                for line in added[:whole].decode(errors="replace").splitlines():
                    found = True
                    yield name, line
        if not found:
            time.sleep(LOOK_INTERVAL_SECONDS)


def _tail(path: Path, lines: int) -> list[str]:
    if lines == 0 or not path.exists():
        return []
    with path.open("rb") as handle:
        handle.seek(max(0, _size(path) - lines * _BYTES_PER_LINE))
        return handle.read().decode(errors="replace").splitlines()[-lines:]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
