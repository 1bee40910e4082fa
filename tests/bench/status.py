"""The status route of member-svc beside a plain FastAPI twin (tests/bench/twin.py), as tests/bench/racing.py lets the two run."""

from __future__ import annotations

import hashlib
import random
import uuid

from tests.bench import racing
from tests.bench.racing import Answered
from tests.bench.stage import Stage

MEMBERS = 200_000
COMPARED = 50

FILL = f"""
INSERT INTO member_status (member_id, state, enrolled_at, tier, since, until, posted, held, debt, earned_net, ladder, pending, coupons,
                           tiers_number, campaigns_number, points_number)
SELECT md5('member' || k)::uuid, 'active', timestamptz '2025-01-01 00:00:00+00' + k * interval '1 second', 'silver',
       timestamptz '2025-06-01 00:00:00+00', timestamptz '2026-07-01 00:00:00+00', 900 + k % 1000, 0, 0, 900 + k % 1000,
       jsonb_build_array(jsonb_build_array('2036-01-01T05:00:00Z', 400), jsonb_build_array('2036-02-01T05:00:00Z', 500 + k % 1000)),
       '[]',
       CASE WHEN k % 4 = 0 THEN jsonb_build_array(jsonb_build_object('award_id', md5('award' || k)::uuid, 'coupon', 'ten-off',
         'campaign_id', 'upgrade-gift', 'at', '2025-06-01T00:00:00+00:00')) ELSE '[]' END, 3, 2, 40
FROM generate_series(0, {MEMBERS - 1}) AS k
"""


def member(place: int) -> uuid.UUID:
    """As FILL made it."""
    return uuid.UUID(hashlib.md5(f"member{place}".encode()).hexdigest())


def path(place: int) -> str:
    return f"/v1/members/{member(place)}/status"


def of_anybody(rng: random.Random) -> str:
    return path(rng.randrange(MEMBERS))


async def measure(stage: Stage, template: str, seconds: float, rounds: int) -> list[Answered]:
    """Both in turn."""
    database = await stage.fresh(template)
    await stage.execute(FILL, database)
    await stage.execute("VACUUM ANALYZE member_status", database)
    compared = [path(place) for place in range(COMPARED)]
    race = racing.Race("member-svc", "tests.bench.twin", {"status": of_anybody}, compared)
    measured = await racing.run(race, stage, database, seconds, rounds)
    await stage.drop(database)
    return measured["status"]
