"""The programme versions of this process, compiled once. A version never changes after it was stored, so what stands here stays true.
The one thing not to break: only what was read from the database is put here, never what is about to be written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from campaign_svc.domain.programme import Ruleset
from laurel_contracts import programme as programme_document


class ProgrammeShelf:
    """Rule sets by version."""

    def __init__(self) -> None:
        self._rules: dict[int, Ruleset] = {}

    def missing(self, versions: Iterable[int]) -> list[int]:
        return sorted(set(versions) - self._rules.keys())

    def add(self, row: Any) -> None:
        self._rules[row.version] = Ruleset(programme_document.parse(row.document.encode()))

    @property
    def rules(self) -> dict[int, Ruleset]:
        return self._rules
