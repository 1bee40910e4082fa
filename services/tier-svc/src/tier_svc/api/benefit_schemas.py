"""The shapes of what is asked and answered about benefits. Pydantic stays in this room."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictStr, field_validator, model_validator

from tier_svc.api.schemas import NeedAnswer
from tier_svc.domain.benefits import MEMBER_PRICE, POINT_VALIDITY, Benefit, Catalogue, Verdict
from tier_svc.domain.spans import EVER, Span
from tier_svc.handlers.show_benefits import Held, Usage

Text = Annotated[StrictStr, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Id = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
LEAP_YEAR = 2000
_BIRTHDAY = re.compile(r"\d{2}-\d{2}", re.ASCII)


class NewUse(BaseModel):
    """Which benefit is used, and for which order, if for one."""

    model_config = ConfigDict(extra="forbid")

    benefit_id: Id
    order_id: Text | None = None


class GiveBack(BaseModel):
    """Who says so, and why."""

    model_config = ConfigDict(extra="forbid")

    actor: Text
    reason: Text | None = None


class Profile(BaseModel):
    """What a member chooses, as a whole. `birthday`: MM-DD, never with a year. `actor`, `reason`: of staff who change a birthday."""

    model_config = ConfigDict(extra="forbid")

    pack: Id | None = None
    birthday: StrictStr | None = None
    actor: Text | None = None
    reason: Text | None = None

    @field_validator("birthday")
    @classmethod
    def is_a_day(cls, birthday: str | None) -> str | None:
        """A day that some year has."""
        if birthday is not None:
            if _BIRTHDAY.fullmatch(birthday) is None:  # 2000-W01-1 is a day of ISO 8601 too
                raise ValueError("a birthday is written MM-DD")
            date.fromisoformat(f"{LEAP_YEAR}-{birthday}")
        return birthday

    @model_validator(mode="after")
    def names_both(self) -> Profile:
        """Staff say who they are and why."""
        if (self.actor is None) != (self.reason is None):
            raise ValueError("actor and reason: both or neither")
        return self


class ReasonAnswer(BaseModel):
    """One thing that the benefit asks for. `needs`: a tier, a pack, or the day from which on it would be so."""

    asks: str
    holds: bool
    says: str
    needs: str | None


class CountedAnswer(BaseModel):
    """A limit: so many allowed, so many gone, so many left, over the local days `since` to `until` (exclusive; null: no end)."""

    allowed: int
    gone: int
    left: int
    since: date | None
    until: date | None

    @classmethod
    def of(cls, allowed: int, gone: int, span: Span) -> CountedAnswer:
        since = None if span.since == EVER else span.since
        return cls(allowed=allowed, gone=gone, left=max(0, allowed - gone), since=since, until=span.until)


class BenefitAnswer(BaseModel):
    """One benefit for one member. `percent_off`: 10 is 9折; `months`: how long points last; both at the member's tier."""

    benefit_id: str
    name: str
    kind: str
    text: str
    gives: str | None
    tiers: list[str]
    applies: bool
    percent_off: int | None
    months: int | None
    per_member: CountedAnswer | None
    of_all: CountedAnswer | None
    why: list[ReasonAnswer]

    @classmethod
    def of(cls, verdict: Verdict) -> BenefitAnswer:
        benefit = verdict.benefit
        mine = of_all = None
        if benefit.per_member is not None:
            mine = CountedAnswer.of(benefit.per_member, verdict.used, verdict.spans.member)
        if benefit.total is not None and verdict.taken is not None:
            of_all = CountedAnswer.of(benefit.total, verdict.taken, verdict.spans.all)
        return cls(
            benefit_id=benefit.id, name=benefit.name, kind=benefit.kind, text=benefit.text, gives=benefit.gives,
            tiers=list(benefit.tiers), applies=verdict.applies,
            percent_off=verdict.value if benefit.kind == MEMBER_PRICE else None,
            months=verdict.value if benefit.kind == POINT_VALIDITY else None, per_member=mine, of_all=of_all,
            why=[ReasonAnswer(asks=r.asks, holds=r.holds, says=r.says, needs=r.needs) for r in verdict.reasons],
        )  # fmt: skip


class HeldAnswer(BaseModel):
    """What applies to a member at an instant, by his standing and the programme in force. `clock`: how far his stream has got. `next`: any
    of these ways lifts to the next tier (not said of another instant than now)."""

    member_id: UUID
    at: datetime
    day: date
    clock: datetime
    tier: str
    pack: str | None
    birthday_known: bool
    programme_version: int
    next: list[NeedAnswer]
    items: list[BenefitAnswer]

    @classmethod
    def of(cls, held: Held) -> HeldAnswer:
        return cls(
            member_id=held.member_id, at=held.at, day=held.day, clock=held.clock, tier=held.holder.tier, pack=held.holder.pack,
            birthday_known=held.holder.birthday is not None, programme_version=held.version,
            next=[NeedAnswer.of(each) for each in held.next], items=[BenefitAnswer.of(each) for each in held.verdicts],
        )  # fmt: skip


class OfferedAnswer(BaseModel):
    """A benefit of the programme in force. `values`: percent off or months, by tier."""

    benefit_id: str
    name: str
    kind: str
    text: str
    gives: str | None
    tiers: list[str]
    packs: list[str]
    values: dict[str, int]
    around_birthday: tuple[int, int] | None
    per_member: int | None
    per: str | None
    total: int | None
    total_per: str | None

    @classmethod
    def of(cls, benefit: Benefit) -> OfferedAnswer:
        return cls(
            benefit_id=benefit.id, name=benefit.name, kind=benefit.kind, text=benefit.text, gives=benefit.gives,
            tiers=list(benefit.tiers), packs=list(benefit.packs), values=dict(benefit.values or {}),
            around_birthday=benefit.around, per_member=benefit.per_member, per=benefit.per, total=benefit.total,
            total_per=benefit.total_per,
        )  # fmt: skip


class CatalogueAnswer(BaseModel):
    """Packs that may be chosen, by id, and benefits in the order of the programme."""

    programme_version: int
    packs: dict[str, str]
    items: list[OfferedAnswer]

    @classmethod
    def of(cls, version: int, catalogue: Catalogue) -> CatalogueAnswer:
        items = [OfferedAnswer.of(each) for each in catalogue.benefits.values()]
        return cls(programme_version=version, packs=catalogue.packs, items=items)


class UsageAnswer(BaseModel):
    """A benefit at one tier: `users` of `entitled` members have used it; `rate` is per ten thousand (null: nobody is entitled)."""

    benefit_id: str
    kind: str
    tier: str
    entitled: int
    users: int
    rate: int | None
    uses: int
    given_back: int


class UsagePage(BaseModel):
    """Local days `since` to `until` (exclusive)."""

    since: date
    until: date
    items: list[UsageAnswer]

    @classmethod
    def of(cls, since: date, until: date, usages: list[Usage]) -> UsagePage:
        items = [
            UsageAnswer(
                benefit_id=each.benefit.id, kind=each.benefit.kind, tier=each.tier, entitled=each.entitled,
                users=each.users, rate=each.rate, uses=each.uses, given_back=each.given_back,
            )
            for each in usages
        ]  # fmt: skip
        return cls(since=since, until=until, items=items)


USAGE_DAYS = timedelta(days=30)  # looked at where nobody says over which days
