"""What tier-svc says on `tiers`: standing facts, numbered by `ordinal`, what tasks are worth in points, and the marks behind them."""

from __future__ import annotations

from datetime import date
from typing import Literal

from laurel_contracts.envelope import Data, Instant, Points, ShortText

StandingKind = Literal["raised", "kept", "lapsed", "lowered", "corrected", "overridden"]


class StandingChanged(Data, frozen=True, kw_only=True):
    """One standing fact (domain.md 4.7). `memberseq` of the event is the ordinal; the fact holds for activities numbered above
    `holds_after`. `metrics` are the values it was decided by (minor units or counts), e.g. {"spend_in_days(365)": 100000}."""

    ordinal: int
    holds_after: int
    kind: StandingKind
    computed_from: ShortText
    computed_to: ShortText
    effective_from: ShortText
    effective_to: ShortText
    since: Instant | None = None  # None: the lowest tier since enrolment
    until: Instant | None = None  # exclusive; None: no end
    held_since: date | None = None
    cause: ShortText  # "activity 17", "day 2018-07-01", "end 2018-03-02T05:00:00Z"
    rule: str = ""  # the condition that held or failed, in words
    metrics: dict[str, int] = {}


class ClubStandingChanged(Data, frozen=True, kw_only=True):
    """A standing in a club, a structure beside the main ladder, numbered per member and club; without key and number on the topic, because
    who follows the main ladder need not know of it."""

    club: ShortText
    ordinal: int
    holds_after: int
    kind: Literal["raised", "kept", "lapsed", "lowered", "corrected"]
    tier_from: ShortText
    tier_to: ShortText
    since: Instant | None = None
    until: Instant | None = None
    held_since: date | None = None
    cause: ShortText
    rule: str = ""
    metrics: dict[str, int] = {}


class TaskRewardChanged(Data, frozen=True, kw_only=True):
    """What a growth task is worth in points to a member in one period has changed: from `points_before` to `points`, 0 where it is not done
    any more. `number` counts per member over all tasks; of one task and period the highest number holds. `at`: what the points date from,
    the time of the activity that completes the task. Without key and number on the topic, like a standing in a club."""

    task: ShortText
    period: date  # the first local day of it; 0001-01-01: once for ever
    number: int
    points: Points
    points_before: Points
    at: Instant
    cause: ShortText  # "activity 17": what changed it
    done_with: int | None = None  # the activity that completes it; None: none does
    why: str = ""


class ActivitiesAssessed(Data, frozen=True, kw_only=True):
    """The mark: every fact for the records of `topic`/`partition` below `next_offset` has been said before this record."""

    topic: ShortText
    topic_id: ShortText
    partition: int
    next_offset: int
