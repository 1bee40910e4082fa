"""Confirmations of orders at the door: once per order, of the order's member, and waiting for an order that has not come."""

from __future__ import annotations

from typing import Any

from tests.integration.member_svc.world import World, verdicts


def confirmation(world: World, order_id: Any, **data: Any) -> dict[str, Any]:
    report = world.refund("o-1", "r-1", 1)
    return report | {"type": "laurel.order.confirmed.v1", "data": {"order_id": order_id} | data}


async def test_a_confirmation_belongs_to_the_member_of_its_order_and_counts_once(world: World) -> None:
    """INVARIANT: one number per order, whatever identifier, channel or id the confirmation comes under."""
    await world.take(world.purchase("o-1", 500, phone="1"), world.sign_in("2"))
    first = confirmation(world, "o-1", identifier={"kind": "phone", "value": "2"})
    outcomes = await world.take(first, first, confirmation(world, "o-1"))
    assert verdicts(outcomes) == ["accepted", "duplicate", "duplicate"]
    assert outcomes[0].member_id == await world.member_of("1")
    assert verdicts(await world.take(first | {"data": {"order_id": "o-2"}}))[0].startswith("conflict")


async def test_it_waits_without_a_number_until_its_order_comes(world: World) -> None:
    early = confirmation(world, "o-9")
    assert verdicts(await world.take(early)) == ["waiting"]
    (outcome,) = await world.take(world.purchase("o-9", 500))
    assert outcome.member_seq == 1
    said = [(event.memberseq, event.type, event.id) for event in await world.said() if event.subject]
    assert said[1] == (2, "laurel.order.confirmed.v1", early["id"])
    assert verdicts(await world.take(early)) == ["duplicate"]


async def test_malformed_ones_are_refused_with_the_place_and_cost_no_number(world: World) -> None:
    good = confirmation(world, "o-1")
    await world.take(world.purchase("o-1", 500))
    bad = [good | {"id": f"bad-{n}", "data": data} for n, data in enumerate(({}, {"order_id": 7}, {"order_id": ""}))]
    outcomes = await world.take(*bad, good)
    assert [verdict.split(":")[0] for verdict in verdicts(outcomes)] == ["refused", "refused", "refused", "accepted"]
    assert outcomes[-1].member_seq == 2
