"""points-svc in a whole shop, with something between it and its database: a proxy that loses answers to COMMIT, or a ledger that has become
slow.

INVARIANT: a batch whose commit is of unknown outcome is resolved by its cursor; a batch that is too slow comes again smaller; no record is
set aside for either.
What would break it: a position kept in memory over an error, a timeout taken for poison, a batch that comes again as large as it was.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.fault.postgres.bank import fetch
from tests.fault.postgres.points_process import STATEMENT_TIMEOUT, running_points
from tests.fault.postgres.trouble import Load
from tests.fault.report import record, seed_of, sized
from tests.support.lives import quick_sessions
from tests.support.proxy import Proxy, Then
from tests.support.shop import Shop, open_shop, reference

SEED = 4
SERVICE = "points-svc"
COMMIT = b"COMMIT"
STRIKES_AT = 0.3  # of the commits
LOST_SECONDS = 30.0  # of a round; rounds go on until enough commits were cut
ROUNDS_MAX = 12
SLOW_EVENTS_SECONDS = 25  # worth of history
# Per entry: a thousand take 4 s, and a statement may take 1 s.
SLOW_LEDGER = """
CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep(0.004 * (SELECT count(*) FROM entries)); RETURN NULL; END $$;
CREATE TRIGGER be_slow AFTER INSERT ON transfer REFERENCING NEW TABLE AS entries
FOR EACH STATEMENT EXECUTE FUNCTION be_slow();
"""


@contextmanager
def points_of_its_own(shop: Shop, log: Path, *, url: str | None = None, **more: str) -> Iterator[None]:
    """points-svc of this shop as another process in its place, on another way to its database."""
    shop.stack.stop_service(SERVICE)
    settings = {
        "LAUREL_DATABASE_URL": url or shop.stack.database_url(SERVICE),
        "KAFKA_BOOTSTRAP_SERVERS": shop.stack.kafka_bootstrap,
        **shop.stack.settings.environment(),
        **more,
    }
    port = make_url(shop.url(SERVICE)).port
    with running_points(settings, log, port=port):
        yield


def commits_lost(times: int, log: Path) -> None:
    seed = seed_of("T-P03", SEED)
    rng = random.Random(seed)
    began = time.monotonic()

    def strike(chunk: bytes) -> Then:
        if COMMIT not in chunk or rng.random() >= STRIKES_AT:
            return Then.PASS
        return rng.choice((Then.DROP_REPLY, Then.DROP_REPLY, Then.DROP_REPLY, Then.CUT_BEFORE, Then.CUT_AFTER))

    with quick_sessions(), open_shop(reference(), partitions=4) as shop:
        load = Load(shop, seed, LOST_SECONDS * ROUNDS_MAX / 4)
        load.open()
        address = make_url(shop.stack.database_url(SERVICE))
        with Proxy("127.0.0.1", address.port or 0) as proxy:
            through = address.set(port=proxy.port).render_as_string(hide_password=False)
            with points_of_its_own(shop, log, url=through):
                proxy.on_request = strike
                with load.running():
                    for _ in range(ROUNDS_MAX):
                        load.run_for(LOST_SECONDS)
                        if proxy.cuts >= times or load.failed:
                            break
                proxy.on_request = None
                problems = load.problems()
        held = not problems and not load.errors() and proxy.cuts >= times
        figure = (
            f"{proxy.cuts} commits cut, of readers, relay and spendings ({proxy.replies_dropped} replies dropped):"
            f" {load.told} reports, {load.spendings} spendings, answers {dict(load.answers)}, {len(problems)} differences"
        )
    record("T-P03", figure, "000; resolved by cursor and key 100 %", held, seed, time.monotonic() - began)
    assert held, (figure, problems[:5])


@pytest.mark.fault
@pytest.mark.long
def test_100_commits_of_a_running_service_are_cut_and_resolved(tmp_path: Path) -> None:
    """T-P03: the consume loop, the relay and the spendings of the real process; 100 times."""
    commits_lost(100, tmp_path / "log")


@pytest.mark.nightly
@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_500_commits_of_a_running_service_are_cut_and_resolved(tmp_path: Path) -> None:
    """T-P03: the same, 500 times."""
    commits_lost(sized(500), tmp_path / "log")


@pytest.mark.fault
@pytest.mark.long
def test_a_batch_that_takes_too_long_comes_again_smaller(tmp_path: Path) -> None:
    """T-P08: a thousand records behind a ledger at which a statement in time can write some two hundred entries."""
    seed = seed_of("T-P08", SEED)
    began = time.monotonic()
    log = tmp_path / "log"
    with quick_sessions(), open_shop(reference(), partitions=4) as shop:
        load = Load(shop, seed, SLOW_EVENTS_SECONDS)
        load.open()
        shop.stack.stop_service(SERVICE)
        load.feed_all()
        shop.settle_without(SERVICE)
        superuser = make_url(shop.stack.superuser_url).set(database="points").render_as_string(hide_password=False)
        for statement in SLOW_LEDGER.strip().rpartition("CREATE TRIGGER")[::2]:
            trigger = "" if statement.startswith("CREATE") else "CREATE TRIGGER"
            asyncio.run(fetch(superuser, trigger + statement))
        with points_of_its_own(shop, log, **{STATEMENT_TIMEOUT: "1s"}):
            problems = load.problems()
            dead = shop.dead_letters()
    timeouts = log.read_text(errors="replace").count("statement timeout")
    held = not problems and timeouts > 0 and not [one for one in dead if one["topic"] != "channel-activities"]
    figure = (
        f"{load.told} reports behind a slow ledger: {timeouts} statements over 1 s, then smaller,"
        f" {len(problems)} differences"
    )
    record("T-P08", figure, "batch retried smaller; 000", held, seed, time.monotonic() - began)
    assert held, (figure, problems[:5])
