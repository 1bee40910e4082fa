"""Rows to domain values and back. The one thing not to break: what is read is what was written; every JSON column has its two
directions side by side here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from campaign_svc.domain.awards import Award, Occasion, TakenBack
from campaign_svc.domain.conditions import Value
from campaign_svc.domain.orders import LeftLine, Order
from campaign_svc.domain.standings import Member, Standing

_StandingRow = tuple[int, int, str, str, str, str, int, datetime]
_LineRow = tuple[str, str, int, int]
_standings = msgspec.json.Decoder(list[_StandingRow])
_lines = msgspec.json.Decoder(list[_LineRow])
_facts = msgspec.json.Decoder(dict[str, int | str | bool])
_outcomes = msgspec.json.Decoder(dict[str, str])
_encode = msgspec.json.Encoder().encode


def member(row: Any) -> Member:
    ahead = [Standing(*fact) for fact in _standings.decode(row.ahead)] if row.ahead is not None else []
    return Member(
        row.member_id, row.partition, row.last_seq, row.last_ordinal, row.said_number, row.tier, row.ordinal,
        row.orders_count, ahead,
    )  # fmt: skip


def ahead_json(member: Member) -> str | None:
    if not member.ahead:
        return None
    return _encode(
        [
            (s.ordinal, s.holds_after, s.kind, s.computed_from, s.computed_to, s.effective_to, s.version, s.at)
            for s in member.ahead
        ]
    ).decode()


def facts_json(facts: dict[str, Value]) -> str | None:
    return _encode(facts).decode() if facts else None


def lines_json(order: Order | None) -> str | None:
    if order is None or order.lines is None:
        return None
    return _encode([(line.line_id, line.category, line.amount_minor, line.left_minor) for line in order.lines]).decode()


def outcomes_json(outcomes: dict[str, str]) -> str | None:
    return _outcomes_text(tuple(outcomes.items())) if outcomes else None


def occasion_row(o: Occasion) -> tuple[Any, ...]:
    """A new occasion with the columns of NEW_OCCASION."""
    order = o.order
    ordered = (None, None, None) if order is None else (order.order_id, order.amount_minor, order.left_minor)
    return (
        o.member_id, o.place, o.cause, o.number, o.partition, o.trigger, o.at, o.version, o.tier, o.ordinal, facts_json(o.facts),
        *ordered, lines_json(order), outcomes_json(o.outcomes),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def _outcomes_text(outcomes: tuple[tuple[str, str], ...]) -> str:
    """Most occasions of a programme end in one of a few ways."""
    return _encode(dict(outcomes)).decode()


def occasion(row: Any) -> Occasion:
    order = None
    if row.order_id is not None:
        lines = [LeftLine(*line) for line in _lines.decode(row.lines)] if row.lines is not None else None
        order = Order(row.order_id, row.amount_minor, row.left_minor, lines)
    return Occasion(
        row.member_id, row.partition, row.cause, row.number, row.place, row.trigger, row.at, row.version, row.tier,
        row.ordinal, _facts.decode(row.facts) if row.facts is not None else {}, order,
        _outcomes.decode(row.outcomes) if row.outcomes is not None else {},
    )  # fmt: skip


def award(row: Any) -> Award:
    return Award(
        row.award_id, row.member_id, row.partition, row.campaign_id, row.cause, row.number, row.item, row.kind, row.points, row.coupon,
        row.order_id, row.tier, row.version, row.at, row.said_number, row.why,
    )  # fmt: skip


def award_arrays(awards: Sequence[Award]) -> dict[str, list[Any]]:
    """Awards, a column each."""
    return {
        "award_ids": [a.award_id for a in awards],
        "members": [a.member_id for a in awards],
        "campaigns": [a.campaign_id for a in awards],
        "causes": [a.cause for a in awards],
        "numbers": [a.number for a in awards],
        "items": [a.item for a in awards],
        "partitions": [a.partition for a in awards],
        "kinds": [a.kind for a in awards],
        "points": [a.points for a in awards],
        "coupons": [a.coupon for a in awards],
        "orders": [a.order_id for a in awards],
        "tiers": [a.tier for a in awards],
        "versions": [a.version for a in awards],
        "ats": [a.at for a in awards],
        "said_numbers": [a.said_number for a in awards],
        "whys": [a.why for a in awards],
    }


def taken_back_arrays(taken: Sequence[TakenBack]) -> dict[str, list[Any]]:
    """Awards taken back, a column each."""
    return {
        "members": [t.award.member_id for t in taken],
        "campaigns": [t.award.campaign_id for t in taken],
        "causes": [t.award.cause for t in taken],
        "numbers": [t.award.number for t in taken],
        "items": [t.award.item for t in taken],
        "back_causes": [t.by_cause for t in taken],
        "back_numbers": [t.by_number for t in taken],
        "back_ats": [t.at for t in taken],
        "back_said_numbers": [t.said_number for t in taken],
        "back_whys": [t.why for t in taken],
    }
