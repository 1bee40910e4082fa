"""Refusal → status and problem type: one table. The one thing not to break: a refusal is a 4xx with a word that programs can tell apart."""

from __future__ import annotations

from uuid import UUID

from laurel_kit.http import Problem

RETRY_AFTER_SECONDS = 1


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


def key_required() -> Problem:
    return Problem(400, "idempotency_key_required", "The header Idempotency-Key is missing")


def key_malformed() -> Problem:
    return Problem(
        400,
        "idempotency_key_malformed",
        "The idempotency key cannot be used",
        "It must be 16 to 128 printable ASCII characters.",
    )


def key_reused() -> Problem:
    return Problem(
        422,
        "idempotency_key_reused",
        "The idempotency key was used for another request",
        "A new request needs a new key.",
    )


def already_exists(link: str) -> Problem:
    return Problem(
        409,
        "already_exists",
        "The idempotency key was used long ago",
        "What it did is done and is not done again; its answer is not replayed after seven days. See the link.",
        link=link,
    )


def in_flight() -> Problem:
    problem = Problem(409, "request_in_flight", "The first request under this key is still running", "Ask again.")
    problem.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return problem


def programme_invalid(problems: list[str]) -> Problem:
    return Problem(422, "programme_invalid", "The programme cannot be used", "; ".join(problems), errors=problems)


def programme_differs(version: int) -> Problem:
    return Problem(
        409,
        "programme_differs",
        "This version is stored with other content",
        f"Version {version} never changes; publish a new one.",
    )
