"""A benefit is used, and given back; a member says what he chooses. The one thing not to break: the member's row is locked first and the
stock behind it, and a use and the piece it takes are written in one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from laurel_contracts.envelope import derived_id
from laurel_kit.once import CREATED, DONE, Answer, Keyed, once, refused, said
from tier_svc.domain.benefits import Reason, Verdict
from tier_svc.handlers.show_benefits import InForce, holder_of, in_force, judged
from tier_svc.store import TierStore
from tier_svc.store.benefits import FOR_EVER, HolderRow, NewUse
from tier_svc.store.rows import effective

TITLES = {
    "benefit_not_held": "The member does not have this benefit now",
    "benefit_limit": "The member has used this benefit as often as he may",
    "benefit_sold_out": "Nothing is left of this benefit",
    "birthday_stands": "A birthday that has been told is changed by staff, with a reason",
}
_KIND_OF = {"limit": "benefit_limit", "quantity": "benefit_sold_out"}


class Wanted(NamedTuple):
    """A use that is asked for."""

    member_id: UUID
    benefit_id: str
    order_id: str | None = None


class Chosen(NamedTuple):
    """What a member is to have chosen. `by_staff`: staff say so, and why."""

    member_id: UUID
    pack: str | None
    birthday: str | None
    by_staff: bool = False


class MemberUnknown(Exception):
    """Nothing has been heard of this member."""


class BenefitUnknown(Exception):
    """The programme in force has no such benefit."""


class UseUnknown(Exception):
    """There is no such use."""


class PackUnknown(Exception):
    """The programme in force has no such pack."""


def link_to(use_id: UUID) -> str:
    """Where a use is seen."""
    return f"/v1/benefit-uses/{use_id}"


async def use_benefit(asked: Keyed, wanted: Wanted, now: datetime, store: TierStore) -> Answer:
    """One use, decided by the standing and the programme as they are known now."""

    async def decide() -> Answer:
        member_id, benefit_id = wanted.member_id, wanted.benefit_id
        row, there = await _open(member_id, now, store)
        if benefit_id not in there.benefits.benefits:
            raise BenefitUnknown
        holder = holder_of(row, effective(row, there.rules))
        found = next(each for each in await judged(member_id, holder, there, store) if each.benefit.id == benefit_id)
        no = _refusal(found)
        benefit, span = found.benefit, found.spans.all
        if no is None and benefit.total is not None:
            claimed = await store.benefits.claim(benefit.id, benefit.total_per, span.since, benefit.total)
            if not claimed:
                no = Reason("quantity", False, f"all {benefit.total} were taken meanwhile", None)
        if no is not None:
            store.tx.after_commit(lambda: store.metrics.benefit_used(benefit.id, holder.tier, "refused"))
            kind = _KIND_OF.get(no.asks, "benefit_not_held")
            why = [{"asks": each.asks, "holds": each.holds, "says": each.says} for each in found.reasons]
            link = f"/v1/members/{member_id}/benefits"
            return refused(kind, TITLES[kind], link, detail=no.says, benefit_id=benefit.id, tier=holder.tier, why=why)
        use = NewUse(
            derived_id("benefit-use", asked.scope, asked.key), member_id, benefit.id, benefit.kind, holder.tier,
            there.rules.version, there.day, found.value, benefit.gives, wanted.order_id,
            None if benefit.total is None else benefit.total_per or FOR_EVER,
            None if benefit.total is None else span.since, now,
        )  # fmt: skip
        written = await store.benefits.add(use, found.reasons)
        store.tx.after_commit(lambda: store.metrics.benefit_used(benefit.id, holder.tier, "used"))
        return said(CREATED, document(written), link_to(use.use_id))

    return await once(asked, now, store.tx, decide)


async def give_back(
    asked: Keyed, use_id: UUID, now: datetime, store: TierStore, *, actor: str, reason: str | None
) -> Answer:
    """A use that came to nothing counts no longer, and its piece is there again. Once more, under another key, is answered as it was."""

    async def decide() -> Answer:
        use = await store.benefits.use(use_id)
        if use is None:
            raise UseUnknown
        await store.benefits.lock(use.member_id)
        ended = await store.benefits.end(use_id, now, actor, reason)
        if ended is None:
            return said(DONE, document(await store.benefits.use(use_id)), link_to(use_id), replayed=True)
        if ended.stock_since is not None:
            await store.benefits.put_back(ended.benefit_id, ended.stock_per, ended.stock_since)
        store.tx.after_commit(lambda: store.metrics.benefit_used(ended.benefit_id, ended.tier, "given_back"))
        return said(DONE, document(ended), link_to(use_id))

    return await once(asked, now, store.tx, decide)


async def choose_profile(asked: Keyed, chosen: Chosen, now: datetime, store: TierStore) -> Answer:
    """The member's pack and birthday, as a whole. Who could change his birthday at will had one every month: that is for staff."""

    async def decide() -> Answer:
        member_id, pack, birthday = chosen.member_id, chosen.pack, chosen.birthday
        row, there = await _open(member_id, now, store)
        if pack is not None and pack not in there.benefits.packs:
            raise PackUnknown
        link = f"/v1/members/{member_id}/profile"
        if row.birthday is not None and birthday != row.birthday and not chosen.by_staff:
            return refused("birthday_stands", TITLES["birthday_stands"], link)
        await store.benefits.put_profile(member_id, pack, birthday)
        return said(DONE, profile_document(member_id, pack, birthday), link)

    return await once(asked, now, store.tx, decide)


async def _open(member_id: UUID, now: datetime, store: TierStore) -> tuple[HolderRow, InForce]:
    """The member under his lock, and the programme in force."""
    row = await store.benefits.holder(member_id)
    if row is None or row.clock is None:
        raise MemberUnknown
    pack, birthday = await store.benefits.lock(member_id)
    there = await in_force(row.partition, now, store)
    return replace(row, pack=pack, birthday=birthday), there


def _refusal(found: Verdict) -> Reason | None:
    """The first thing that stands against it."""
    return next((reason for reason in found.reasons if not reason.holds), None)


def profile_document(member_id: UUID, pack: str | None, birthday: str | None) -> dict[str, Any]:
    """What a member has chosen, as everybody sees it."""
    return {"member_id": member_id, "pack": pack, "birthday": birthday}


def document(use: Any) -> dict[str, Any]:
    """A use as everybody sees it; it depends on the use alone."""
    day: date = use.day
    return {
        "use_id": use.use_id,
        "member_id": use.member_id,
        "benefit_id": use.benefit_id,
        "kind": use.kind,
        "tier": use.tier,
        "value": use.value,
        "gives": use.gives,
        "order_id": use.order_id,
        "day": day.isoformat(),
        "programme_version": use.version,
        "why": msgspec.json.decode(use.why),
        "made_at": use.made_at,
        "given_back_at": use.given_back_at,
        "given_back_by": use.given_back_by,
        "reason": use.reason,
        "number": use.number,
    }
