"""A programme version is checked, stored and reported. The one thing not to break: a version once stored never changes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from laurel_contracts import programme as contract
from points_svc import events
from points_svc.domain.rules import problems_of
from points_svc.store import PointsStore


class ProgrammeInvalid(Exception):
    """The document cannot be used; `problems` says why, in sentences."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class ProgrammeDiffers(Exception):
    """The version is stored with other content."""


async def load_programme(version: int, document: bytes, now: datetime, store: PointsStore) -> dict[str, object]:
    """Store version and hash, and say so; the same document again changes nothing and says so again, under the same id."""
    try:
        programme = contract.parse(document)
    except (msgspec.MsgspecError, ValueError) as error:  # a ValueError where the text is no UTF-8
        raise ProgrammeInvalid([str(error)]) from None
    except RecursionError:
        raise ProgrammeInvalid(["it is nested too deeply"]) from None
    problems = problems_of(programme)
    if programme.version != version:
        problems.append(f"version: the document is version {programme.version}, not {version}")
    if problems:
        raise ProgrammeInvalid(problems)
    loaded = await store.add_programme(programme, now)
    if loaded.sha256 != contract.sha256(programme):
        raise ProgrammeDiffers
    store.say([events.programme_loaded(version, loaded.sha256, loaded.loaded_at)])
    return {"version": version, "sha256": loaded.sha256}
