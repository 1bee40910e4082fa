"""A broken invariant freezes the account (reliability.md 3.2): nothing leaves it until somebody with a name and a reason has looked, and it
goes on earning."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.handlers import prove_books
from points_svc.handlers.prove_books import Found, Walk, freeze_broken
from points_svc.main import build
from points_svc.store.proving import ProofStore
from tests.integration.points_svc.books import MEMBER, Books, activated, told
from tests.integration.points_svc.test_chain import NOW, lived, seal
from tests.integration.points_svc.test_proof import SIDE_DOOR
from tests.integration.points_svc.test_verify import tamper, tampered
from tests.integration.points_svc.till import open_checkout
from tests.unit.points_svc.script import Activity, Script

OTHER = UUID(int=2)

# Per invariant that can name a member: what breaks it for MEMBER alone.
BREAKS = {
    "I2": "UPDATE lot SET remaining = remaining - 1",
    "I3": "UPDATE hold SET state = 'voided', ended_at = made_at, ended_by = 'x' WHERE state = 'held'",
    "I4": "UPDATE account SET posted = posted + 1",
    "I5": SIDE_DOOR.format(cause="x", kind="earned", debit="debt", credit="issuance", why='{"rule": 1}'),
    "I6": "DELETE FROM no_effect",
    "I7": "UPDATE purchase SET net = net + 1",
    "I8": "UPDATE account SET seq = seq + 1",
    "I9": "UPDATE account SET said = said + 1",
    "I11": "UPDATE sealed_up_to SET seq = seq - 1",
    "I12": "DELETE FROM hold WHERE state = 'captured'",
    "lots": "UPDATE lot SET remaining = remaining - 1",
    "consumption": "DELETE FROM consumption",
    "ladder": "UPDATE account SET ladder = '{}'",
    "returned": "UPDATE consumption SET returned = 1",
    "rebuilt": "UPDATE lot SET expired = 1",
}


async def prove(books: Books) -> Found:
    """One proof of the calendar's, and what it freezes."""
    async with books.database.auditing() as tx:
        found = await prove_books.prove_books(Walk(), ProofStore(tx))
    await books.database.in_transaction(lambda tx: freeze_broken(found.broken, NOW, ProofStore(tx)))
    return found


async def two_members(books: Books) -> Script:
    """MEMBER and OTHER have lived the same life."""
    for member, spending in ((MEMBER, "spending-of-one-x"), (OTHER, "spending-of-two-x")):
        script = Script()
        script.register()
        script.buy(10000, f"o-{member.int}")
        script.buy(0, f"nothing-{member.int}")
        await books.play(script, member)
        await books.spend(30, spending, script.now, member=member, order_id=f"p-{member.int}")
        async with open_checkout(books, script.now) as till:
            await till.held(20, member, key=f"holding-twenty-{member.int}")
    await seal(books)
    return script


def of_member(statement: str) -> str:
    who = f"member_id = '{MEMBER}'"
    if "WHERE" in statement:
        return f"{statement} AND {who}"
    return f"{statement} WHERE {who}"


async def test_who_breaks_an_invariant_stands_still_and_nobody_else_does(books: Books) -> None:
    """What would break it: an invariant that is counted and named by different rows."""
    await two_members(books)
    assert (await prove(books)).broken == {}
    for invariant, statement in BREAKS.items():
        async with tampered(books, of_member(statement)) as store:
            found = await prove_books.prove_books(Walk(), store)
            assert list(found.broken) == [MEMBER], invariant
            assert invariant in found.broken[MEMBER]
            assert await freeze_broken(found.broken, NOW, store) == 1
            halted = (await store.tx.run(text("SELECT member_id FROM account WHERE halted"))).scalars().all()
            assert halted == [MEMBER]


async def test_an_altered_entry_freezes_its_account(books: Books) -> None:
    """I11 by the walk over all seals, which no count over tables sees."""
    await two_members(books)
    await tamper(books, of_member("UPDATE transfer SET why = '{\"rule\": 2}' WHERE seq = 1"))
    found = await prove(books)
    assert found.broken == {MEMBER: ["I11"]}
    assert found.invariants["I11"] == 1


async def frozen(books: Books) -> Script:
    script = await two_members(books)
    await tamper(books, of_member("UPDATE account SET earned_net = 99"))
    await prove(books)
    return script


async def test_nothing_leaves_a_frozen_account_and_everything_else_goes_on(books: Books) -> None:
    script = await frozen(books)
    async with open_checkout(books, script.now) as till:
        assert (await till.spend(1, OTHER)).status_code == 201
        (hold,) = (await till.see(f"/v1/members/{MEMBER}/holds?state=held"))["items"]
        for answer in (await till.spend(1), await till.hold(1), await till.capture(hold["hold_id"])):
            assert (answer.status_code, answer.json()["type"]) == (409, "account_frozen")
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await till.void(hold["hold_id"])).status_code == 200
        assert (await till.balance())["account_frozen"] is True
        before = (await till.balance())["posted"]
        script.buy(5000, "later")
        step = script.steps[-1]
        assert isinstance(step, Activity)
        await books.apply([told(step, MEMBER, script.zone)])
        assert (await till.balance())["posted"] == before + 50


async def test_nothing_is_taken_from_a_frozen_account_by_hand_either(books: Books) -> None:
    """What would break it: a correction, a batch or its reversal that moves points which nobody can vouch for."""
    script = await two_members(books)
    await books.apply([activated()])
    async with open_checkout(books, script.now) as till:
        hand = {"reason": "counted wrong", "actor": "ann"}
        one, many = f"/v1/members/{MEMBER}/adjustments", "/v1/adjustment-batches"
        given = (await till.post(many, hand | {"items": [{"member_id": str(MEMBER), "points": 5}]})).json()["batch_id"]
        await tamper(books, of_member("UPDATE account SET earned_net = 99"))
        await prove(books)
        answer = await till.post(one, hand | {"points": -1})
        assert (answer.status_code, answer.json()["type"]) == (409, "account_frozen")
        both = [{"member_id": str(member), "points": -1} for member in (MEMBER, OTHER)]
        for answer in (await till.post(many, hand | {"items": both}), await till.post(f"{many}/{given}/reverse", hand)):
            assert (answer.status_code, answer.json()["type"]) == (409, "batch_refused")
            (no,) = answer.json()["refusals"]
            assert (no["member_id"], no["type"]) == (str(MEMBER), "account_frozen")
        assert (await till.post(one, hand | {"points": 1})).status_code == 201  # it goes on being given
        await till.post(f"/v1/members/{MEMBER}/account-freezes/lift", hand)
        assert (await till.post(f"{many}/{given}/reverse", hand)).json()["items"][0]["reversed_points"] == 5


async def test_a_freeze_is_lifted_by_somebody_for_a_reason_once_and_that_is_kept(books: Books) -> None:
    script = await frozen(books)
    path = f"/v1/members/{MEMBER}/account-freezes"
    async with open_checkout(books, script.now) as till:
        assert [one["member_id"] for one in (await till.see("/v1/ledger/frozen-accounts"))["items"]] == [str(MEMBER)]
        for body in ({}, {"actor": "ann"}, {"actor": "ann", "reason": ""}, {"actor": 1, "reason": "x"}, {"more": 1}):
            assert (await till.post(f"{path}/lift", body)).status_code in range(400, 500)
        assert (await till.client.post(f"{path}/lift", json={"actor": "a", "reason": "b"})).status_code == 400
        body = {"actor": "ann", "reason": "mended by release 7"}
        lifted = await till.post(f"{path}/lift", body, "lift-lift-lift-lift")
        again = await till.post(f"{path}/lift", body, "lift-lift-lift-lift")
        assert (lifted.status_code, again.json()) == (200, lifted.json())
        assert (await till.post(f"{path}/lift", body)).json()["type"] == "account_not_frozen"
        (kept,) = (await till.see(path))["items"]
        assert (kept["broken"], kept["lifted_by"], kept["reason"]) == (["rebuilt"], "ann", "mended by release 7")
        assert (await till.spend(1)).status_code == 201
        assert (await till.post(f"/v1/members/{UUID(int=9)}/account-freezes/lift", body)).status_code == 404
        await prove(books)  # nobody has mended it
        assert (await till.spend(1)).json()["type"] == "account_frozen"
        assert [one["lifted_by"] for one in (await till.see(path))["items"]] == [None, "ann"]


async def test_a_proof_names_at_most_so_many_members_of_each_invariant(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where everybody's books are broken the cause is ours, and the shop does not stand still for it."""
    monkeypatch.setattr(prove_books, "MEMBERS_FROZEN_MAX", 3)
    monkeypatch.setattr(prove_books, "PAGES_PER_PROOF", 0)
    await lived(books, events=60)
    await tamper(books, "UPDATE account SET said = said + 1")
    assert len((await prove(books)).broken) == 3


async def test_the_walk_goes_on_where_it_stopped_and_begins_again_at_the_end(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prove_books, "MEMBERS_PER_PAGE", 2)
    monkeypatch.setattr(prove_books, "PAGES_PER_PROOF", 2)
    await lived(books, events=60)
    async with books.database.reading() as tx:
        ids = list((await tx.run(text("SELECT member_id FROM account ORDER BY member_id"))).scalars())
    walk, seen = Walk(), []
    for _ in range(4):
        async with books.database.auditing() as tx:
            assert (await prove_books.prove_books(walk, ProofStore(tx))).broken == {}
        seen.append(walk.after)
    assert seen[:2] == [ids[3], ids[7]]
    assert None in seen or len(ids) > 16


async def test_freezing_twice_keeps_the_first_row(books: Books) -> None:
    await two_members(books)

    async def work(tx: Transaction) -> int:
        return await freeze_broken({MEMBER: ["I2"], UUID(int=77): ["I4"]}, NOW, ProofStore(tx))

    assert [await books.database.in_transaction(work) for _ in range(2)] == [1, 1]


async def test_the_jobs_of_the_process_seal_prove_freeze_and_count(books: Books) -> None:
    """What would break it: a job that is written and not started."""
    await two_members(books)
    await tamper(books, of_member("UPDATE account SET earned_net = 99"))
    script = Script()
    script.register()
    script.buy(1000, "more")
    await books.play(script, UUID(int=3))
    service = build({
        "LAUREL_SERVICE_PORT": "1",
        "LAUREL_DATABASE_URL": books.database.url.render_as_string(hide_password=False),
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    })  # fmt: skip
    try:
        jobs = {job.name: job for job in service.jobs}
        assert jobs["seal the entries"].every_seconds <= 30
        await jobs["seal the entries"].run()
        await jobs["prove the books"].run()
    finally:
        await service.database.close()
    assert service.metrics is not None
    read = service.metrics.registry.get_sample_value
    assert read("laurel_ledger_drift_total", {"invariant": "rebuilt"}) == 1
    assert read("laurel_ledger_drift_total", {"invariant": "I4"}) == 0
    assert read("laurel_accounts_frozen") == 1
    assert read("laurel_liability_points", {"state": "held"}) == 40
    async with books.database.reading() as tx:
        unsealed = text(
            "SELECT count(*) FROM account LEFT JOIN sealed_up_to s USING (member_id) WHERE account.seq > coalesce(s.seq, 0)"
        )
        assert (await tx.run(unsealed)).scalar_one() == 0
