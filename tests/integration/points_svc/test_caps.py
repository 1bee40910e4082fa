"""Caps per period are kept in the books: where a batch is cut makes no difference (domain.md 3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from tests.integration.points_svc.books import MEMBER, Books, activated, told
from tests.unit.points_svc.script import SHANGHAI, Activity, Script, local, programme

NewBooks = Callable[[], Awaitable[Books]]


async def test_what_a_capped_rule_gave_is_remembered_however_the_log_is_cut(new_books: NewBooks) -> None:
    """What would break it: counting what one batch has given."""
    caps = {
        "join": [{"points": 100, "per": "month"}, {"points": 50, "per": "day", "kind": "reject"}],
        "review": [{"points": 45, "per": "week"}],
    }
    document = programme(caps=caps)
    script = Script(programme=document)
    at = local(SHANGHAI, 2025, 3, 3, 9)
    for n in range(14):
        script.join(f"quiz{n}", at=at + timedelta(hours=9 * n))
        script.review(f"sku{n}", at=at + timedelta(hours=9 * n))
    records = [told(step, MEMBER, SHANGHAI) for step in script.steps if isinstance(step, Activity)]
    dumps = []
    for size in (1, 5, 100):
        books = await new_books()
        await books.load(document)
        await books.apply([activated()])
        for start in range(0, len(records), size):
            await books.apply(records[start : start + size])
        assert await books.broken() == {}
        dumps.append(await books.dump())
    assert dumps[0] == dumps[1] == dumps[2]
    joined = [int(row["amount"]) for row in dumps[0]["transfer"] if "'join'" in row["why"]]
    assert sum(joined) == 100  # all of it is in March
    assert {row["per"] for row in dumps[0]["earned_in_period"]} == {"day", "week", "month"}
