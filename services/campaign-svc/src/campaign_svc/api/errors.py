"""Refusals as problems: one table from what went wrong to a status and a type."""

from __future__ import annotations

from uuid import UUID

import msgspec

from campaign_svc.handlers.load_programme import OtherDocument, RefusedProgramme
from laurel_kit.http import Problem


def unknown_member(member_id: UUID) -> Problem:
    return Problem(404, "unknown_member", "Nothing is known about this member", str(member_id))


def unknown_order(order_id: str) -> Problem:
    return Problem(404, "unknown_order", "This member has no such order", order_id)


def bad_cursor(cursor: str) -> Problem:
    return Problem(422, "invalid", "The cursor is not one of ours", cursor)


def of_programme(error: Exception) -> Problem:
    """A document that cannot be loaded, as the caller sees it."""
    if isinstance(error, RefusedProgramme):
        faults = [{"path": fault.path, "says": fault.says} for fault in error.faults]
        return Problem(422, "programme_refused", "The campaigns cannot be decided", faults[0]["says"], errors=faults)
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
