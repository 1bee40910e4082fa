"""Programme versions at the door (domain.md 6)."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
import yaml

from member_svc.domain import refusals
from member_svc.domain.refusals import Refused
from member_svc.handlers.publish_programme import READERS, activate_programme, read_programme, store_programme
from member_svc.store import MemberStore
from tests.integration.member_svc.world import PARTITIONS, REFERENCE, World, verdicts


def document(version: int = 1, **changes: Any) -> bytes:
    return json.dumps(yaml.safe_load(REFERENCE.read_text(encoding="utf-8")) | {"version": version} | changes).encode()


async def publish(world: World, body: bytes, version: int = 1) -> str:
    return await world.change(lambda store: store_programme(read_programme(body, version), store))


async def refusal(work: Any) -> str:
    with pytest.raises(Refused) as refused:
        await work
    return refused.value.reason


async def test_published_bytes_never_change(bare_world: World) -> None:
    assert await publish(bare_world, document()) == await publish(bare_world, document())
    assert await refusal(publish(bare_world, document(currency="EUR"))) == refusals.OTHER_PROGRAMME


@pytest.mark.parametrize("body", [b"{", document(2), document(zone="Nowhere/Here"), document(misspelt=1)])
async def test_an_unusable_document_is_refused(bare_world: World, body: bytes) -> None:
    assert await refusal(publish(bare_world, body)) == refusals.UNUSABLE_PROGRAMME


async def test_a_version_is_activated_when_all_four_have_loaded_the_same(bare_world: World) -> None:
    world = bare_world
    sha256 = await publish(world, document())

    async def activate() -> Any:
        return await world.change(lambda store: activate_programme(1, None, store))

    assert await refusal(activate()) == refusals.NOT_LOADED
    await world.change(lambda store: store.programmes.note_loaded([(name, 1, sha256) for name in READERS[1:]]))
    await world.change(lambda store: store.programmes.note_loaded([(READERS[0], 1, "another")]))
    assert await refusal(activate()) == refusals.NOT_LOADED
    await world.change(lambda store: store.programmes.note_loaded([(READERS[0], 1, sha256)]))
    assert await activate() is None  # from the beginning
    assert await activate() is None  # again: nothing happens
    said = await world.said()
    assert [(event.type, event.data) for event in said] == [
        ("laurel.programme.activated.v1", {"version": 1, "sha256": sha256})
    ] * PARTITIONS


async def test_a_later_version_is_not_in_force_in_the_past(world: World) -> None:
    assert await refusal(world.put_in_force(2, world.now - timedelta(seconds=1))) == refusals.IN_THE_PAST
    await world.put_in_force(3)  # from now on
    assert [str(since) for (since,) in await world.rows("SELECT effective_from FROM activation ORDER BY version")] == [
        "None",
        str(world.now),
    ]


async def test_nobody_in_the_door_stamps_a_version_that_is_no_longer_in_force(world: World) -> None:
    """An activation waits for open requests, and requests wait for an open activation."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def stay_in_the_door(store: MemberStore) -> None:
        await store.programmes.enter_gate()
        entered.set()
        await leave.wait()

    visitor = asyncio.create_task(world.change(stay_in_the_door))
    await entered.wait()
    activation = asyncio.create_task(world.put_in_force(2, zone="Asia/Shanghai"))
    report = asyncio.create_task(world.take(world.sign_in(time=world.now.isoformat())))
    await world.until_locked_out(activation)
    assert not activation.done()
    leave.set()
    await asyncio.gather(visitor, activation, report)
    assert verdicts(report.result()) == ["accepted"]
    order = [(event.type, event.programmeversion) for event in await world.said() if event.programmeversion == 2]
    if ("laurel.member.signed-in.v1", 2) in order:
        assert order[0][0] == "laurel.programme.activated.v1"
