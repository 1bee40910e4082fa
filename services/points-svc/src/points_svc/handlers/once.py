"""One key, one answer (reliability.md 3.4), with the words of this service for a refusal. The one thing not to break: the answer is kept in
the transaction that does the work, also where it is a refusal; the kit sees to that, and to nothing being done twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from laurel_kit import once as kit
from laurel_kit.once import REFUSED, Answer, Keyed, said
from points_svc.domain.account import Account
from points_svc.domain.spending import Refused
from points_svc.store import PointsStore

__all__ = ["Answer", "Keyed", "once", "refused", "refused_plainly", "said"]

TITLES = {
    "member_not_active": "The member has not registered yet and cannot spend",
    "member_frozen": "The account is frozen",
    "account_frozen": "The account's books are being looked at; nothing leaves it until that is done",
    "in_debt": "Points are owed; the next ones that come repay them",
    "insufficient_points": "There are not enough points to spend",
    "insufficient_value": "There is not enough stored value",
    "value_full": "No wallet may hold so much",
    "bonus_too_large": "The programme allows no such bonus with so little paid",
    "currency_differs": "The wallet is in another currency",
    "cash_out_not_allowed": "The programme pays nothing out",
    "bonus_held": "The bonus that would go with it is in an open hold, which has to end first",
    "payment_not_made": "Nothing was paid by this hold",
    "refund_exceeds_payment": "Less than that is left of the payment",
    "hold_captured": "The hold has been captured",
    "hold_voided": "The hold has been voided",
    "hold_expired": "The time of the hold is over",
    "capture_exceeds_hold": "More is to be captured than is held",
    "receiver_frozen": "The receiver's account is frozen",
    "order_differs": "The hold was made for another order",
    "lot_not_live": "Some of these lots hold nothing, have expired or never were",
    "nothing_to_extend": "No lot would last longer than it does",
    "extension_too_long": "The programme allows no extension by so much",
    "no_programme": "No programme is in force that would say by which rules",
    "reward_not_valid": "The reward cannot be redeemed at this time",
    "reward_limit": "The member has had as many of this reward as he may",
    "sold_out": "Nothing is left of this reward",
    "stock_below_taken": "More of this reward has been taken than there is to be",
    "redemption_fulfilled": "The redemption has been fulfilled",
    "redemption_cancelled": "The redemption has been cancelled",
    "outcome_wanted": "A draw is fulfilled with its outcome",
    "outcome_unwanted": "Only a draw has an outcome",
    "checkout_share_exceeded": "Points may pay only their share of this order",
    "checkout_below_minimum": "So few points cannot be used at a checkout",
    "balance_full": "No account may hold so many points",
    "not_proposed": "It has been decided already",
    "not_posted": "It has not been posted",
    "same_actor": "A second person must decide this",
    "in_batch": "It is part of a batch and is decided with it",
    "batch_refused": "Some members of the batch cannot be corrected so; nothing was done",
    "batch_reversed": "The batch has been reversed",
}


async def once(asked: Keyed, now: datetime, store: PointsStore, decide: Callable[[], Awaitable[Answer]]) -> Answer:
    """Answer under the key: as before, or by deciding now."""
    return await kit.once(asked, now, store.tx, decide)


async def forget_old_answers(now: datetime, limit: int, store: PointsStore) -> int:
    """Drop bodies that are replayed no more; how many. The keys stay used."""
    return await kit.forget_old_answers(now, limit, store.tx)


def refused(refused: Refused, account: Account, link: str) -> Answer:
    """A refusal as a problem document. `entry`: the last one of the account when it was decided."""
    problem = {"type": refused.kind, "title": TITLES[refused.kind], "status": REFUSED, "entry": account.seq}
    return said(REFUSED, problem | dict(refused.figures), link)


def refused_plainly(refused: Refused, link: str) -> Answer:
    """A refusal that concerns no account, or more than one."""
    problem = {"type": refused.kind, "title": TITLES[refused.kind], "status": REFUSED}
    return said(REFUSED, problem | dict(refused.figures), link)
