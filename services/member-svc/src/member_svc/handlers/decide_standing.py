"""What staff decides about a standing: an override, a sanction (domain.md 4.4, 4.5), or that one of them ends early. The one
thing not to break: it gets a number of the member's stream like everything that can change a rating, and one request gets one number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from laurel_contracts.decisions import OverrideTakenBack, StandingOverridden, StandingSanctioned
from member_svc import events
from member_svc.domain import calendar, refusals
from member_svc.domain.refusals import Refused
from member_svc.domain.reports import EARLIEST
from member_svc.store import MemberStore

LATEST = datetime(9000, 1, 1, tzinfo=UTC)

Decision = StandingOverridden | StandingSanctioned | OverrideTakenBack


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for; `since` None: from now on."""

    since: datetime | None
    until: datetime
    reason: str
    actor: str
    tier: str = ""
    mode: Literal["floor", "exact"] = "exact"
    act: Literal["freeze", "lower"] | None = None  # None: an override
    steps: int = 1

    def decided(self, since: datetime) -> Decision:
        """As it is said."""
        if self.act is None:
            return StandingOverridden(
                tier=self.tier, since=since, until=self.until, mode=self.mode, reason=self.reason, actor=self.actor
            )
        return StandingSanctioned(
            act=self.act, steps=self.steps, since=since, until=self.until, reason=self.reason, actor=self.actor
        )


@dataclass(frozen=True, slots=True)
class TakeBack:
    """That an override or a sanction is to end early; `since` None: now."""

    since: datetime | None
    override_seq: int
    reason: str
    actor: str

    def decided(self, since: datetime) -> Decision:
        """As it is said."""
        return OverrideTakenBack(override_seq=self.override_seq, since=since, reason=self.reason, actor=self.actor)


class Numbered(NamedTuple):
    """The number it got; `replayed`: it had it before."""

    member_seq: int
    data: Decision
    replayed: bool


async def decide_standing(member_id: UUID, asked: Asked | TakeBack, key: str, store: MemberStore) -> Numbered:
    """Number a decision about a member's standing, once per key. Raises Refused and NoProgramme."""
    asked = _bounded(asked)
    await store.programmes.enter_gate()
    version = (await store.programmes.rulebook()).in_force(store.now)
    member = (await store.identities.lock([member_id])).get(member_id)
    if member is None:
        raise Refused(refusals.NO_SUCH_MEMBER, "nobody has this member id")
    decision_id = events.decision_id(member_id, key)
    said = await store.stream.find(member_id, decision_id)
    if said is not None:
        return _as_before(asked, said.member_seq, events.decision_in(said.body))
    if member.state == "erased":
        raise Refused(refusals.ERASED, "the member has been erased")
    data = asked.decided(asked.since or store.now)
    if isinstance(data, OverrideTakenBack):
        await _still_to_come(member_id, data, store)
    elif data.until <= data.since:
        raise Refused(refusals.OVER_BEFORE_IT_BEGINS, "`until` must lie behind `since`")
    if isinstance(data, StandingOverridden):
        await _known_tier(data.tier, version.version, store)
    member.last_seq += 1
    entry = events.standing_decided(
        member, decision_id, data, time=store.now, version=version.version,
        local_day=calendar.local_day(store.now, version.zone),
    )  # fmt: skip
    await store.identities.save([member])
    await store.stream.append([entry])
    return Numbered(member.last_seq, data, False)


def _bounded(asked: Asked | TakeBack) -> Asked | TakeBack:
    """In UTC, and so that every reader can turn it into a local day. Compared first: what lies at the edge of time has no other zone."""
    until = asked.until if isinstance(asked, Asked) else None
    if asked.since is not None and asked.since < EARLIEST:
        raise Refused(refusals.BEFORE_ANY_PROGRAMME, "`since` lies before any programme")
    if until is not None and until < EARLIEST:
        raise Refused(refusals.OVER_BEFORE_IT_BEGINS, "`until` lies before any programme")
    if any(instant is not None and instant > LATEST for instant in (asked.since, until)):
        raise Refused(refusals.BEYOND_ANY_PROGRAMME, f"nothing is decided for after {LATEST.year}")
    since = None if asked.since is None else asked.since.astimezone(UTC)
    if isinstance(asked, Asked):
        return replace(asked, since=since, until=asked.until.astimezone(UTC))
    return replace(asked, since=since)


def _as_before(asked: Asked | TakeBack, number: int, data: Any) -> Numbered:
    if asked.decided(asked.since or data.since) != data:
        raise Refused(refusals.KEY_REUSED, "another decision was made under this key", member_seq=number)
    return Numbered(number, data, True)


async def _known_tier(tier: str, version: int, store: MemberStore) -> None:
    tiers = await store.programmes.tiers_of(version)
    if tier not in tiers:
        raise Refused(refusals.NO_SUCH_TIER, f"the programme has no tier {tier}", tiers=tiers)


async def _still_to_come(member_id: UUID, back: OverrideTakenBack, store: MemberStore) -> None:
    """What is taken back stands in the member's own stream, and is not over by then as it was decided."""
    entry = await store.stream.numbered(member_id, back.override_seq)
    taken = None if entry is None else events.decision_in(entry.body)
    if not isinstance(taken, StandingOverridden | StandingSanctioned):
        raise Refused(refusals.NO_SUCH_OVERRIDE, f"number {back.override_seq} is no override and no sanction of his")
    if taken.until <= back.since:
        raise Refused(refusals.OVERRIDE_IS_OVER, "it ends by itself before that", until=taken.until.isoformat())
