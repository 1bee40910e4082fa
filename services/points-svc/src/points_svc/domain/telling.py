"""Why an entry has these points, in sentences (domain.md 7). The one thing not to break: a sentence shows figures that were kept with the
entry, and computes none that could come out differently."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from points_svc.domain.account import Entry, Why

FACTORS = frozenset({
    "parts", "multiplier", "tier", "minor_units", "points_per_day", "points_per_streak", "streaks_paid_now", "photo_points",
})  # fmt: skip
RESULTS = frozenset({"points", "points_before", "points_uncapped", "result"})


def factors_of(why: Why) -> dict[str, dict[str, Any]]:
    """The reason sorted for programs: what was put in, what it was multiplied with, what bounded it, what came out."""
    sorted_: dict[str, dict[str, Any]] = {"inputs": {}, "factors": {}, "caps": {}, "results": {}}
    for name, value in why.items():
        if name in ("rule", "version"):
            continue
        place = "results" if name in RESULTS else "factors" if name in FACTORS else "inputs"
        sorted_["caps" if _is_cap(name) else place][name] = value
    return sorted_


def _is_cap(name: str) -> bool:
    return "max" in name.split("_") or name.startswith("cap") or "limit" in name.split("_")


def sentences_of(kind: str, cause: str, order_id: str | None, why: Why) -> list[str]:
    """What was decided by which rule, from what."""
    try:
        told = _RULES.get(str(why.get("rule")), _plainly)(why, order_id)
    except (KeyError, TypeError, ValueError):  # kept by another release, with other fields: still told, as it stands
        told = _plainly(why, order_id)
    if "validity_months" in why and why.get("rule") not in {"point validity", "validity of what came back"}:
        told = [*told, f"At the tier held then, points last {why['validity_months']} months."]
    if why.get("activation") and why.get("rule") == "purchase":
        told = [*told, f"They can be spent {_WAITS[why['activation']]}."]
    by = f"This follows from the rule “{why.get('rule', 'none')}”"
    by += f" of programme version {why['version']}" if "version" in why else ""
    return [*told, f"{by}; its cause is {cause}, and the ledger calls it {kind}."]


def moved(entry: Entry) -> str:
    """From where to where, as a sentence."""
    return f"{_points(entry.amount)} moved from {entry.debit} to {entry.credit}."


def later(entry_kind: str, points: int, at: str, cause: str) -> str:
    """What happened to points of a lot afterwards."""
    words = _LATER.get(entry_kind, entry_kind.replace("_", " "))
    return f"{_points(points)} of them {'was' if points == 1 else 'were'} {words} on {at[:10]} ({cause})."


_LATER = {
    "reserved": "reserved for a hold",
    "released": "given back from a hold",
    "spent": "spent",
    "expired": "lost by expiry",
    "repaid": "used to repay debt",
    "taken_back": "taken back with a refund",
    "rated_again": "put right when a standing became known",
    "award_taken_back": "taken back with an award",
    "task_taken_back": "taken back with a growth task",
    "given_back": "given back",
    "transferred_out": "sent to another member",
}


def _points(number: int) -> str:
    return f"{number:,} point{'' if number == 1 else 's'}"


def _money(minor: int, units: int) -> str:
    whole, rest = divmod(minor, units)
    return f"{whole:,}.{rest:0{len(str(units)) - 1}d}" if units > 1 else f"{whole:,}"


def _formula(why: Why) -> list[str]:
    units = int(why.get("minor_units", 1))
    told = []
    for part in why.get("parts", ()):
        money = _money(part["left_minor"], units)
        if part.get("excluded"):
            told.append(f"{money} of it is in categories that do not qualify and earns nothing.")
        else:
            told.append(f"{money} of it earns {part['rate']} points per unit of money.")
    if why.get("unallocated_minor"):
        told.append(
            f"{_money(why['unallocated_minor'], units)} was refunded without lines and is taken off every line alike."
        )
    if "multiplier" in why:
        told.append(
            f"The tier {why['tier']} multiplies by {why['multiplier']} (standing fact {why.get('ordinal', 0)})."
        )
    if "points" in why:
        told.append(f"Together, rounded down once at the end, that is {_points(why['points'])}.")
    if why.get("points_max_per_order") is not None:
        reached = why.get("points") == why["points_max_per_order"]
        told.append(
            f"An order earns at most {why['points_max_per_order']:,}{', which was reached' if reached else ''}."
        )
    if why.get("points") == 0:
        told.append("So it earned nothing.")
    return told


def _purchase(why: Why, order_id: str | None) -> list[str]:
    order = f"Order {order_id}" if order_id else "The order"
    return [f"{order} was of {_money(why['amount_minor'], why['minor_units'])}.", *_formula(why)]


def _refund(why: Why, order_id: str | None) -> list[str]:
    refunded = _money(why["refunded_minor"], why["minor_units"])
    return [
        f"By refund {why['refund_id']} {refunded} of order {order_id} has come back in all; it had earned "
        f"{_points(why['points_before'])}.",
        "What is left of it was rated again:", *_formula(why),
    ]  # fmt: skip


def _again(why: Why, order_id: str | None) -> list[str]:
    return [
        f"Order {order_id} was rated at {why['tier_before']} and had {_points(why['points_before'])}; then it became known that "
        f"standing fact {why['ordinal']} holds for it ({why.get('standing')} by {why.get('standing_cause')}).",
        *_formula(why),
    ]


def _campaign(why: Why, _order: str | None) -> list[str]:
    because = f" because {why['because']}" if why.get("because") else ""
    return [f"Campaign {why['campaign_id']} awards {_points(why['points'])} for {why['award_cause']}{because}."]


def _task(why: Why, _order: str | None) -> list[str]:
    told = f"{why['task_cause']} made a difference to growth task {why['task']}: {why['because']}."
    return [told, f"The task is worth {_points(why['points'])} now; before it was {why['points_before']:,}."]


def _sign_in(why: Why, _order: str | None) -> list[str]:
    if "points_per_day" not in why:
        return [f"The sign-in of {why['day']} earned nothing: there is {why['cap']}, and that day had one."]
    told = [f"The sign-in of {why['day']} earns {_points(why['points_per_day'])}."]
    told.append(
        f"It stands in a run of {why['run_days']} days in a row; {why['streaks_due']} full streaks are due in all."
    )
    if why.get("streaks_paid_now"):
        told.append(f"{why['streaks_paid_now']} of them paid now, {why['points_per_streak']:,} each.")
    return told


def _review(why: Why, _order: str | None) -> list[str]:
    told = [
        f"It was review {why['number_of_the_day']} of {why['day']}, with {why['photos']} photos, worth {_points(why['points_uncapped'])}.",
        f"At most {why['max_per_day']} reviews a day earn points.",
    ]
    return told if why["points"] else [*told, "So it earned nothing."]


def _join(why: Why, _order: str | None) -> list[str]:
    return [f"Joining {why['activity_id']} earns {_points(why['points'])}."]


def _expiry(why: Why, _order: str | None) -> list[str]:
    return [f"What was not spent by {why.get('as_of') or why.get('expires_at')} has expired."]


def _validity(why: Why, _order: str | None) -> list[str]:
    return [
        f"It became known that standing fact {why.get('ordinal')} holds for the activity that earned these {_points(why['points'])}.",
        f"At the tier {why['tier']} points last {why['validity_months']} months: until {why['expires_at']}, not {why['expired_before']}.",
    ]


def _came_back(why: Why, _order: str | None) -> list[str]:
    last = f"until {why['expires_at']}, not {why['expired_before']}"
    if "validity_months" not in why:
        return [
            f"These {_points(why['points'])} were away when the others earned with them were moved; they too last {last}."
        ]
    return [
        f"These {_points(why['points'])} were away, held or under way, when the tier became known that earned them.",
        f"At the tier {why['tier']} points last {why['validity_months']} months: {last}.",
    ]


_WAITS = {
    "event": "once the order is confirmed",
    "days_or_event": "once the order is confirmed, or when the waiting days have passed",
}


def _confirmation(why: Why, _order: str | None) -> list[str]:
    if "points" not in why:
        return [f"Order {why['order_id']} was confirmed, but {why['because']}."]
    return [
        f"Order {why['order_id']} was confirmed: {_points(why['points'])} that waited until {why['available_before']} can be spent from "
        f"{why['available_at']} on."
    ]


def _spending(why: Why, _order: str | None) -> list[str]:
    reason = f" for {why['reason']}" if why.get("reason") else ""
    return [f"{_points(why['points'])} were asked for{reason}; those that expire soonest went first."]


def _hold(why: Why, _order: str | None) -> list[str]:
    return [f"{_points(why['points'])} were reserved until {why['expires_at']}; those that expire soonest went first."]


def _capture(why: Why, _order: str | None) -> list[str]:
    return [f"Of {_points(why['held'])} held, {why['points']:,} were spent."]


def _release(why: Why, _order: str | None) -> list[str]:
    return [f"{_points(why['points'])} came back from a hold, because it was {why['because']}."]


def _return(why: Why, order_id: str | None) -> list[str]:
    return [
        f"{_points(why['points_spent'])} had been spent on order {order_id}; with {why['refunded_minor']} of {why['amount_minor']} "
        f"minor units refunded, that share of them has come back, {why['points_returned_before']:,} of it before."
    ]


def _plainly(why: Why, _order: str | None) -> list[str]:
    told = [f"{name.replace('_', ' ')} {value}" for name, value in why.items() if name not in {"rule", "version"}]
    return [f"What was looked at: {', '.join(told)}."] if told else []


_RULES: Mapping[str, Callable[[Why, str | None], list[str]]] = {
    "purchase": _purchase,
    "refund": _refund,
    "rated again": _again,
    "campaign": _campaign,
    "task": _task,
    "sign_in": _sign_in,
    "review": _review,
    "join": _join,
    "expiry": _expiry,
    "confirmation": _confirmation,
    "point validity": _validity,
    "validity of what came back": _came_back,
    "spending": _spending,
    "hold": _hold,
    "capture": _capture,
    "release": _release,
    "return of points spent": _return,
}
