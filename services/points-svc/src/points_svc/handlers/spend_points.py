"""Points are spent, once per idempotency key. The one thing not to break: a key is answered once and for ever, also with a refusal, in the
transaction that moves the points."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from points_svc import events
from points_svc.domain import ledger, spending
from points_svc.domain.account import Account, Why
from points_svc.store import PointsStore
from points_svc.store.spendings import Answered

ROUTE = "POST /v1/members/{member_id}/spendings"
SPENT = 201
REFUSED = 409
TITLES = {
    "member_not_active": "The member has not registered yet and cannot spend",
    "member_frozen": "The account is frozen",
    "in_debt": "Points are owed; the next ones that come repay them",
    "insufficient_points": "There are not enough points to spend",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A spending as asked for, checked in form."""

    member_id: UUID
    key: str
    points: int
    reason: str | None
    order_id: str | None

    @property
    def fingerprint(self) -> bytes:
        """What makes two requests the same."""
        asked = [ROUTE, str(self.member_id), self.points, self.reason, self.order_id]
        return hashlib.sha256(msgspec.json.encode(asked)).digest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the caller gets: `status`, JSON, and whether it was given before."""

    status: int
    body: str
    replayed: bool = False


class InFlight(Exception):
    """The first request under this key is still running."""


class KeyReused(Exception):
    """The key was used for another request."""


class MemberUnknown(Exception):
    """No account here: nothing has been heard about such a member."""


async def spend_points(wanted: Wanted, now: datetime, store: PointsStore) -> Answer:
    """Answer under the key: as before, or by deciding now."""
    if not await store.claim_key(wanted.key):
        raise InFlight
    before = await store.find_answer(wanted.key)
    if before is not None:
        if before.fingerprint != wanted.fingerprint:
            raise KeyReused
        return Answer(before.status, before.answer, replayed=True)
    account = await store.lock_one(wanted.member_id)
    if account is None:
        raise MemberUnknown
    await store.read_live_lots([account])
    ledger.open_page(account, f"spending {wanted.key}", now)
    refused = spending.spend(account, wanted.points, now, _why(wanted), wanted.order_id)
    ledger.close_page(account)
    if refused is None:
        await store.save([account])
        store.say(events.statements_of([account]))
    answer = _spent(wanted, account, now) if refused is None else _refused(wanted, refused)
    await store.keep_answer(
        key=wanted.key,
        member_id=wanted.member_id,
        answered=Answered(wanted.fingerprint, answer.status, answer.body),
        points=wanted.points,
        order_id=wanted.order_id,
        seq=account.seq if refused is None else None,
        at=now,
    )
    return answer


def _why(wanted: Wanted) -> Why:
    why: Why = {"rule": "spending", "key": wanted.key, "points": wanted.points, "order": "soonest expiry first"}
    return why | ({"reason": wanted.reason} if wanted.reason else {})


def _spent(wanted: Wanted, account: Account, now: datetime) -> Answer:
    entry = account.entries[-1]
    return _answer(
        SPENT,
        {
            "key": wanted.key,
            "member_id": wanted.member_id,
            "points": wanted.points,
            "order_id": wanted.order_id,
            "at": now,
            "posted": account.posted,
            "available": spending.worth_at(account, now).available,
            "debt": account.debt,
            "entry": entry.seq,
            "lots": [
                {"lot": lot, "points": points, "expires_at": account.lots[lot].expires_at}
                for lot, points in entry.consumed
            ],
        },
    )


def _refused(wanted: Wanted, refused: spending.Refused) -> Answer:
    return _answer(
        REFUSED,
        {
            "type": refused.kind,
            "title": TITLES[refused.kind],
            "status": REFUSED,
            "points": wanted.points,
            "available": refused.available,
            "debt": refused.debt,
        },
    )


def _answer(status: int, document: dict[str, Any]) -> Answer:
    return Answer(status, msgspec.json.encode(document).decode())
