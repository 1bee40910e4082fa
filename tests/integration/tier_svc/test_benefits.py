"""Benefits at the counter: what a member is told, what he uses and gives back, and what holds when many ask at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laurel_contracts.decisions import MemberErased, StandingOverridden
from tests.integration.tier_svc.counter import Counter, counter_of
from tests.integration.tier_svc.world import Log, NewWorld, purchase
from tests.unit.tier_svc.domain.ladders import reference_document
from tests.unit.tier_svc.domain.test_benefits import CATALOGUE
from tier_svc.domain.spans import span_of
from tier_svc.jobs import runs
from tier_svc.metrics import TierMetrics
from tier_svc.store import TierStore

ANNA, BORIS, CARLA, NOBODY = UUID(int=2), UUID(int=5), UUID(int=6), UUID(int=9)
NOON = datetime(2026, 5, 4, 4, tzinfo=UTC)  # 12:00 in Shanghai
KEY = "a-key-of-one-and-only-use"


def words(version: int = 1, **benefits: Any) -> dict[str, Any]:
    return reference_document() | {"version": version, "benefits": CATALOGUE | benefits}


@pytest.fixture
async def counter(new_world: NewWorld) -> AsyncIterator[Counter]:
    """Anna is gold since April, Boris silver, Carla has bought for 1.00."""
    world, log = await new_world(words()), Log()
    log.activate(words())
    log.tell(ANNA, purchase("a", 100_000), NOON - timedelta(days=20))
    log.tell(BORIS, purchase("b", 20_000), NOON - timedelta(days=10))
    log.tell(CARLA, purchase("c", 100), NOON - timedelta(days=10))
    await world.drink(log)
    async with counter_of(world, NOON) as opened:
        yield opened


async def test_a_member_is_told_what_applies_and_why_and_what_would_be_needed(counter: Counter) -> None:
    shown = await counter.get(f"/v1/members/{BORIS}/benefits")
    assert (shown["tier"], shown["programme_version"], shown["day"]) == ("silver", 1, "2026-05-04")
    items = {item["benefit_id"]: item for item in shown["items"]}
    assert [name for name, item in items.items() if item["applies"]] == ["price", "delivery"]
    assert items["price"]["percent_off"] == 10
    assert items["delivery"]["per_member"] == {
        "allowed": 2, "gone": 0, "left": 2, "since": "2026-05-01", "until": "2026-06-01",
    }  # fmt: skip
    assert items["desk"]["why"] == [
        {
            "asks": "tier",
            "holds": False,
            "says": "it is for gold, diamond; the member stands at silver",
            "needs": "gold",
        }
    ]
    # What is missing to gold, by the judge's own words.
    missing = {each["metric"]: each["missing"] for way in shown["next"] for each in way["all_of"]}
    assert missing == {"spend_total": 180_000, "spend_in_days(365)": 80_000}
    assert items["lasts"]["months"] is None
    assert (await counter.benefits(ANNA))["lasts"]["months"] == 24


async def test_as_of_an_earlier_instant_the_standing_and_the_uses_of_then_are_told(counter: Counter) -> None:
    await counter.used(ANNA, "delivery")
    before = await counter.benefits(ANNA, "2026-04-01T00:00:00Z")
    assert [name for name, item in before.items() if item["applies"]] == []
    assert (await counter.benefits(ANNA, "2026-05-04T03:59:59Z"))["delivery"]["per_member"]["left"] == 2
    assert (await counter.benefits(ANNA, "2026-05-04T04:00:00Z"))["delivery"]["per_member"]["left"] == 1


async def test_a_use_counts_until_it_is_given_back_once(counter: Counter) -> None:
    first = await counter.used(ANNA, "delivery", order_id="o-1")
    await counter.used(ANNA, "delivery")
    refused = await counter.refused(ANNA, "delivery")
    assert (refused["type"], refused["detail"]) == (
        "benefit_limit", "2 of 2 used in the month that begins on 2026-05-01",
    )  # fmt: skip
    back = await counter.give_back(first["use_id"])
    again = await counter.give_back(first["use_id"])
    assert (back.status_code, again.status_code, again.json()) == (200, 200, back.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await counter.benefits(ANNA))["delivery"]["per_member"]["left"] == 1
    await counter.used(ANNA, "delivery")
    assert (await counter.refused(ANNA, "delivery"))["type"] == "benefit_limit"
    counter.clock.at += timedelta(days=28)  # the first of June
    await counter.used(ANNA, "delivery")
    page = await counter.get(f"/v1/members/{ANNA}/benefit-uses?limit=3")
    assert [item["day"] for item in page["items"]] == ["2026-06-01", "2026-05-04", "2026-05-04"]
    rest = await counter.get(f"/v1/members/{ANNA}/benefit-uses?before={page['next']}")
    assert [(item["use_id"], item["order_id"], item["given_back_by"]) for item in rest["items"]] == [
        (first["use_id"], "o-1", "anna")
    ]
    assert await counter.get(f"/v1/benefit-uses/{first['use_id']}") == rest["items"][0]


async def test_the_same_key_uses_once_and_a_refusal_stays(counter: Counter) -> None:
    first, again = [await counter.use(ANNA, "preview", KEY) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await counter.use(ANNA, "delivery", KEY)
    assert (other.status_code, other.json()["type"]) == (422, "idempotency_key_reused")
    no = await counter.use(BORIS, "preview", KEY + "-2")
    assert (no.status_code, no.json()["type"]) == (409, "benefit_not_held")
    assert (await counter.use(BORIS, "preview", KEY + "-2")).content == no.content
    assert (await counter.benefits(ANNA))["preview"]["of_all"]["gone"] == 1


async def test_after_seven_days_a_key_is_used_and_not_replayed(counter: Counter) -> None:
    use = (await counter.use(ANNA, "desk", KEY)).json()
    counter.clock.at += timedelta(days=7, seconds=1)
    for _ in range(2):
        old = await counter.use(ANNA, "desk", KEY)
        assert (old.status_code, old.json()["type"]) == (409, "already_exists")
        assert old.json()["link"] == f"/v1/benefit-uses/{use['use_id']}"
        forget, _ = runs(counter.world.database, counter.world.open_store, counter.clock)
        await forget.run()  # drops the body; the key stays used
    (row,) = await counter.world.rows("SELECT body, (SELECT count(*) FROM benefit_use) AS uses FROM idempotency")
    assert (row.body, row.uses) == (None, 1)


IMPOSSIBLE: list[tuple[str, str, Any, int, str]] = [
    ("POST", f"/v1/members/{NOBODY}/benefit-uses", {"benefit_id": "price"}, 404, "unknown_member"),
    ("POST", f"/v1/members/{ANNA}/benefit-uses", {"benefit_id": "sauna"}, 404, "benefit_unknown"),
    ("POST", f"/v1/members/{ANNA}/benefit-uses", {"benefit_id": "a b"}, 422, "invalid"),
    ("POST", f"/v1/members/{ANNA}/benefit-uses", {"benefit_id": 7}, 422, "invalid"),
    ("POST", f"/v1/members/{ANNA}/benefit-uses", {"benefit_id": "price", "more": 1}, 422, "invalid"),
    ("POST", f"/v1/members/{ANNA}/benefit-uses", {"benefit_id": "price", "order_id": "\x00"}, 422, "invalid"),
    ("POST", "/v1/members/anna/benefit-uses", {"benefit_id": "price"}, 422, "invalid"),
    ("POST", f"/v1/benefit-uses/{NOBODY}/give-back", {"actor": "anna"}, 404, "benefit_use_unknown"),
    ("POST", f"/v1/benefit-uses/{NOBODY}/give-back", {}, 422, "invalid"),
    ("PUT", f"/v1/members/{NOBODY}/profile", {"pack": "family"}, 404, "unknown_member"),
    ("PUT", f"/v1/members/{ANNA}/profile", {"pack": "sport"}, 422, "pack_unknown"),
    ("PUT", f"/v1/members/{ANNA}/profile", {"birthday": "02-30"}, 422, "invalid"),
    ("PUT", f"/v1/members/{ANNA}/profile", {"birthday": "1-5"}, 422, "invalid"),
    ("PUT", f"/v1/members/{ANNA}/profile", {"birthday": "W01-1"}, 422, "invalid"),  # 2000-W01-1 is a day, by weeks
    ("PUT", f"/v1/members/{ANNA}/profile", {"birthday": "1990-01-05"}, 422, "invalid"),
    ("PUT", f"/v1/members/{ANNA}/profile", {"birthday": "01-05", "actor": "anna"}, 422, "invalid"),
]


async def test_what_cannot_be_asked_is_refused_and_uses_up_no_key(counter: Counter) -> None:
    for method, path, body, status, type in IMPOSSIBLE:
        answer = await counter.send(method, path, body, KEY)
        assert (answer.status_code, answer.json()["type"]) == (status, type), (path, body)
        bare = await counter.client.request(method, path, json=body)
        assert bare.status_code in (400, 422), (path, body)
    assert await counter.world.rows("SELECT 1 FROM idempotency") == []
    assert await counter.world.rows("SELECT 1 FROM benefit_use") == []


async def test_what_no_calendar_knows_is_refused(counter: Counter) -> None:
    for path in (
        f"/v1/members/{ANNA}/benefits?at=0",
        f"/v1/members/{ANNA}/benefits?at=0001-01-01T00:00:00Z",
        f"/v1/members/{ANNA}/benefits?at=9999-12-31T23:59:59Z",
        "/v1/benefits/usage?since=2026-05-04&until=2026-05-04",
        "/v1/benefits/usage?since=tomorrow",
        "/v1/benefits/usage?until=0",
    ):
        assert (await counter.get(path, 422))["type"] == "invalid"


async def test_a_pack_is_chosen_and_a_birthday_is_told_once(counter: Counter) -> None:
    assert (await counter.chooses(BORIS, pack="family", birthday="05-11")).status_code == 200
    held = await counter.benefits(BORIS)
    assert [name for name, item in held.items() if item["applies"]] == ["family-price", "delivery", "gift"]
    assert held["price"]["why"][-1]["says"] == "family-price gives as much or more (25)"
    assert (await counter.used(BORIS, "gift"))["gives"] == "cake"
    assert (await counter.refused(BORIS, "gift"))["type"] == "benefit_limit"
    moved = await counter.chooses(BORIS, pack="fashion", birthday="06-11")
    assert (moved.status_code, moved.json()["type"]) == (409, "birthday_stands")
    assert (await counter.chooses(BORIS, pack="fashion")).status_code == 409  # nor is it forgotten by leaving it out
    by_staff = await counter.chooses(BORIS, birthday="06-11", actor="anna", reason="passport seen")
    assert by_staff.json() == {"member_id": str(BORIS), "pack": None, "birthday": "06-11"}
    assert await counter.get(f"/v1/members/{BORIS}/profile") == by_staff.json()


async def test_who_is_erased_leaves_no_birthday_behind(counter: Counter) -> None:
    await counter.chooses(BORIS, birthday="05-11")
    log = Log()
    log.activate(words())
    log.tell(BORIS, purchase("b", 20_000), NOON - timedelta(days=10))
    log.tell(BORIS, MemberErased(), NOON)
    await counter.world.rows("SELECT 1")
    world = counter.world
    await world.drink_in([_behind(log.records[0][-1])])
    assert await world.rows("SELECT 1 FROM profile WHERE member_id = :member", member=BORIS) == []


def _behind(record: Any) -> list[Any]:
    """The record at the offset that comes next in the counter's log: one activation and three purchases lie before it."""
    return [type(record)(record.topic, record.partition, 4, record.key, record.value, record.headers)]


async def test_a_new_version_adjusts_benefits_without_touching_anybody(counter: Counter) -> None:
    """Dynamic adjustment (权益动态调整): uses made before count against the new limit; what is gone cannot be used."""
    for _ in range(2):
        await counter.used(ANNA, "delivery")
    second = words(2, catalogue=[
        {"id": "delivery", "kind": "free_delivery", "from_tier": "gold", "limits": {"per_member": 3, "per": "year"}},
    ])  # fmt: skip
    await counter.world.load(second)
    log = Log()
    log.activate(words())
    log.activate(second, NOON + timedelta(hours=1))
    record = log.records[0][-1]
    await counter.world.drink_in([_behind(record)])
    assert (await counter.refused(ANNA, "delivery"))["type"] == "benefit_limit"  # version 1 until the hour
    counter.clock.at += timedelta(hours=1)
    held = await counter.benefits(ANNA)
    assert held["delivery"]["per_member"]["left"] == 1
    assert list(held) == ["delivery", "member-price"]
    assert (await counter.use(ANNA, "preview")).status_code == 404
    await counter.used(ANNA, "delivery")
    assert (await counter.refused(ANNA, "delivery"))["type"] == "benefit_limit"
    assert (await counter.refused(BORIS, "delivery"))["type"] == "benefit_not_held"


async def test_the_tier_that_applies_has_the_benefits_as_long_as_it_lies_on_top(new_world: NewWorld) -> None:
    world, log = await new_world(words()), Log()
    log.activate(words())
    log.tell(BORIS, purchase("b", 20_000), NOON - timedelta(days=10))
    since, until = NOON - timedelta(days=2), NOON + timedelta(days=2)
    vip = StandingOverridden(tier="gold", since=since, until=until, mode="floor", reason="a good year", actor="staff-7")
    log.tell(BORIS, vip, NOON - timedelta(days=1))
    await world.drink(log)
    async with counter_of(world, NOON) as counter:
        assert (await counter.get(f"/v1/members/{BORIS}/benefits"))["tier"] == "gold"
        assert (await counter.used(BORIS, "desk"))["tier"] == "gold"
        usage = await counter.get("/v1/benefits/usage?since=2026-05-01&until=2026-06-01")
        told = {(each["benefit_id"], each["tier"]): (each["entitled"], each["users"]) for each in usage["items"]}
        assert (told["desk", "gold"], told["price", "silver"]) == ((1, 1), (0, 0))
        before = (NOON - timedelta(days=3)).isoformat().replace("+00:00", "Z")
        assert (await counter.get(f"/v1/members/{BORIS}/benefits?at={before}"))["tier"] == "silver"


async def test_the_usage_rate_is_told_per_benefit_and_tier(counter: Counter) -> None:
    for member, benefit in ((ANNA, "delivery"), (ANNA, "delivery"), (ANNA, "desk"), (BORIS, "price")):
        await counter.used(member, benefit)
    gone = await counter.used(BORIS, "delivery")
    await counter.give_back(gone["use_id"])
    usage = await counter.get("/v1/benefits/usage?since=2026-05-01&until=2026-06-01")
    told = {(each["benefit_id"], each["tier"]): each for each in usage["items"]}
    figures = {
        key: (each["entitled"], each["users"], each["rate"], each["uses"], each["given_back"])
        for key, each in told.items()
        if each["entitled"] and each["benefit_id"] in ("delivery", "desk", "price", "family-price")
    }
    assert figures == {
        ("price", "silver"): (1, 1, 10_000, 1, 0),
        ("price", "gold"): (1, 0, 0, 0, 0),
        ("delivery", "silver"): (1, 0, 0, 0, 1),
        ("delivery", "gold"): (1, 1, 10_000, 2, 0),
        ("desk", "gold"): (1, 1, 10_000, 1, 0),
    }
    assert told["desk", "diamond"]["rate"] is None
    metrics = TierMetrics()
    world = counter.world

    def open_store(tx: Any) -> TierStore:
        return TierStore(tx, world.shelf, metrics=metrics)

    _, measure = runs(world.database, open_store, counter.clock)
    await measure.run()
    gauges = [metrics.benefit_members.labels("delivery", "gold", which)._value.get() for which in ("entitled", "users")]
    assert gauges == [1, 1]
    earlier = await counter.get("/v1/benefits/usage?since=2026-04-01&until=2026-05-01")
    assert all(each["users"] == 0 for each in earlier["items"])
    catalogue = await counter.get("/v1/benefits")
    assert catalogue["items"][0]["values"] == {"silver": 10, "gold": 20, "diamond": 30}


@pytest.mark.long
async def test_three_thousand_seats_and_nine_thousand_who_want_one(new_world: NewWorld) -> None:
    """INVARIANT, at size: a total of 3,000 claimed by 9,000 members gives 3,000."""
    document = reference_document() | {
        "benefits": {"catalogue": [{"id": "seat", "kind": "other", "limits": {"total": 3_000, "per_member": 1}}]}
    }
    world, log = await new_world(document), Log()
    log.activate(document)
    members = [UUID(int=n + 1) for n in range(9_000)]
    for member in members:
        log.tell(member, purchase(f"o{member.int}", 100), NOON - timedelta(days=1))
    await world.drink(log)
    async with counter_of(world, NOON) as counter:
        answers = await asyncio.gather(*(counter.use(member, "seat") for member in members))
    assert sum(answer.status_code == 201 for answer in answers) == 3_000
    assert await _live(world) == (3_000, 3_000)


SCARCE = {
    "catalogue": [
        {"id": "seat", "kind": "birthday_event", "limits": {"total": 20, "per_member": 2}},
        {"id": "none", "kind": "other", "limits": {"total": 0}},
    ]
}


async def test_what_is_scarce_is_never_oversold_by_many_at_once(new_world: NewWorld) -> None:
    """INVARIANT: of a total of 20, claimed 96 times at once by 24 members who may have 2 each, exactly 20 are had, nobody has 3, and what
    is given back can be had again, once. A read before the write, or a count without the member's lock, would break it."""
    document = reference_document() | {"benefits": SCARCE}
    world, log = await new_world(document), Log()
    log.activate(document)
    members = [UUID(int=n + 1) for n in range(24)]
    for member in members:
        log.tell(member, purchase(f"o{member.int}", 100), NOON - timedelta(days=1))
    await world.drink(log)
    async with counter_of(world, NOON) as counter:
        answers = await asyncio.gather(*(counter.use(member, "seat") for member in members for _ in range(4)))
        had = [answer.json() for answer in answers if answer.status_code == 201]
        refusals = {answer.json()["type"] for answer in answers if answer.status_code != 201}
        assert len(had) == 20
        assert "benefit_sold_out" in refusals <= {"benefit_sold_out", "benefit_limit"}
        assert await _live(world) == (20, 20)
        await asyncio.gather(*(counter.give_back(use["use_id"]) for use in had[:5] for _ in range(3)))
        assert await _live(world) == (15, 15)
        again = await asyncio.gather(*(counter.use(member, "seat") for member in members for _ in range(2)))
        assert sum(answer.status_code == 201 for answer in again) == 5
        assert await _live(world) == (20, 20)
        assert (await counter.refused(members[0], "none"))["type"] == "benefit_sold_out"
    most = await world.rows(
        "SELECT count(*) AS uses FROM benefit_use WHERE given_back_at IS NULL GROUP BY member_id ORDER BY 1 DESC LIMIT 1"
    )
    assert most[0].uses <= 2


async def _live(world: Any) -> tuple[int, int]:
    """Live uses, and what the stock says is taken."""
    (row,) = await world.rows("""
        SELECT (SELECT count(*) FROM benefit_use WHERE given_back_at IS NULL) AS live,
               (SELECT COALESCE(sum(taken), 0) FROM benefit_stock) AS taken
    """)
    return row.live, int(row.taken)


async def test_one_key_in_many_hands_uses_once(counter: Counter) -> None:
    """INVARIANT: however many send the same request under one key at the same time, it is done once."""
    answers = await asyncio.gather(*(counter.use(ANNA, "delivery", KEY) for _ in range(12)))
    bodies = {answer.content for answer in answers if answer.status_code == 201}
    assert len(bodies) == 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert (await counter.benefits(ANNA))["delivery"]["per_member"]["gone"] == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["use", "use", "use", "back"]), st.integers(0, 2), st.integers(0, 40)),
    min_size=5, max_size=25,
)  # fmt: skip


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(per=st.sampled_from(["day", "week", "month", None]), steps=STEPS)
async def test_uses_never_exceed_a_limit(
    new_world: NewWorld, per: str | None, steps: list[tuple[str, int, int]]
) -> None:
    """INVARIANT: whatever is used and given back over whatever days, in no span do live uses exceed the member's limit or the total, and a
    refusal is right. A limit that counts given-back uses, or a span that begins on the wrong day, would break it."""
    limits: dict[str, Any] = {"per_member": 2, "total": 3}
    if per is not None:
        limits |= {"per": per, "total_per": per}
    document = reference_document() | {"benefits": {"catalogue": [{"id": "it", "kind": "other", "limits": limits}]}}
    world, log = await new_world(document), Log()
    log.activate(document)
    members = [UUID(int=n + 1) for n in range(3)]
    for member in members:
        log.tell(member, purchase(f"o{member.int}", 100), NOON)
    await world.drink(log)
    live: dict[str, tuple[UUID, date]] = {}
    async with counter_of(world, NOON) as counter:
        for what, which, hours in steps:
            counter.clock.at += timedelta(hours=hours)
            member, day = members[which], log.calendar.day_of(counter.clock.at)
            if what == "back":
                if live:
                    use_id = sorted(live)[which % len(live)]
                    del live[use_id]
                    assert (await counter.give_back(use_id)).status_code == 200
                continue
            span = span_of(per, day)
            gone = [who for who, on in live.values() if on in span]
            answer = await counter.use(member, "it")
            allowed = gone.count(member) < 2 and len(gone) < 3
            assert (answer.status_code == 201) == allowed, answer.text
            if allowed:
                live[answer.json()["use_id"]] = (member, day)
