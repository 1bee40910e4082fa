"""Rows to domain values. The one thing not to break: days are dates in the database and ordinals in the judge's sums; they are turned
into each other here and in `saving`, nowhere else."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import msgspec

from tier_svc.domain.clubs import ClubFact, ClubStanding
from tier_svc.domain.conditions import Window
from tier_svc.domain.facts import Fact, PeriodEnd
from tier_svc.domain.ladder import Rules
from tier_svc.domain.measures import Bucket, Sums
from tier_svc.domain.orders import Deed, Order
from tier_svc.domain.overlaying import Overlay, Override
from tier_svc.domain.standing import Standing
from tier_svc.domain.stream import Past, Stream

_values = msgspec.json.Decoder(dict[str, int])
_path = msgspec.json.Decoder(tuple[tuple[datetime, str], ...])
_overrides = msgspec.json.Decoder(tuple[Override, ...])
_clubs = msgspec.json.Decoder(tuple[ClubStanding, ...])
_lines = msgspec.json.Decoder(tuple[str, ...])


def stream(
    row: Any,
    windows: tuple[Window, ...],
    *,
    days: dict[int, Bucket] | None = None,
    covered_to: int = 0,
    known: frozenset[int] = frozenset(),
    orders: dict[str, Order] | None = None,
    past: Past | None = None,
) -> Stream:
    """A member as stored, with what else the judge may need of him."""
    (
        member_id, partition, last_seq, clock, born_as_of, tier, since, until, held_since, restart, decided_on, restart_before, last_end,
        ordinal, as_of, gauged_by, spend_total, largest_order, growth_total, window_values, due, joined, overrides, clubs,
    ) = row  # fmt: skip
    if len(window_values) != len(windows):  # kept by a release that knew fewer windows of this version: added up anew
        windows, window_values = (), ()
    values = [spend_total, largest_order, growth_total, *window_values]
    sums = Sums(
        None if as_of is None else as_of.toordinal(), values, windows,
        gauged_by=gauged_by, loaded=days, covered_to=covered_to, known=known,
    )  # fmt: skip
    return Stream(
        member_id, partition, sums=sums,
        standing=Standing(tier, since, until, held_since, restart, decided_on, restart_before, joined, due),
        last_seq=last_seq, clock=clock, born_as_of=born_as_of, ordinal=ordinal, last_end=last_end, is_new=False,
        orders=orders, past=past, overrides=_overrides.decode(overrides) if overrides else (),
        clubs=_clubs.decode(clubs) if clubs else (),
    )  # fmt: skip


def order(row: Any) -> Order:
    """An order as stored; the row begins with the member."""
    _, seq, order_id, time, day, clock, amount, left, left_qualifying, unallocated, not_qualifying = row
    excluded = _lines.decode(_text(not_qualifying)) if not_qualifying is not None else ()
    return Order(seq, order_id, time, day.toordinal(), clock, amount, left, left_qualifying, unallocated, excluded)


def deed(row: Any) -> Deed:
    """A deed as stored; the row begins with the member."""
    return Deed(row.seq, row.time, row.day.toordinal(), row.clock, row.kind)


def period_end(row: Any, joined: date | None) -> PeriodEnd:
    """An end and the standing before it, whose `until` it was."""
    before = Standing(
        row.tier,
        row.since,
        row.at,
        row.held_since,
        row.restart_at,
        row.decided_on,
        row.restart_before,
        joined,
        row.due_at,
    )
    return PeriodEnd(row.at, before)


def fact(row: Any) -> Fact:
    """A fact as it was said. What the judge alone needs of the standing is not kept with it."""
    path = _path.decode(_text(row.path)) if row.path is not None else ()
    return Fact(
        row.ordinal, row.holds_after, row.kind, row.tier_from, row.tier_to,
        Standing(row.tier_to, row.since, row.until, row.held_since), row.at, row.cause, row.rule, _metrics(row.metrics), row.version,
        row.replaced_from, path, row.effective_from or "", row.effective_to or "",
    )  # fmt: skip


def club_fact(row: Any) -> ClubFact:
    """A fact about a standing in a club as it was said."""
    standing = Standing(row.tier_to, row.since, row.until, row.held_since)
    return ClubFact(
        row.club, row.ordinal, row.holds_after, row.kind, row.tier_from, row.tier_to, standing, row.at, row.cause, row.rule,
        _metrics(row.metrics), row.version,
    )  # fmt: skip


def effective(row: Any, rules: Rules) -> str:
    """The tier that applies, of a member as stored with his overrides."""
    on_top = Overlay(_overrides.decode(row.overrides)) if row.overrides else Overlay()
    return rules.name(on_top.effective(rules, row.tier))


def override(row: Any) -> Override:
    """An override as its history keeps it."""
    return Override(
        row.seq, row.tier, row.since, row.until, row.mode, row.reason, row.actor, row.act, row.steps,
        row.starts_at is not None, row.starts_at,
    )  # fmt: skip


def _metrics(stored: Any) -> dict[str, int]:
    return dict(sorted(_values.decode(_text(stored)).items()))


def _text(stored: Any) -> str:
    """A jsonb column as text, whether the driver has decoded it or not."""
    return stored if isinstance(stored, str) else msgspec.json.encode(stored).decode()
