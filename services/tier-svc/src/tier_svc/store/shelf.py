"""The programme versions of this process, compiled once: a version never changes after it was stored. The one thing not to break: only
what was read from the database is put here, never what is about to be written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from laurel_contracts import programme as document
from laurel_contracts.benefits import BenefitRules, Task
from tier_svc.domain.benefits import Catalogue
from tier_svc.domain.ladder import Rules
from tier_svc.domain.periods import Calendar


@dataclass(frozen=True, slots=True)
class Shelved:
    """One version: the document, its hash, its rules and its benefits."""

    programme: document.Programme
    sha256: str
    rules: Rules
    benefits: Catalogue


def compiled(programme: document.Programme) -> Rules:
    """The part of a programme that tier-svc judges by. Raises ValueError where it makes no sense."""
    return Rules.with_clubs(
        programme.version,
        programme.tiers,
        not_qualifying=programme.points.purchase.not_qualifying,
        calendar=Calendar(programme.zone),
        tasks=tasks_of(programme),
    )


def benefits_of(programme: document.Programme) -> BenefitRules | None:
    """The part `benefits`, where the document has one."""
    return None if isinstance(programme.benefits, msgspec.UnsetType) else programme.benefits


def tasks_of(programme: document.Programme) -> tuple[Task, ...]:
    """The part `tasks`; nothing where the document has none."""
    return () if isinstance(programme.tasks, msgspec.UnsetType) else programme.tasks


class ProgrammeShelf:
    """Versions by number."""

    def __init__(self) -> None:
        self._versions: dict[int, Shelved] = {}
        self.has_tasks = False  # whether any version here has one; most programmes have none and pay nothing for them

    def missing(self, versions: Iterable[int]) -> list[int]:
        return sorted(set(versions) - self._versions.keys())

    def add(self, sha256: str, json: str) -> None:
        programme = document.parse(json.encode())
        self.has_tasks |= bool(tasks_of(programme))
        self._versions[programme.version] = Shelved(
            programme, sha256, compiled(programme), Catalogue(benefits_of(programme), programme.tiers.ladder)
        )

    def get(self, version: int) -> Shelved | None:
        return self._versions.get(version)
