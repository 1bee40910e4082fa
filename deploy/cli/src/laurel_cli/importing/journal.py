"""How far an import has got, in a file that survives it: the reports of each lane that the door has answered. The one thing not to break:
a position moves only after the answer, so that a rerun sends again what was under way (the door calls it a duplicate) and loses nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from laurel_cli.refusal import CommandError


class Reason(msgspec.Struct):
    """Why reports were not simply accepted: how many, and one of them."""

    outcome: str
    reason: str
    count: int
    example: str


class Journal(msgspec.Struct):
    """One import. `identity` is a digest of everything that decides which report is the n-th of which lane."""

    name: str
    identity: str
    positions: list[int]
    counts: dict[str, int] = {}
    reasons: list[Reason] = []
    finished: bool = False
    seconds: float = 0.0  # spent sending, over all runs
    lease_id: str | None = None  # of the run that wrote this; the next one takes it over

    @property
    def acknowledged(self) -> int:
        return sum(self.positions)


def identity_of(parts: Iterable[object]) -> str:
    """A digest of what an import depends on: files with size and time of change, mapping, lanes, the door's address."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:32]


def identity_of_file(path: Path) -> str:
    """A file as it is now, by size and time of change; reading it whole would cost more than sending it again."""
    found = path.stat()
    return f"{path.resolve()} {found.st_size} {found.st_mtime_ns}"


class JournalFile:
    """Where a journal lies: <LAUREL_HOME>/imports/<name>.json."""

    def __init__(self, folder: Path, name: str) -> None:
        if not name or any(letter in name for letter in "/\\\0") or name.startswith("."):
            raise CommandError(f"{name!r} cannot be the name of an import; use letters, digits, '-' and '.'")
        self.path = folder / f"{name}.json"
        self._name = name

    def open(self, identity: str, lanes: int) -> tuple[Journal, bool]:
        """The journal to go on with, and whether it is a continued one. A journal of other input begins anew."""
        stored = self.read()
        if stored is not None and stored.identity == identity and len(stored.positions) == lanes:
            return stored, True
        return Journal(name=self._name, identity=identity, positions=[0] * lanes), False

    def read(self) -> Journal | None:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Journal)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise CommandError(
                f"{self.path} is no journal ({error}); delete it to import from the beginning"
            ) from error

    def write(self, journal: Journal) -> None:
        """Replace the file in one step."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(journal), indent=2))
        fresh.replace(self.path)
