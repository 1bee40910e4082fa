"""Sign-ins and reviews so far: what streaks and daily caps are counted by. The one thing not to break: only members who sign in or review
have rows here, so that a purchase never reads them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

import msgspec
from sqlalchemy import text

from laurel_kit.postgres import Transaction
from points_svc.domain.account import Account, SignIns
from points_svc.domain.caps import Period

_runs = msgspec.json.Decoder(dict[date, int])
_encode = msgspec.json.Encoder().encode

SIGN_INS = text("""
SELECT member_id, CAST(runs AS text) AS runs, bonuses FROM sign_ins WHERE member_id = ANY(CAST(:ids AS uuid[]))
""")

WRITE_SIGN_INS = text("""
INSERT INTO sign_ins (member_id, runs, bonuses)
SELECT member_id, CAST(runs AS jsonb), bonuses
FROM unnest(CAST(:ids AS uuid[]), CAST(:runs AS text[]), CAST(:bonuses AS bigint[])) AS n(member_id, runs, bonuses)
ON CONFLICT (member_id) DO UPDATE SET runs = excluded.runs, bonuses = excluded.bonuses
""")

REVIEWS = text("""
SELECT r.member_id, r.day, r.reviews FROM review_day r
JOIN unnest(CAST(:ids AS uuid[]), CAST(:days AS date[])) AS wanted(member_id, day)
  ON r.member_id = wanted.member_id AND r.day = wanted.day
""")

WRITE_REVIEWS = text("""
INSERT INTO review_day (member_id, day, reviews)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:days AS date[]), CAST(:reviews AS integer[]))
ON CONFLICT (member_id, day) DO UPDATE SET reviews = excluded.reviews
""")


# Points by capped rules so far, of these periods.
EARNED_IN = text("""
SELECT e.member_id, e.rule, e.per, e.since, e.points FROM earned_in_period e
JOIN unnest(CAST(:ids AS uuid[]), CAST(:rules AS text[]), CAST(:pers AS text[]), CAST(:since AS date[]))
  AS wanted(member_id, rule, per, since)
  ON e.member_id = wanted.member_id AND e.rule = wanted.rule AND e.per = wanted.per AND e.since = wanted.since
""")

WRITE_EARNED_IN = text("""
INSERT INTO earned_in_period (member_id, rule, per, since, points)
SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:rules AS text[]), CAST(:pers AS text[]), CAST(:since AS date[]), CAST(:points AS bigint[]))
ON CONFLICT (member_id, rule, per, since) DO UPDATE SET points = excluded.points
""")


async def read_sign_ins(tx: Transaction, accounts: Collection[Account]) -> None:
    """The runs of these members."""
    by_id = {account.member_id: account for account in accounts}
    if by_id:
        for row in await tx.run(SIGN_INS, ids=list(by_id)):
            by_id[row.member_id].sign_ins = SignIns(_runs.decode(row.runs), row.bonuses)


async def read_reviews(tx: Transaction, wanted: Collection[tuple[Account, date]]) -> None:
    """How many reviews of these days have been counted."""
    if wanted:
        by_id = {account.member_id: account for account, _ in wanted}
        ids, days = [account.member_id for account, _ in wanted], [day for _, day in wanted]
        for row in await tx.run(REVIEWS, ids=ids, days=days):
            by_id[row.member_id].reviews[row.day] = row.reviews


async def read_earned_in(tx: Transaction, wanted: Collection[tuple[Account, Period]]) -> None:
    """What capped rules have given in these periods."""
    if wanted:
        by_id = {account.member_id: account for account, _ in wanted}
        ids, (rules, pers, since) = (
            [a.member_id for a, _ in wanted],
            map(list, zip(*(p for _, p in wanted), strict=True)),
        )
        for row in await tx.run(EARNED_IN, ids=ids, rules=rules, pers=pers, since=since):
            by_id[row.member_id].earned_in[Period(row.rule, row.per, row.since)] = row.points


async def write(tx: Transaction, accounts: Iterable[Account]) -> None:
    """Runs and counts back, where there are any."""
    accounts = list(accounts)
    signed = [(account.member_id, account.sign_ins) for account in accounts if account.sign_ins is not None]
    if signed:
        await tx.run(
            WRITE_SIGN_INS,
            ids=[member_id for member_id, _ in signed],
            runs=[_encode(sign_ins.runs).decode() for _, sign_ins in signed],
            bonuses=[sign_ins.bonuses for _, sign_ins in signed],
        )
    reviewed = [
        (account.member_id, day, count)
        for account in accounts
        if account.reviews
        for day, count in account.reviews.items()
    ]
    if reviewed:
        ids, days, counts = map(list, zip(*reviewed, strict=True))
        await tx.run(WRITE_REVIEWS, ids=ids, days=days, reviews=counts)
    earned = [(a.member_id, *period, points) for a in accounts if a.earned_in for period, points in a.earned_in.items()]
    if earned:
        ids, rules, pers, since, sums = map(list, zip(*earned, strict=True))
        await tx.run(WRITE_EARNED_IN, ids=ids, rules=rules, pers=pers, since=since, points=sums)
