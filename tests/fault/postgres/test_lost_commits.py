"""The connection is cut exactly while a transaction commits: the server has committed, and its answer is lost on the way.

INVARIANT: a commit of unknown outcome is never guessed: a spending is asked about by its key, a batch by its cursor.
What would break it: a retry inside the service after a lost connection (the second one would spend again, were the key not in the same
transaction), a cursor kept in memory, an answer to the caller that is not "come again".
"""

from __future__ import annotations

import random
import time

import pytest
from sqlalchemy.engine import make_url

from tests.fault.postgres.bank import member, open_bank
from tests.fault.report import record, seed_of, sized
from tests.support.proxy import Proxy, Then

SEED = 3
COMMIT = b"COMMIT"
# Mostly the reply; sometimes the question is lost, or nobody knows.
WAYS = (Then.DROP_REPLY, Then.DROP_REPLY, Then.DROP_REPLY, Then.CUT_BEFORE, Then.CUT_AFTER)


class AtCommit:
    """A hook that strikes at the next commit, once armed."""

    def __init__(self) -> None:
        self.then: Then | None = None

    def __call__(self, chunk: bytes) -> Then:
        if self.then is None or COMMIT not in chunk:
            return Then.PASS
        then, self.then = self.then, None
        return then


async def commits_lost(url: str, times: int) -> None:
    seed = seed_of("T-P03", SEED)
    rng = random.Random(seed)
    began = time.monotonic()
    address = make_url(url)
    wrong: list[str] = []
    struck = dict.fromkeys(Then, 0)
    with Proxy("127.0.0.1", address.port or 0) as proxy:
        through = address.set(port=proxy.port).render_as_string(hide_password=False)
        async with open_bank(url, through=through) as bank:
            strike = proxy.on_request = AtCommit()
            for n in range(times):
                key, who, points = f"commit-lost-{n:08d}", member(rng.randrange(bank.members)), 1 + n % 9
                strike.then = then = rng.choice(WAYS)
                first = await bank.ask(key, who, points)
                assert strike.then is None, "no commit was seen"
                struck[then] += 1
                if first.status_code != 503 or "retry-after" not in first.headers:
                    wrong.append(f"{key}: {first.status_code}")
                again = await bank.spend(key, who, points)
                replayed = "idempotent-replayed" in again.headers
                if again.status_code != 201 or (then is not Then.CUT_AFTER and replayed != (then is Then.DROP_REPLY)):
                    wrong.append(f"{key}: {then.name}, then {again.status_code}, replayed {replayed}")
            problems = await bank.differences()
            held = not (problems or wrong) and struck[Then.DROP_REPLY] == proxy.replies_dropped
            figure = (
                f"{times} spendings cut at COMMIT ({struck[Then.DROP_REPLY]} replies dropped, {struck[Then.CUT_BEFORE]}"
                f" never sent, {struck[Then.CUT_AFTER]} unknown): {len(wrong)} not resolved by key,"
                f" {len(problems)} differences"
            )
            record("T-P03", figure, "000; resolved by key 100 %", held, seed, time.monotonic() - began)
            assert held, (figure, wrong[:5], problems[:5])


@pytest.mark.fault
@pytest.mark.long
async def test_100_spendings_whose_commit_is_cut_are_resolved_by_their_keys(empty_url: str) -> None:
    """T-P03: spendings, 100 times."""
    await commits_lost(empty_url, 100)


@pytest.mark.nightly
@pytest.mark.long
async def test_500_spendings_whose_commit_is_cut_are_resolved_by_their_keys(empty_url: str) -> None:
    """T-P03: spendings, 500 times."""
    await commits_lost(empty_url, sized(500))
