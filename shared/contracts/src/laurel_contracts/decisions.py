"""What is decided about a member, and what is told to a whole partition of `activities`: numbered (or ordered) like everything that
can change a rating. The one thing not to break: what is not in the numbered stream cannot change what an activity is worth."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

import msgspec

from laurel_contracts.envelope import Data, Instant, ShortText


class MemberRegistered(Data, frozen=True, kw_only=True):
    """The member has enrolled by himself: from now on points can be spent."""

    referrer_id: uuid.UUID | None = None


class MemberTagged(Data, frozen=True, kw_only=True):
    """Tags put on and taken off."""

    added: tuple[ShortText, ...] = ()
    removed: tuple[ShortText, ...] = ()


class ConsentChanged(Data, frozen=True, kw_only=True):
    """A consent given or withdrawn."""

    purpose: ShortText
    granted: bool


class MemberFrozen(Data, frozen=True, kw_only=True):
    """The account is frozen (`frozen` true) or released."""

    frozen: bool
    reason: ShortText
    actor: ShortText


class MemberMerged(Data, frozen=True, kw_only=True):
    """Two accounts are one person; the subject goes on, `absorbed_id` ends."""

    absorbed_id: uuid.UUID
    actor: ShortText


class MemberErased(Data, frozen=True, kw_only=True):
    """The person is forgotten; the stream ends here."""


class StandingOverridden(Data, frozen=True, kw_only=True):
    """A standing given by hand (domain.md 4.4): lies on top of the computed tier while `since` ≤ clock < `until`."""

    tier: ShortText
    since: Instant
    until: Instant
    mode: Literal["floor", "exact"]
    reason: ShortText
    actor: ShortText


class StandingSanctioned(Data, frozen=True, kw_only=True):
    """A violation (domain.md 4.5): while `since` ≤ clock < `until` the member is held at the effective tier of its start (freeze), or so
    many steps below it (lower)."""

    act: Literal["freeze", "lower"]
    steps: Annotated[int, msgspec.Meta(ge=0, le=100)] = 1
    since: Instant
    until: Instant
    reason: ShortText
    actor: ShortText


class OverrideTakenBack(Data, frozen=True, kw_only=True):
    """An override or a sanction, named by its number in this stream, ends early: when the clock reaches `since`, or at once."""

    override_seq: Annotated[int, msgspec.Meta(ge=1)]
    since: Instant
    reason: ShortText
    actor: ShortText


class DayClosed(Data, frozen=True, kw_only=True):
    """The end of a programme-local day, laid into every partition: `as_of` is the instant at which the next day begins."""

    as_of: Instant


class ProgrammeActivated(Data, frozen=True, kw_only=True):
    """A programme version is in force from `effective_from`, laid into every partition; None: from the beginning."""

    version: int
    sha256: ShortText
    effective_from: Instant | None = None
