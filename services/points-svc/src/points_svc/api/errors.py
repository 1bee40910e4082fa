"""Refusal → status and problem type: one table. The one thing not to break: a refusal is a 4xx with a word that programs can tell apart."""

from __future__ import annotations

from uuid import UUID

from laurel_kit.http import Problem


def member_unknown(member_id: UUID) -> Problem:
    return Problem(404, "member_unknown", "Nothing has been heard of this member", f"{member_id} has no account here.")


def order_unknown(order_id: str) -> Problem:
    return Problem(404, "order_unknown", "This member has no such order", f"{order_id!r} is not known here.")


def entry_unknown(member_id: UUID, seq: int) -> Problem:
    return Problem(404, "entry_unknown", "There is no such entry", f"{member_id}:{seq} is not in the ledger.")


def hold_unknown(hold_id: UUID) -> Problem:
    return Problem(404, "hold_unknown", "There is no such hold", f"{hold_id} is not known here.")


def transfer_unknown(transfer_id: UUID) -> Problem:
    return Problem(404, "transfer_unknown", "There is no such transfer", f"{transfer_id} is not known here.")


def transfer_to_self(member_id: UUID) -> Problem:
    return Problem(422, "transfer_to_self", "Points cannot be given to oneself", f"{member_id} is both sides.")


def receiver_unknown(member_id: UUID) -> Problem:
    return Problem(
        422, "receiver_unknown", "Nothing has been heard of the receiver", f"{member_id} has no account here."
    )


def programme_invalid(problems: list[str]) -> Problem:
    return Problem(422, "programme_invalid", "The programme cannot be used", "; ".join(problems), errors=problems)


def programme_differs(version: int) -> Problem:
    return Problem(
        409,
        "programme_differs",
        "This version is stored with other content",
        f"Version {version} never changes; publish a new one.",
    )
