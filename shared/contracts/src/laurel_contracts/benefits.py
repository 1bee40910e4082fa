"""The parts `benefits` and `tasks` of the programme document: what a tier gives, and what a member can do for growth. The one thing not to
break: every new field has a default, and both parts may be left out, which leaves the hash of a document without them as it was."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from laurel_contracts.envelope import ShortText
from laurel_contracts.programme_parts import Count, Part

Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
Period = Literal["day", "week", "month", "quarter", "year"]  # of the programme's zone; weeks begin on Monday


class BenefitLimits(Part, frozen=True, kw_only=True):
    """`per_member`: so many uses per `per` (None: for ever; `birthday`: per birthday). `total`: so many over all members per `total_per`
    (None: for ever), never one more."""

    per_member: Count | None = None
    per: Period | Literal["birthday"] | None = None
    total: Count | None = None
    total_per: Period | None = None


class AroundBirthday(Part, frozen=True, kw_only=True):
    """From so many local days before a member's birthday to so many after it."""

    days_before: Annotated[int, msgspec.Meta(ge=0, le=60)] = 0
    days_after: Annotated[int, msgspec.Meta(ge=0, le=60)] = 0


class Benefit(Part, frozen=True, kw_only=True):
    """What a member has by his tier: from `from_tier` upward, or at exactly `tiers`; neither: at every tier. With `packs`: for members who
    have chosen one of them. `percent_off` (member_price): 10 is 9折; None: the `discount_percent` of the member's tier. `months`
    (point_validity): how long points last. `gives`: what the shop hands over, in its own words."""

    id: Id
    name: str = ""
    kind: Literal[
        "member_price",
        "free_delivery",
        "priority_service",
        "birthday_gift",
        "birthday_event",
        "exclusive_campaign",
        "point_validity",
        "other",
    ]
    text: str = ""
    from_tier: ShortText | None = None
    tiers: tuple[ShortText, ...] = ()
    packs: tuple[Id, ...] = ()
    percent_off: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    months: Annotated[int, msgspec.Meta(ge=1, le=120)] | None = None
    gives: ShortText | None = None
    around_birthday: AroundBirthday | None = None
    limits: BenefitLimits = BenefitLimits()


class Pack(Part, frozen=True, kw_only=True):
    """A benefit pack that a member may choose: fashion, family …"""

    id: Id
    name: str = ""


class BenefitRules(Part, frozen=True, kw_only=True):
    packs: tuple[Pack, ...] = ()
    catalogue: tuple[Benefit, ...] = ()


class Task(Part, frozen=True, kw_only=True):
    """A growth task: `count` activities of one kind, once per local period `per` of the activities (None: once for ever). `which`: only
    that activity_id or survey_id. `least_minor`: of a purchase at least so much must be left. `within_days`: all of them within so many
    local days that follow each other. `from_day`, `to_day`: only activities on these local days and between. It gives growth, points
    or both."""

    id: Id
    name: str = ""
    text: str = ""
    done_by: Literal["purchase", "sign_in", "review", "share", "join", "survey"]
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1
    per: Period | None = None
    which: ShortText | None = None
    least_minor: Count = 0
    photos: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0  # a review counts with at least so many
    within_days: Annotated[int, msgspec.Meta(ge=1, le=366)] | None = None
    from_day: Day | None = None
    to_day: Day | None = None
    growth: Count = 0
    points: Count = 0
