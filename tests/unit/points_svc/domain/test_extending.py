"""A longer life on request (domain.md 3.4), in zones whose days are not all of 24 hours."""

from __future__ import annotations

from datetime import date

from points_svc.domain import extending, ledger
from points_svc.domain.extending import Longer
from points_svc.domain.spending import Refused
from tests.unit.points_svc.pure import play
from tests.unit.points_svc.script import NEW_YORK, Script, local, programme


def test_the_most_that_the_programme_allows_is_allowed_where_the_clocks_go_back_on_the_way() -> None:
    """Broken by a bound of so many times 24 hours: New York's summer ends one day after these points, and one day before they would."""
    script = Script(zone=NEW_YORK, programme=programme(zone=NEW_YORK, expiry={"extension_days_max": 366}))
    script.buy(10_000, at=local(NEW_YORK, 2024, 10, 15, 12))
    stage = play(script)
    for longer, done in (
        (Longer(days=367), False),
        (Longer(last_day=date(2026, 11, 2)), False),
        (Longer(days=366), True),
    ):
        ledger.open_page(stage.account, "extension", script.now)
        moved = extending.extend(stage.account, longer, None, now=script.now, rules=stage.rules, why={})
        ledger.close_page(stage.account)
        assert isinstance(moved, Refused) != done, longer
    assert stage.outcome().lots == ((local(NEW_YORK, 2026, 11, 2), 100),)
