"""The balance and the statement of points-svc beside a plain FastAPI and ORM twin (tests/bench/accounts_twin.py), as tests/bench/racing.py
lets the two run."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from tests.bench import racing
from tests.bench.racing import Answered
from tests.bench.stage import Stage

MEMBERS = 50_000
ENTRIES = 24  # of each member, every fourth of them a spending
PAGE = 20  # entries of a statement that is asked for
COMPARED = 50
PATHS = {"balance": "balance", "statement": f"statement?limit={PAGE}"}

FILL = f"""
CREATE TEMP TABLE made AS
SELECT CAST(lpad(to_hex(m), 32, '0') AS uuid) AS member_id, n,
       timestamptz '2026-01-01 00:00:00+00' + n * interval '1 day' AS at,
       timestamptz '2036-01-01 00:00:00+00' + (n / 6) * interval '30 days' AS expires_at
FROM generate_series(1, {MEMBERS}) m, generate_series(1, {ENTRIES}) n;
INSERT INTO lot (member_id, lot, kind, granted, remaining, earned_at, available_at, expires_at)
SELECT member_id, n, 'purchase', 100, CASE WHEN n % 4 = 3 THEN 40 ELSE 100 END, at, at, expires_at FROM made WHERE n % 4 <> 0;
INSERT INTO transfer (member_id, seq, cause, leg, at, kind, debit, credit, amount, order_id, lot, why)
SELECT member_id, n, CASE WHEN n % 4 = 0 THEN 'spending ' || n ELSE 'activity ' || n END, 1, at,
       CASE WHEN n % 4 = 0 THEN 'spent' ELSE 'earned' END,
       CASE WHEN n % 4 = 0 THEN 'available' ELSE 'issuance' END, CASE WHEN n % 4 = 0 THEN 'redeemed' ELSE 'available' END,
       CASE WHEN n % 4 = 0 THEN 60 ELSE 100 END, CASE WHEN n % 4 = 0 THEN NULL ELSE 'o' || n END, CASE WHEN n % 4 = 0 THEN NULL ELSE n END,
       jsonb_build_object('rule', 'purchase', 'version', 1, 'points', 100, 'tier', 'silver', 'tier_multiplier', '1.2',
                          'lines', jsonb_build_array(jsonb_build_object('line_id', '1', 'left_minor', 8334, 'rate', '1')))
FROM made;
INSERT INTO consumption (member_id, seq, place, lot, amount) SELECT member_id, n, 1, n - 1, 60 FROM made WHERE n % 4 = 0;
INSERT INTO account (member_id, partition, posted, seq, said, activity, reached, active, earned_net, ladder, next_expiry)
SELECT l.member_id, 0, l.left_now, {ENTRIES}, {ENTRIES}, {ENTRIES}, timestamptz '2026-02-01 00:00:00+00', true, l.granted, ladders.ladder,
       ladders.next_expiry
FROM (SELECT member_id, sum(remaining) AS left_now, sum(granted) AS granted FROM lot GROUP BY member_id) l
JOIN (SELECT member_id, min(expires_at) AS next_expiry,
             jsonb_object_agg(to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), points) AS ladder
      FROM (SELECT member_id, expires_at, sum(remaining) AS points FROM lot GROUP BY member_id, expires_at) s GROUP BY member_id) ladders
  USING (member_id);
"""


def path(number: int, route: str) -> str:
    return f"/v1/members/{UUID(int=number)}/{PATHS[route]}"


def of_anybody(route: str) -> Callable[[random.Random], str]:
    return lambda rng: path(rng.randint(1, MEMBERS), route)


async def measure(stage: Stage, template: str, seconds: float, rounds: int) -> dict[str, list[Answered]]:
    """By route, both in turn."""
    database = await stage.fresh(template)
    await stage.execute(FILL, database)
    for table in ("account", "lot", "transfer", "consumption"):
        await stage.execute(f"VACUUM ANALYZE {table}", database)
    compared = [path(number, route) for number in range(1, COMPARED + 1) for route in PATHS]
    routes = {route: of_anybody(route) for route in PATHS}
    race = racing.Race("points-svc", "tests.bench.accounts_twin", routes, compared, _plain)
    measured = await racing.run(race, stage, database, seconds, rounds)
    await stage.drop(database)
    return measured


def _plain(answer: dict[str, Any]) -> Any:
    """Without the moment of a balance, and with instants however they are written."""

    def same(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: same(one) for name, one in value.items()}
        if isinstance(value, list):
            return [same(one) for one in value]
        if isinstance(value, str) and value[10:11] == "T":
            return datetime.fromisoformat(value)
        return value

    return same({name: value for name, value in answer.items() if name != "at"})
