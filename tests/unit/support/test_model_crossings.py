"""The part of the independent model that crosses between members: worked examples, and beside the other model that was written for the same
rules (tests/support/model_between.py), so that two readings of domain.md 3.2 must agree before a service is measured by either."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_OID, UUID, uuid5

import pytest

from tests.support.complete_journey import CURRENCY, ZONE, Basket, load_baskets
from tests.support.crossing_histories import Between
from tests.support.histories import Mix, history
from tests.support.model_between import Neighbours
from tests.support.model_door import Outcome, Report
from tests.support.model_events import Event, Other, Purchase, Refund, Registered
from tests.support.model_programme import reference_programme
from tests.support.model_till import AT_A_TILL, DONE
from tests.support.model_world import World
from tests.support.pausing import Pauses
from tests.support.reports import purchase_report, refund_report, share_report

SEED = 31
HOUSEHOLDS = range(1, 10)
OFTEN = Between(follows=0.1, gives=0.05, holds=0.05, brought=0.8)
START = datetime(2025, 3, 3, 4, tzinfo=UTC)


def day(number: float) -> str:
    return (START + timedelta(days=number)).isoformat()


def card(name: str) -> dict[str, str]:
    return {"kind": "card", "value": name}


def bought(order: str, name: str, at: float, share: str | None = None, amount: int = 10_000) -> Report:
    report = purchase_report("web", order, day(at), name, order, [amount])
    return report | {"data": report["data"] | {"share_id": share}} if share else report


def shared(name: str, share: str, at: float) -> Report:
    return share_report("app", share, day(at), name, share, "sku")


def back(order: str, at: float, amount: int = 10_000) -> Report:
    return refund_report("desk", f"r-{order}-{at}", day(at), order, f"r-{at}", amount)


def registered(name: str, at: float, by: str | None = None) -> Report:
    command: Report = {"command": "register", "identifier": card(name), "time": day(at)}
    return command | ({"referrer": card(by)} if by else {})


def closed(at: float) -> Report:
    return {"command": "day.close", "as_of": day(at)}


def points(*told: Report) -> dict[str, int]:
    """What everybody has after that."""
    world = World(reference_programme())
    for one in told:
        world.tell(one)
    return {
        name: world.member(card(name)).ledger.balance for name in ("anna", "boris") if world.door.member_of(card(name))
    }


BRING = [registered("anna", 0), registered("boris", 0, "anna")]
CASES: dict[str, tuple[list[Report], dict[str, int]]] = {
    "a share that is followed": ([shared("anna", "s", 0), bought("o", "boris", 1, "s")], {"anna": 50, "boris": 100}),
    "a purchase that waits for its share": ([bought("o", "boris", 0, "s"), shared("anna", "s", 30)], {"anna": 50, "boris": 100}),
    "a share that comes too late": ([bought("o", "boris", 0, "s"), shared("anna", "s", 30.1)], {"anna": 0, "boris": 100}),
    "one's own purchase": ([shared("anna", "s", 0), bought("o", "anna", 1, "s")], {"anna": 100}),
    "a purchase of 0": ([shared("anna", "s", 0), bought("o", "boris", 1, "s", 0)], {"anna": 0, "boris": 0}),
    "refunded in part": ([shared("anna", "s", 0), bought("o", "boris", 1, "s"), back("o", 2, 9_999)], {"anna": 50, "boris": 0}),
    "refunded whole": ([shared("anna", "s", 0), bought("o", "boris", 1, "s"), back("o", 2)], {"anna": 0, "boris": 0}),
    "refunded before the share": ([bought("o", "boris", 0, "s"), back("o", 1), shared("anna", "s", 2)], {"anna": 0, "boris": 0}),
    "followed once": (
        [shared("anna", "s", 0), bought("o", "boris", 1, "s"), back("o", 2), bought("p", "boris", 3, "s")],
        {"anna": 0, "boris": 100},
    ),
    "a friend in the window": ([*BRING, bought("o", "boris", 0), closed(13)], {"anna": 0, "boris": 100}),
    "a friend": ([*BRING, bought("o", "boris", 0), closed(14)], {"anna": 200, "boris": 200}),
    "a friend who brings all back": ([*BRING, bought("o", "boris", 0), back("o", 13), closed(20)], {"anna": 0, "boris": 0}),
    "a friend who brings all back behind the window": (
        [*BRING, bought("o", "boris", 0), back("o", 14)], {"anna": 200, "boris": 100},
    ),
    "a friend whose second purchase stays": (
        [*BRING, bought("o", "boris", 0), bought("p", "boris", 1), back("o", 2), closed(14), closed(15)],
        {"anna": 200, "boris": 200},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_worked_example(name: str) -> None:
    told, wanted = CASES[name]
    assert points(*told) == wanted


def test_the_caps_of_a_month_leave_the_rest_nothing() -> None:
    told = [registered("anna", 0)]
    for number in range(12):
        told += [registered(f"f{number}", 0, "anna"), bought(f"o{number}", f"f{number}", 0.1)]
        told += [shared("anna", f"s{number}", 0.2), bought(f"p{number}", f"f{number}", 0.3, f"s{number}")]
    assert points(*told, closed(15)) == {"anna": 10 * 200 + 5 * 50}


@pytest.fixture(scope="module")
def baskets() -> list[Basket]:
    """Those of a few households; read once, because all there are must be gone through for them."""
    return load_baskets(households=HOUSEHOLDS)


def lived(baskets: list[Basket]) -> tuple[World, list[tuple[Report, Outcome]], Pauses]:
    told = history(baskets, SEED, Mix(), between=OFTEN)
    world = World(reference_programme(CURRENCY, str(ZONE)))
    pauses, outcomes = Pauses(world), []
    for one in told:
        outcomes.append((one, world.tell(one)))
        pauses.needed(*outcomes[-1])
    return world, outcomes, pauses


def test_a_seeded_history_meets_everything_and_agrees_with_the_other_model(baskets: list[Basket]) -> None:
    """Broken by a history in which nothing crosses, and by either model where the other one is right."""
    world, outcomes, pauses = lived(baskets)
    other = Neighbours(ZONE)
    for said, outcome in outcomes:
        if said.get("command") == "day.close" and outcome.status == "accepted":
            other.day_closed(0, datetime.fromisoformat(said["as_of"]))
        for name, event in outcome.numbered:
            tell_the_other(other, _id(name), event)
    referrals = {(_id(referrer), _id(name)) for name, referrer in paid(world).items()}
    assert {(referrer, friend) for referrer, friend, _ in other.referrals()} == referrals
    several = {share for share, found in world.crossings.carrying.items() if len({one.buyer for one in found}) > 1}
    followed = {
        share: one.order.purchase.order_id for share, one in world.crossings.followed.items() if share not in several
    }
    assert {share: one.order_id for share, one in other.followed().items() if share not in several} == followed
    assert {"followed", "undone", "referral"} <= world.crossings.seen.keys()
    asked = Counter(
        f"{said['command']} {outcome.reason}" for said, outcome in outcomes if said.get("command") in AT_A_TILL
    )
    assert {f"{command} {DONE}" for command in AT_A_TILL} <= asked.keys()
    assert 0 < pauses.rests < len(outcomes) // 10


def paid(world: World) -> dict[str, str]:
    """Whoever named a referrer and has been paid for, with the referrer."""
    waiting = world.crossings.referrers.keys()
    return {name: referrer for name, referrer in world.crossings.brought_by.items() if name not in waiting}


def tell_the_other(other: Neighbours, member: UUID, event: Event) -> None:
    match event:
        case Registered(referrer=referrer):
            other.registered(member, 0, event.time, _id(referrer) if referrer else None)
        case Purchase(order_id=order, share_id=share):
            other.buys(member, 0, event.time, order, sum(line.amount_minor for line in event.lines), share)
        case Refund(order_id=order):
            amount = sum(part for _, part in event.lines) or event.amount_minor
            other.refunds(member, 0, event.time, order, amount)
        case Other(kind="shared", share_id=str(share)):
            other.shared(member, 0, event.time, share)
        case _:
            other.arrives(member, 0, event.time)


def _id(name: str) -> UUID:
    return uuid5(NAMESPACE_OID, name)


def test_what_a_household_does_by_itself_stays_what_it_was(baskets: list[Basket]) -> None:
    some = [basket for basket in baskets if basket.household_id <= 3]
    alone = history(some, SEED, Mix())
    crossed = history(some, SEED, Mix(), between=OFTEN)
    plain = [
        {**one, "data": {**one["data"], "share_id": None}} if "share_id" in one.get("data", {}) else one
        for one in crossed
    ]
    own = {one["id"] for one in alone if "id" in one}
    assert [one["id"] for one in plain if one.get("id") in own] == [one["id"] for one in alone if "id" in one]
    assert history(some, SEED, Mix(), between=OFTEN) == crossed
