"""The programme versions of this process, compiled once: a version never changes after it was stored. The one thing not to break: only
what was read from the database is put here, never what is about to be written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from laurel_contracts import programme as document
from tier_svc.domain.ladder import Rules
from tier_svc.domain.periods import Calendar


@dataclass(frozen=True, slots=True)
class Shelved:
    """One version: the document, its hash and its rules."""

    programme: document.Programme
    sha256: str
    rules: Rules


def compiled(programme: document.Programme) -> Rules:
    """The part of a programme that tier-svc judges by. Raises ValueError where it makes no sense."""
    return Rules.with_clubs(
        programme.version,
        programme.tiers,
        not_qualifying=programme.points.purchase.not_qualifying,
        calendar=Calendar(programme.zone),
    )


class ProgrammeShelf:
    """Versions by number."""

    def __init__(self) -> None:
        self._versions: dict[int, Shelved] = {}

    def missing(self, versions: Iterable[int]) -> list[int]:
        return sorted(set(versions) - self._versions.keys())

    def add(self, sha256: str, json: str) -> None:
        programme = document.parse(json.encode())
        self._versions[programme.version] = Shelved(programme, sha256, compiled(programme))

    def get(self, version: int) -> Shelved | None:
        return self._versions.get(version)
