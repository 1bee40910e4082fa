"""What points-svc says on `points`: numbered per member, the balance after each cause that moved it; and reminders."""

from __future__ import annotations

from typing import Annotated

import msgspec

from laurel_contracts.envelope import Data, Instant, Points, ShortText

# The ledger's own words for its entries. An open set: a new kind of entry must not stop a reader that only adds up (ADR 0012).
EntryKind = str


class Posting(Data, frozen=True, kw_only=True):
    """One entry in brief; the ledger holds the whole reason. `points` is signed: what the member's account gained."""

    kind: EntryKind
    points: int
    order_id: ShortText | None = None


class PointsPosted(Data, frozen=True, kw_only=True):
    """A cause moved the account; the balance as it stands after it. `ladder` lists what expires when: (instant, points), ascending,
    so that a reader can leave out what has expired although the day has not been closed; `pending` likewise what becomes available when."""

    # "activity 17", "standing 3", "award 2", "task 4", "spending <key>", "day 2018-07-01"
    # "hold", "capture", "void" and "expiry", each with the hold's id
    cause: ShortText
    postings: tuple[Posting, ...]  # none where points were only set apart or given back
    posted: Points  # all there is, `held` of it in holds; the ladder has what is not held
    held: Points
    debt: Points
    ladder: tuple[tuple[Instant, int], ...] = ()
    pending: tuple[tuple[Instant, int], ...] = ()
    earned_net: Points = 0  # net points of orders so far: earned less taken back


class PointsExpiring(Data, frozen=True, kw_only=True):
    """A reminder, said once per member, instant and distance: so many points, not held, expire then if they are not spent. It changes
    nothing and has no number among what is said of the balance (ADR 0014)."""

    expires_at: Instant  # exclusive: the first instant at which they cannot be spent
    days_ahead: Annotated[int, msgspec.Meta(ge=1, le=366)]  # of the reminders the programme gives, the one that is due
    points: Annotated[int, msgspec.Meta(ge=1, le=10**15)]
    as_of: Instant  # the closed day by which it was due
