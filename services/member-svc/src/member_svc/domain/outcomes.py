"""What the door answers to a report, and the closed set of reasons. The one thing not to break: channels and runbooks know these words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Verdict = Literal["accepted", "duplicate", "waiting", "refused", "conflict"]

# Why a report is refused.
UNDECODABLE = "undecodable"  # not JSON at all
INVALID = "invalid"  # JSON, but not the shape of a report or of its data
TOO_LARGE = "too_large"
UNKNOWN_TYPE = "unknown_type"
FROM_THE_FUTURE = "from_the_future"
WRONG_SUM = "wrong_sum"
WRONG_CURRENCY = "wrong_currency"
REPEATED_LINE = "repeated_line"
NOTHING_REFUNDED = "nothing_refunded"
NOTHING_REVIEWED = "nothing_reviewed"
NO_MEMBER = "no_member"  # neither subject nor identifier
UNKNOWN_MEMBER = "unknown_member"
ERASED_MEMBER = "erased_member"
IDENTIFIER_OF_ANOTHER = "identifier_of_another_member"
UNKNOWN_LINE = "unknown_line"
ABOVE_WHAT_IS_LEFT = "above_what_is_left"
SOURCE_SHUT = "source_shut"  # too much of what this source says on the topic is bad
# Why a report conflicts.
CONTENT_DIFFERS = "content_differs"
# Why a waiting report is given up.
ORDER_NEVER_CAME = "order_never_came"


# What only a broken producer says. Business refusals and conflicts are not bad: they happen to good channels.
BAD = frozenset(
    {
        UNDECODABLE, INVALID, TOO_LARGE, UNKNOWN_TYPE, FROM_THE_FUTURE, WRONG_SUM, WRONG_CURRENCY, REPEATED_LINE,
        NOTHING_REFUNDED, NOTHING_REVIEWED,
    }
)  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """The answer to one report. `index` is its place in the request; `reason` one of the words above; `detail` a sentence."""

    index: int
    id: str
    outcome: Verdict
    reason: str | None = None
    detail: str | None = None
    member_id: UUID | None = None
    member_seq: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a report cannot be taken."""

    reason: str
    detail: str
