"""Orders and awards: what they have earned and what is left of them. The one thing not to break: an order is found again by its member
and its number, which is unique."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, Award, Order, Part

# (rate in millionths, left in minor units, excluded, ids of the lines or None for all others).
PartRow = tuple[int, int, bool, tuple[str, ...] | None]
_parts = msgspec.json.Decoder(list[PartRow])
_encode = msgspec.json.Encoder().encode

COLUMNS = """member_id, order_id, seq, at, day, version, tier, ordinal, amount_minor, unallocated_minor,
       CAST(parts AS text) AS parts, net, confirmed_at"""

NEW = (
    "member_id", "order_id", "seq", "at", "day", "version", "tier", "ordinal", "amount_minor", "unallocated_minor", "parts", "net",
    "confirmed_at",
)  # fmt: skip

CHANGE = text("""
UPDATE purchase p SET tier = n.tier, ordinal = n.ordinal, unallocated_minor = n.unallocated_minor,
  parts = CAST(n.parts AS jsonb), net = n.net, confirmed_at = n.confirmed_at
FROM unnest(CAST(:ids AS uuid[]), CAST(:seq AS bigint[]), CAST(:tier AS text[]), CAST(:ordinal AS bigint[]),
            CAST(:unallocated_minor AS bigint[]), CAST(:parts AS text[]), CAST(:net AS bigint[]),
            CAST(:confirmed_at AS timestamptz[]))
  AS n(member_id, seq, tier, ordinal, unallocated_minor, parts, net, confirmed_at)
WHERE p.member_id = n.member_id AND p.seq = n.seq
""")

# Orders by name.
NAMED = text(f"""
SELECT {COLUMNS} FROM purchase
WHERE (order_id, member_id) IN (SELECT * FROM unnest(CAST(:orders AS text[]), CAST(:ids AS uuid[])))
""")

# Orders that a standing fact which has just become known holds for.
AFTER = text(f"""
SELECT {COLUMNS} FROM purchase p
JOIN unnest(CAST(:ids AS uuid[]), CAST(:after AS bigint[])) AS wanted(id, after)
  ON p.member_id = wanted.id AND p.seq > wanted.after
""")

# Orders by number.
NUMBERED = text(f"""
SELECT {COLUMNS} FROM purchase
WHERE (member_id, seq) IN (SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS bigint[])))
""")

ADD_AWARDS = text("""
INSERT INTO award (award_id, member_id, number, campaign_id, order_id, net)
SELECT * FROM unnest(CAST(:award_id AS uuid[]), CAST(:ids AS uuid[]), CAST(:number AS bigint[]), CAST(:campaign_id AS text[]),
                     CAST(:order_id AS text[]), CAST(:net AS bigint[]))
""")

CHANGE_AWARDS = text("""
UPDATE award a SET net = n.net FROM unnest(CAST(:award_id AS uuid[]), CAST(:net AS bigint[])) AS n(award_id, net)
WHERE a.award_id = n.award_id
""")

AWARDS = text("""
SELECT member_id, award_id, number, campaign_id, order_id, net FROM award WHERE award_id = ANY(CAST(:award_ids AS uuid[]))
""")


async def read(tx: Transaction, wanted: Collection[tuple[Account, str]]) -> None:
    """Orders by name, into their accounts."""
    if wanted:
        accounts = {account.member_id: account for account, _ in wanted}
        orders, ids = [order_id for _, order_id in wanted], [account.member_id for account, _ in wanted]
        _into(accounts, await tx.run(NAMED, orders=orders, ids=ids))


async def read_after(tx: Transaction, wanted: Collection[tuple[Account, int]]) -> None:
    """Orders numbered above a number, into their accounts."""
    if wanted:
        accounts = {account.member_id: account for account, _ in wanted}
        ids, after = [account.member_id for account, _ in wanted], [number for _, number in wanted]
        _into(accounts, await tx.run(AFTER, ids=ids, after=after))


async def read_numbered(tx: Transaction, wanted: Collection[tuple[Account, int]]) -> None:
    """Orders by number, into their accounts; numbers that no order bears are left aside."""
    if wanted:
        accounts = {account.member_id: account for account, _ in wanted}
        ids, numbers = [account.member_id for account, _ in wanted], [number for _, number in wanted]
        _into(accounts, await tx.run(NUMBERED, ids=ids, numbers=numbers))


def _into(accounts: dict[UUID, Account], rows: Iterable[Any]) -> None:
    for row in rows:
        accounts[row.member_id].orders[row.order_id] = order_of(row)


def order_of(row: Any) -> Order:
    """A row as the order it is."""
    _, order_id, seq, at, day, version, tier, ordinal, amount, unallocated, parts, net, confirmed_at = row[:13]
    return Order(
        order_id, seq, at, day, version, tier, ordinal, amount, unallocated,
        [Part(rate, left, excluded, lines) for rate, left, excluded, lines in _parts.decode(parts)], net, confirmed_at,
    )  # fmt: skip


async def write(tx: Transaction, accounts: Collection[Account]) -> None:
    """New and changed orders."""
    orders = [(account.member_id, order) for account in accounts for order in account.orders.values()]
    new = [(member_id, order) for member_id, order in orders if order.is_new]
    if new:
        rows = [
            (
                member_id, order.order_id, order.seq, order.at, order.day, order.version, order.tier, order.ordinal,
                order.amount_minor, order.unallocated_minor, _encode(_rows_of(order.parts)).decode(), order.net,
                order.confirmed_at,
            )
            for member_id, order in new
        ]  # fmt: skip
        await tx.copy("purchase", NEW, rows)
    changed = [(member_id, order) for member_id, order in orders if order.is_changed and not order.is_new]
    if changed:
        await tx.run(
            CHANGE,
            ids=[member_id for member_id, _ in changed],
            seq=[order.seq for _, order in changed],
            tier=[order.tier for _, order in changed],
            ordinal=[order.ordinal for _, order in changed],
            unallocated_minor=[order.unallocated_minor for _, order in changed],
            parts=[_encode(_rows_of(order.parts)).decode() for _, order in changed],
            net=[order.net for _, order in changed],
            confirmed_at=[order.confirmed_at for _, order in changed],
        )


def _rows_of(parts: Iterable[Part]) -> list[PartRow]:
    return [(part.rate, part.left, part.excluded, part.lines) for part in parts]


async def read_awards(tx: Transaction, wanted: Collection[tuple[Account, UUID]]) -> None:
    """Awards by name, into their accounts."""
    if wanted:
        accounts = {account.member_id: account for account, _ in wanted}
        for member_id, *columns in await tx.run(AWARDS, award_ids=[award_id for _, award_id in wanted]):
            accounts[member_id].awards[columns[0]] = Award(*columns)


async def write_awards(tx: Transaction, accounts: Iterable[Account]) -> None:
    """New and changed awards."""
    awards = [(account.member_id, award) for account in accounts for award in account.awards.values()]
    new = [(member_id, award) for member_id, award in awards if award.is_new]
    if new:
        await tx.run(
            ADD_AWARDS,
            award_id=[award.award_id for _, award in new],
            ids=[member_id for member_id, _ in new],
            number=[award.number for _, award in new],
            campaign_id=[award.campaign_id for _, award in new],
            order_id=[award.order_id for _, award in new],
            net=[award.net for _, award in new],
        )
    changed = [award for _, award in awards if award.is_changed and not award.is_new]
    if changed:
        await tx.run(CHANGE_AWARDS, award_id=[a.award_id for a in changed], net=[a.net for a in changed])
