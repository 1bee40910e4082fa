"""Points for anything but money (domain.md 3.2): sign-ins with their streaks, reviews with their cap, activities joined; and the lots
that they make. The one thing not to break: a late activity counts on its own local day."""

from __future__ import annotations

from datetime import datetime, timedelta

from points_svc.domain import caps, ledger, streaks
from points_svc.domain.account import EARNED, Account, Dated, Lot, NoEffect, Order, SignIns, Why
from points_svc.domain.policies import Policy
from points_svc.domain.rules import ONLY_BY_EVENT, Rules

AT_ONCE = timedelta(0)


def new_lot(
    account: Account,
    kind: str,
    dated: Dated,
    rules: Rules,
    *,
    pending: timedelta = AT_ONCE,
    policy: Policy | None = None,
) -> Lot:
    """An empty lot that dates from its activity (domain.md 3.4); where expiry slides, it lasts no shorter than what lives already.
    `policy`: where the tier says how long it lasts."""
    until = (policy or rules.expiry).expires_at(dated.day)
    if rules.expiry.slides and account.lives_until is not None:
        until = max(until, account.lives_until)
    return lot_until(account, kind, dated, until, pending=pending)


def lot_until(account: Account, kind: str, dated: Dated, expires_at: datetime, *, pending: timedelta = AT_ONCE) -> Lot:
    """An empty lot with a given expiry. If a day record has passed that already, it waits for the next one (domain.md 3.3.5)."""
    as_of, at = account.day.as_of, dated.at
    born_after = as_of if as_of is not None and expires_at <= as_of else None
    lot = Lot(dated.number, kind, 0, 0, 0, at, at + pending if pending else at, expires_at, born_after, None, True)
    account.lots[dated.number] = lot
    return lot


def order_lot(account: Account, order: Order, rules: Rules) -> Lot:
    """An empty lot of an order: it lasts as long as the order's tier says, and can be spent when the programme or a confirmation says."""
    policy = rules.expiry_at(order.tier) if rules.lasting else None
    lot = new_lot(account, "purchase", order.dated, rules, pending=rules.pending, policy=policy)
    if rules.by_event:
        if rules.activation == ONLY_BY_EVENT:
            lot.available_at = lot.expires_at
        if order.confirmed_at is not None:
            lot.available_at = max(order.at, min(lot.available_at, order.confirmed_at))
    return lot


def still_pending(lot: Lot, until: datetime) -> timedelta:
    """How long after they were earned the points of a lot are to be available in one that lasts until another instant: what waits for an
    event alone waits as long as it lives."""
    return (until if lot.available_at == lot.expires_at else lot.available_at) - lot.earned_at


def rate_sign_in(account: Account, dated: Dated, rules: Rules) -> None:
    """Points for the day, and a bonus for every full streak that is due and not paid yet."""
    sign_ins = account.sign_ins
    if sign_ins is None:
        sign_ins = account.sign_ins = SignIns()
    day = dated.day
    why: Why = {"rule": "sign_in", "version": rules.version, "day": day}
    if not streaks.add(sign_ins.runs, day):
        account.no_effects.append(NoEffect(account.cause, dated.at, why | {"cap": "1 a day", "points": 0}))
        return
    due = streaks.due(sign_ins.runs, rules.sign_in.streak_days)
    unpaid = max(0, due - sign_ins.bonuses)
    sign_ins.bonuses += unpaid
    points = rules.sign_in.points + unpaid * rules.sign_in.streak_points
    why |= {
        "points_per_day": rules.sign_in.points,
        "run_days": streaks.length_at(sign_ins.runs, day),
        "streaks_due": due,
        "streaks_paid_now": unpaid,
        "points_per_streak": rules.sign_in.streak_points,
        "points": points,
    }
    _earn(account, dated, points, why, rules)


def rate_review(account: Account, photos: int, dated: Dated, rules: Rules) -> None:
    """Points for a review, more with a photo, so many a local day in stream order."""
    day = dated.day
    so_far = account.reviews.get(day, 0)
    account.reviews[day] = so_far + 1
    review = rules.review
    earned = review.points + (review.photo_points if photos else 0)
    points = earned if so_far < review.max_per_day else 0
    why = {
        "rule": "review",
        "version": rules.version,
        "day": day,
        "photos": photos,
        "number_of_the_day": so_far + 1,
        "max_per_day": review.max_per_day,
        "points_uncapped": earned,
        "points": points,
    }
    _earn(account, dated, points, why, rules)


def rate_joined(account: Account, activity_id: str, dated: Dated, rules: Rules) -> None:
    """Points for an event, a quiz, a store visit; the door lets each in once."""
    points = rules.join.points
    why = {"rule": "join", "version": rules.version, "activity_id": activity_id, "points": points}
    _earn(account, dated, points, why, rules)


def _earn(account: Account, dated: Dated, points: int, why: Why, rules: Rules) -> None:
    granted, bounds = caps.bounded(account, why["rule"], rules.caps(why["rule"]), points, dated.day)
    points, why = granted, why | bounds
    if points:
        policy = rules.expiry_at(account.tier) if rules.lasting else None
        if policy is not None:
            why["validity_months"] = policy.months
        ledger.put(account, new_lot(account, why["rule"], dated, rules, policy=policy), points, EARNED, why)
    else:
        account.no_effects.append(NoEffect(account.cause, dated.at, why))
