"""The real shop beside the independent model: what differs, as sentences. An empty list is the promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tests.support.model import Member
from tests.support.model_till import AT_A_TILL
from tests.support.model_world import World
from tests.support.shop import Report, Shop


def gathered(history: Iterable[Report], *, clock: str, every_closings: int) -> list[Report]:
    """The same history with what is asked for at a till gathered behind every so many closed days, because it must find everything
    before it settled; all at the shop's own `clock`, and without what happens after that."""
    told: list[Report] = []
    spendings: list[Report] = []
    closed = 0
    last = datetime.fromisoformat(clock)
    for item in history:
        if "time" in item and datetime.fromisoformat(item["time"]) > last:
            continue  # the door would refuse it as not yet happened
        if item.get("command") in AT_A_TILL:
            spendings.append(item | {"at": clock})
            continue
        told.append(item)
        if item.get("command") == "day.close":
            closed += 1
            if closed % every_closings == 0:
                told += spendings
                spendings = []
    return told + spendings


def by_identifier(world: World) -> dict[str, Member]:
    """The model's members by the value of their identifier."""
    return {value: world.members[name] for (_, value), name in world.door.identifiers.items() if name in world.members}


def instant(text: str | None) -> datetime | None:
    """An instant as the services write it."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def differences(world: World, shop: Shop, *, awards: bool = False) -> list[str]:
    """Every member's standing, net points per order, lots and debt: what is not equal."""
    expected = by_identifier(world)
    found = Found(shop, awards=awards)
    problems = [f"{name}: only in the shop" for name in found.standings.keys() - expected.keys()]
    for name, member in sorted(expected.items()):
        problems += [f"{name}: {problem}" for problem in _of_member(member, found, name)]
        if awards:
            problems += [f"{name}: {problem}" for problem in _awards(member, found, name)]
    return problems


class Found:
    """What the services answer, read once."""

    def __init__(self, shop: Shop, *, awards: bool) -> None:
        self.standings = shop.standings()
        self.balances = shop.balances()
        self.orders = shop.orders()
        self.lots = shop.lots()
        self.awards = shop.awards() if awards else {}


def _of_member(member: Member, found: Found, name: str) -> Iterable[str]:
    standing = found.standings.get(name)
    if standing is None:
        yield "tier-svc does not know the member"
        return
    wanted = (member.tier_name, member.standing.until)
    if (standing["tier"], instant(standing["until"])) != wanted:
        yield f"stands at {standing}, the model says {wanted}"
    net = {order: points for order, points in member.net_points().items() if points}
    earned = {order: points for order, points in found.orders.get(name, {}).items() if points}
    for order in sorted(net.keys() | earned.keys()):
        if net.get(order, 0) != earned.get(order, 0):
            yield f"order {order} earned {earned.get(order, 0)}, the model says {net.get(order, 0)}"
    balance = found.balances.get(name, {"debt": 0, "posted": 0})
    if balance["debt"] != member.debt:
        yield f"debt {balance['debt']}, the model says {member.debt}"
    wanted_lots: Counter[tuple[datetime | None, int]] = Counter(
        (lot.expires_at, lot.remaining) for lot in member.lots if lot.remaining
    )
    lots: Counter[tuple[datetime | None, int]] = Counter(
        (instant(lot["expires_at"]), lot["remaining"]) for lot in found.lots.get(name, []) if lot["remaining"]
    )
    if lots != wanted_lots:
        yield f"lots {sorted((lots - wanted_lots).items(), key=str)}, the model says {sorted((wanted_lots - lots).items(), key=str)}"
    if (balance["posted"], balance.get("held", 0)) != (member.ledger.posted, member.ledger.held):
        yield f"{balance}, the model says posted {member.ledger.posted}, held {member.ledger.held}"


def _awards(member: Member, found: Found, name: str) -> Iterable[str]:
    standing = [award for award in found.awards.get(name, []) if not award.get("taken_back")]
    points = Counter(award["points"] for award in standing if award["kind"] == "points")
    wanted = Counter(points for points in member.awards().values() if points)
    if points != wanted:
        yield f"awards {points}, the model says {wanted}"
    coupons = sum(award["kind"] == "coupon" for award in standing)
    if coupons != len(member.upgrade_coupons()):
        yield f"{coupons} coupons, the model says {member.upgrade_coupons()}"


def spendings_differ(world: World, shop: Shop) -> list[str]:
    """What was asked for at a till and answered otherwise than the model answers it."""
    pairs = zip(world.till.words, shop.till.words, strict=True)
    return [f"{command}: {word}, the model says {wanted}" for wanted, (command, word) in pairs if word != wanted]


def statuses_differ(world: World, shop: Shop) -> list[str]:
    """Members whose status at member-svc, one row heard from three services, is not what the model says."""
    statuses, problems = shop.statuses(), []
    for name, member in sorted(by_identifier(world).items()):
        found, ledger = statuses[name], member.ledger
        shown = (found["tier"], found["posted"], found["held"], found["debt"], found["state"] == "active")
        wanted = (member.tier_name, ledger.posted, ledger.held, ledger.debt, not member.provisional)
        if shown != wanted:
            problems.append(f"{name}: its status says {shown}, the model {wanted}")
    return problems


def state(shop: Shop, as_of: str) -> dict[str, Any]:
    """What must be equal however fast each service was (domain.md 3.1): standings, in clubs too, tasks done, benefits as of an instant, net
    points per order and per award, lots, debt."""
    found = Found(shop, awards=True)
    return {
        "standings": {name: (item["tier"], item["since"], item["until"]) for name, item in found.standings.items()},
        "orders": found.orders,
        "debt": {name: item["debt"] for name, item in found.balances.items()},
        "lots": {
            name: sorted((lot["expires_at"], lot["remaining"]) for lot in lots) for name, lots in found.lots.items()
        },
        "awards": {
            name: sorted((award["campaign_id"], award["points"], bool(award.get("taken_back"))) for award in awards)
            for name, awards in found.awards.items()
        },
        "clubs": shop.of_tiers("clubs"),
        "tasks": {name: tasks["done"] for name, tasks in shop.of_tiers("tasks").items()},
        "benefits": {
            name: [(item["benefit_id"], item["applies"], item["percent_off"]) for item in held["items"]]
            for name, held in shop.of_tiers("benefits", at=as_of).items()
        },
    }


def states_differ(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Where two states are not equal, a line per member and part."""
    return [
        f"{part} of {name}: {one[part].get(name)} and {other[part].get(name)}"
        for part in one
        for name in sorted(one[part].keys() | other[part].keys())
        if one[part].get(name) != other[part].get(name)
    ]
