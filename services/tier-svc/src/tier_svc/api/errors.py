"""Refusals as problems: one table from what went wrong to a status and a type."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from laurel_kit.http import Problem
from tier_svc.handlers.load_programme import OtherDocument, RefusedProgramme

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2970, 1, 1, tzinfo=UTC)  # what a calendar can be asked about


def refuse_outside_the_calendar(at: datetime) -> None:
    """Compared first: what lies at the edge of time has no other zone."""
    if not FIRST <= at < LAST:
        raise Problem(422, "invalid", "The request is not valid", "at lies outside the calendar")


def unknown_member(member_id: UUID) -> Problem:
    return Problem(404, "unknown_member", "Nothing is known about this member", str(member_id))


def unknown_version(version: int) -> Problem:
    return Problem(404, "unknown_version", "The version is not loaded here", str(version))


def no_programme(error: Exception) -> Problem:
    return Problem(503, "no_programme", "No programme is in force", str(error))


def of_programme(error: Exception) -> Problem:
    """A document that cannot be loaded, as the caller sees it."""
    if isinstance(error, RefusedProgramme):
        faults = [{"path": fault.path, "says": fault.says} for fault in error.faults]
        return Problem(422, "programme_refused", "The tiers cannot be judged", faults[0]["says"], errors=faults)
    if isinstance(error, OtherDocument):
        return Problem(409, "other_document", "A version is never changed", str(error))
    if isinstance(error, msgspec.ValidationError):
        said, _, path = str(error).partition(" - at `")
        faults = [{"path": path.rstrip("`") or "$", "says": said}]
        return Problem(422, "programme_refused", "The document is not a programme", str(error), errors=faults)
    if isinstance(error, RecursionError):
        return Problem(422, "programme_refused", "The document is not a programme", "it is nested too deeply")
    return Problem(400, "malformed", "The body is not valid JSON", str(error))


def wrong_version(asked: int, document: int) -> Problem:
    return Problem(
        422, "programme_refused", "The document bears another version", f"asked for {asked}, the document is {document}",
        errors=[{"path": "$.version", "says": f"must be {asked}"}],
    )  # fmt: skip
