"""All state of the service in one order, to compare two histories. The one thing not to break: nothing stands here that depends on where
a log was cut or on when a job ran: no positions, no outbox, no wall-clock times, no idempotency answers, no seals; of closed days what they
did and not which rounds are remembered, nor who has been reminded yet."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import text

from laurel_kit.postgres import Transaction

TABLES = {
    "account": "member_id",
    "transfer": "member_id, seq",
    "consumption": "member_id, seq, place",
    "lot": "member_id, lot",
    "hold": "member_id, seq",
    "handover": "handover_id",
    "handover_under_way": "handover_id",
    "arrival": "handover_id",
    "bonus": "bonus_id",
    "share": "share_id",
    "share_purchase": "share_id, order_id",
    "purchase": "member_id, seq",
    "award": "award_id",
    "task_reward": "member_id, task, period",
    "sign_ins": "member_id",
    "review_day": "member_id, day",
    "earned_in_period": "member_id, rule, per, since",
    "no_effect": "member_id, cause",
    "adjustment_batch": "batch_id",
    "adjustment": "adjustment_id",
    "reward": "reward_id",
    "redemption": "redemption_id",
    "wallet": "account_id",
    "partition_day": "partition",
    "activation": "partition, version",
}
NOT_COMPARED = {
    "adjustment": {"number"}
}  # the database's own counter: a transaction that is done again leaves a gap in it
AS_WRITTEN = {"account": {"ahead", "ladder", "pending", "referral"}}  # JSON in the order in which it came about
STATEMENTS = {name: text(f"SELECT * FROM {name} ORDER BY {order}") for name, order in TABLES.items()}


async def canonical_dump(tx: Transaction) -> dict[str, list[dict[str, Any]]]:
    """Every table that the stream decides, row by row; values as text, so that two dumps can be compared and read."""
    return {
        name: [
            {
                column: _in_order(value) if column in AS_WRITTEN.get(name, ()) else str(value)
                for column, value in row._mapping.items()
                if column not in NOT_COMPARED.get(name, ())
            }
            for row in await tx.run(statement)
        ]
        for name, statement in STATEMENTS.items()
    }


def _in_order(value: Any) -> str:
    return json.dumps(json.loads(value) if isinstance(value, str) else value, sort_keys=True)
