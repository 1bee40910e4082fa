"""What a stack remembers: one directory (LAUREL_HOME) with settings, process records, secrets, logs and data."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .errors import StackError
from .processes import Running

STACK_FILE = "stack.json"
# A password of 32 random bytes, URL-safe, so that it can stand in a DSN as it is.
_PASSWORD_BYTES = 32


class Home:
    """The data directory of one stack. Everything below it belongs to the stack and goes with `laurel reset`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self._writing = threading.Lock()  # PostgreSQL and Kafka are started side by side

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    def log(self, part: str) -> Path:
        """The log file of a part."""
        return self.logs / f"{part}.log"

    def data(self, part: str) -> Path:
        """The data directory of a part."""
        return self.root / part

    def exists(self) -> bool:
        """True when there is a stack here."""
        return (self.root / STACK_FILE).exists()

    def make(self) -> None:
        """Create the directory, readable by its owner only. Refuses one that holds other things: `reset` deletes it."""
        if self.exists():
            return
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(self.root.iterdir()):
            raise StackError(
                f"{self.root} is not empty and holds no stack; set LAUREL_HOME to a directory for this stack alone"
            )
        self.logs.mkdir(exist_ok=True)
        self.secrets.mkdir(exist_ok=True, mode=0o700)
        (self.root / ".gitignore").write_text("*\n")
        (self.root / STACK_FILE).write_text("{}\n")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one command changes a stack at a time; a second one waits for the first."""
        self.make()
        with (self.root / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def read(self) -> dict[str, Any]:
        """The content of stack.json; empty before the first `up`."""
        path = self.root / STACK_FILE
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise StackError(
                f"{path} is not JSON ({error}); repair it, or end its processes and delete the directory"
            ) from error
        if not isinstance(content, dict):
            raise StackError(
                f"{path} does not hold an object; repair it, or end its processes and delete the directory"
            )
        return content

    def write(self, content: dict[str, Any]) -> None:
        """Replace stack.json in one step."""
        self.make()
        path = self.root / STACK_FILE
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
        fresh.replace(path)

    def setting(self, name: str) -> Any:
        return self.read().get(name)

    def set(self, **settings: Any) -> None:
        with self._writing:
            self.write({**self.read(), **settings})

    def process(self, part: str) -> Running | None:
        """The recorded process of a part, alive or not."""
        record = self.read().get("processes", {}).get(part)
        return Running(**record) if record else None

    def record(self, part: str, running: Running) -> None:
        with self._writing:
            content = self.read()
            content.setdefault("processes", {})[part] = asdict(running)
            self.write(content)

    def forget(self, part: str) -> None:
        with self._writing:
            content = self.read()
            content.get("processes", {}).pop(part, None)
            self.write(content)

    def recorded_parts(self) -> list[str]:
        return list(self.read().get("processes", {}))

    def secret(self, name: str) -> str:
        """A random secret of this home, made at first use and kept in a file only its owner can read."""
        self.make()
        path = self.secrets / name
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            value = secrets.token_urlsafe(_PASSWORD_BYTES)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(value + "\n")
        return value
