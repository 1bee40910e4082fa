"""Refusal → status and problem type: one table. The one thing not to break: a caller can tell by the type what must happen next."""

from __future__ import annotations

from laurel_kit.http import Problem
from member_svc.domain import refusals
from member_svc.domain.refusals import Refused

# 409: not in this state of affairs; 422: not as it is asked; 404: not there.
STATUS_AND_TITLE: dict[str, tuple[int, str]] = {
    refusals.NO_SUCH_PROGRAMME: (404, "There is no such programme version"),
    refusals.OTHER_PROGRAMME: (409, "A published version never changes"),
    refusals.UNUSABLE_PROGRAMME: (422, "The programme cannot be used"),
    refusals.NOT_LOADED: (409, "Not every service has loaded this version"),
    refusals.ALREADY_ACTIVE: (409, "The version is in force already"),
    refusals.IN_THE_PAST: (422, "A version cannot be in force in the past"),
    refusals.FIRST_IS_FROM_THE_BEGINNING: (422, "The first version is in force from the beginning"),
    refusals.AHEAD_OF_THE_CLOCK: (422, "That lies ahead of the business clock"),
    refusals.BEFORE_ANY_PROGRAMME: (422, "That lies before any programme"),
    refusals.NO_DAY_BEGINS: (422, "No day of the programme begins then"),
    refusals.DAY_PASSED: (409, "A later day is closed already"),
    refusals.IMPORT_RUNS: (409, "While history is imported no day closes"),
    refusals.NO_SUCH_LEASE: (404, "There is no such lease"),
    refusals.NO_SUCH_SOURCE: (404, "There is no such source"),
    refusals.NO_SUCH_MEMBER: (404, "There is no such member"),
    refusals.TWO_MEMBERS: (409, "The identifiers belong to different members"),
    refusals.ERASED: (409, "The member has been erased"),
    refusals.UNUSABLE_IDENTIFIER: (422, "An identifier cannot be used"),
    refusals.NO_SUCH_TIER: (422, "There is no such tier"),
    refusals.BEYOND_ANY_PROGRAMME: (422, "That lies beyond any programme"),
    refusals.OVER_BEFORE_IT_BEGINS: (422, "It would be over before it begins"),
    refusals.NO_SUCH_OVERRIDE: (404, "The member has no such override or sanction"),
    refusals.OVERRIDE_IS_OVER: (409, "It is over by then anyway"),
    refusals.KEY_REUSED: (422, "This Idempotency-Key belongs to another request"),
}


def problem_of(refused: Refused) -> Problem:
    """A refusal as the caller sees it."""
    status, title = STATUS_AND_TITLE[refused.reason]
    return Problem(status, refused.reason, title, refused.detail, **refused.facts)


def no_such_member() -> Problem:
    """Nobody has this id or identifier."""
    return Problem(404, refusals.NO_SUCH_MEMBER, "There is no such member")
