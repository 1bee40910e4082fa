"""A member enrols by himself: a provisional one becomes active, an unknown one is made. The one thing not to break: registering again
changes nothing but the identifiers, and says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from laurel_contracts.envelope import Identifier
from member_svc import events
from member_svc.domain import calendar, identifiers, refusals
from member_svc.domain.admission import Member
from member_svc.domain.identifiers import Name
from member_svc.domain.refusals import Refused
from member_svc.domain.reports import AHEAD_MAX, EARLIEST
from member_svc.domain.rulebook import NoProgramme, Rulebook
from member_svc.store import MemberStore, Overtaken


class Registered(NamedTuple):
    """The member; `said`: whether he was not active before."""

    member_id: UUID
    said: bool


def names_of(given: Sequence[Identifier]) -> list[Name]:
    """Identifiers in their normal form. Raises Refused."""
    try:
        return list(dict.fromkeys(identifiers.normal(one.kind, one.value) for one in given))
    except ValueError as error:
        raise Refused(refusals.UNUSABLE_IDENTIFIER, str(error)) from error


async def register_member(
    names: Sequence[Name], time: datetime | None, referrer_id: UUID | None, store: MemberStore
) -> Registered:
    """Register whom these identifiers name. Raises Refused and NoProgramme."""
    await store.programmes.enter_gate()
    rulebook = await store.programmes.rulebook()
    if not rulebook.versions:
        raise NoProgramme
    at = time or store.now
    if at < EARLIEST:
        raise Refused(refusals.BEFORE_ANY_PROGRAMME, "time lies before any programme")
    if at > store.now + AHEAD_MAX:
        raise Refused(refusals.AHEAD_OF_THE_CLOCK, "time lies ahead of the business clock", now=store.now.isoformat())
    member = await _member_named(names, store)
    if member.state == "erased":
        raise Refused(refusals.ERASED, "the member has been erased")
    if member.state == "active":
        return Registered(member.member_id, False)
    if referrer_id is not None and await store.directory.get(referrer_id) is None:
        raise Refused(refusals.NO_SUCH_MEMBER, "nobody has the referrer's member id")
    await _activate(member, at, referrer_id, rulebook, store)
    return Registered(member.member_id, True)


async def _member_named(names: Sequence[Name], store: MemberStore) -> Member:
    """The one member whom the identifiers name, locked; a newcomer when nobody has them. All of them are his afterwards."""
    owners = await store.identities.owners(names)
    if len(set(owners.values())) > 1:
        raise Refused(refusals.TWO_MEMBERS, "the identifiers belong to different members")
    unknown = [name for name in names if name not in owners]
    if not owners:
        member_id = await store.identities.new_id()
        if await store.identities.attach(unknown, member_id) < len(unknown):
            raise Overtaken
        return store.identities.newcomer(member_id)
    member_id = next(iter(owners.values()))
    if unknown and await store.identities.attach(unknown, member_id) < len(unknown):
        raise Overtaken
    members = await store.identities.lock([member_id])
    return members[member_id]


async def _activate(
    member: Member, at: datetime, referrer_id: UUID | None, rulebook: Rulebook, store: MemberStore
) -> None:
    version = rulebook.in_force(at)
    member.state = "active"
    member.last_seq += 1
    if member.new:
        member.enrolled_at = at
        member.tier = version.lowest_tier
    entry = events.registered(
        member,
        time=at,
        local_day=calendar.local_day(at, version.zone),
        version=version.version,
        referrer_id=referrer_id,
    )
    await store.identities.save([member])
    if not member.new:
        await store.identities.show_state(member)
    await store.stream.append([entry])
