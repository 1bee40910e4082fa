"""T-K21: malformed reports among good ones, 1 in 100, on the topic and over HTTP: every one gets its answer, no good one is lost or
counted twice, and the lane never stops."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.fault.input.kinds import KINDS
from tests.fault.input.malformed import ACCEPTED, KEY, Answer, Kind, Sent, sale, text
from tests.fault.input.sending import (
    CHANNELS,
    Place,
    accepted,
    ask,
    exchange,
    produce,
    request_of,
    set_aside,
    settle,
    waiting,
)
from tests.fault.report import record, seed_of, sized
from tests.support.shop import Shop

P_REPORTS = 3_000
N_REPORTS = sized(100_000)
BAD_IN = 100
LINES_PER_REQUEST = 500
POINTS_EACH = 10  # of a sale of 10.00 without campaigns
NDJSON = ((b"content-type", b"application/x-ndjson"),)
SIZES = [
    pytest.param(P_REPORTS, marks=pytest.mark.fault, id="3k"),
    pytest.param(N_REPORTS, marks=[pytest.mark.nightly, pytest.mark.long, pytest.mark.timeout(3600)], id="100k"),
]


@dataclass(frozen=True)
class Bad:
    """A malformed report at its place in the mixture."""

    kind: Kind
    word: str
    sent: Sent


@dataclass(frozen=True)
class Mixture:
    """Good reports (their words) and bad ones, in the order in which they are told."""

    prefix: str
    items: Sequence[str | Bad]

    @property
    def good(self) -> list[str]:
        return [item for item in self.items if isinstance(item, str)]

    @property
    def bad(self) -> list[Bad]:
        return [item for item in self.items if isinstance(item, Bad)]


def mixture(way: str, reports: int, seed: int, kinds: Sequence[Kind]) -> Mixture:
    """`reports` in all; each kind as often as any other, as far as they go. A bad one is never the first of a request."""
    rng = random.Random(seed)
    prefix = f"mix-{way}-{seed}-{reports}"
    items: list[str | Bad] = [f"{prefix}-good-{number}" for number in range(reports)]
    drawn: list[Kind] = []
    while len(drawn) < reports // BAD_IN:
        drawn += rng.sample(kinds, len(kinds))
    places = [number for number in range(reports) if number % LINES_PER_REQUEST]
    for place, kind in zip(rng.sample(places, reports // BAD_IN), drawn, strict=False):
        word = f"{prefix}-{kind.number}-{place}"
        items[place] = Bad(kind, word, kind.make(word))
    return Mixture(prefix, items)


@pytest.mark.parametrize("reports", SIZES)
def test_on_the_topic_one_bad_in_a_hundred_costs_no_good_one(shop: Shop, reports: int) -> None:
    """T-K21: broken by a bad record that stops its lane, takes a neighbour along, or goes without its dead letter."""
    began, seed = time.monotonic(), seed_of("T-K21", 21)
    mixed = mixture("topic", reports, seed, KINDS)
    before = [(KEY, text(report), ()) for bad in mixed.bad for report in bad.sent.before]
    produce(shop.stack.kafka_bootstrap, CHANNELS, before)
    settle(shop)
    records = [
        (item.sent.key, item.sent.value, item.sent.headers) if isinstance(item, Bad) else (None, text(sale(item)), ())
        for item in mixed.items
    ]
    places = produce(shop.stack.kafka_bootstrap, CHANNELS, records)
    settle(shop, reports)
    letters, taken = set_aside(shop), {source for source, _ in accepted(shop, "")}
    waits, wrong = waiting(shop), []
    for item, place in zip(mixed.items, places, strict=True):
        if isinstance(item, Bad) and (seen := _seen(item, place, letters, taken, waits)) != item.kind.topic.word:
            wrong.append((item.kind.number, item.kind.words, seen))
        elif isinstance(item, Bad) and place in letters and letters[place] != item.kind.topic.reason:
            wrong.append((item.kind.number, item.kind.words, letters[place]))
    _conclude(shop, "on the topic", mixed, wrong, seed, began)


@pytest.mark.parametrize("reports", SIZES)
def test_over_http_one_bad_line_in_a_hundred_costs_no_good_one(shop: Shop, reports: int) -> None:
    """T-K21: broken by a bad line that spoils its request, shifts the outcomes, or gets another answer than by itself."""
    began, seed = time.monotonic(), seed_of("T-K21", 21)
    mixed = mixture("http", reports, seed, [kind for kind in KINDS if kind.as_line().word != "problem"])
    for bad in mixed.bad:
        for report in bad.sent.before:
            assert _post(shop, [text(report)]) == [ACCEPTED]
    wrong: list[tuple[int, str, str]] = []
    for start in range(0, len(mixed.items), LINES_PER_REQUEST):
        items = mixed.items[start : start + LINES_PER_REQUEST]
        answers = iter(_post(shop, [_line(item) for item in items]))
        for item in items:
            expected = item.kind.as_line() if isinstance(item, Bad) else ACCEPTED
            if expected.word == "nothing":
                continue
            if (seen := next(answers)) != expected:
                kind = item.kind if isinstance(item, Bad) else None
                wrong.append((kind.number if kind else 0, kind.words if kind else "a good one", str(seen)))
        assert next(answers, None) is None
    settle(shop, reports)
    _conclude(shop, "over HTTP", mixed, wrong, seed, began)


def _line(item: str | Bad) -> bytes:
    line = (item.sent.value or b"") if isinstance(item, Bad) else text(sale(item))
    assert b"\n" not in line
    return line


def _post(shop: Shop, lines: Sequence[bytes]) -> list[Answer]:
    reply = exchange(shop.url("member-svc"), request_of("POST", "/v1/activities", b"\n".join(lines), NDJSON))
    assert reply.status == 202, reply
    return [Answer(one["outcome"], one.get("reason") or "") for one in reply.document["outcomes"]]


def _seen(bad: Bad, place: Place | None, letters: dict[Place, str], taken: set[str], waits: str) -> str:
    if place is None:
        return "broker"
    if place in letters:
        return "dead"
    if any(f"{channel}{bad.word}" in taken for channel in ("pos/", "web/not-")):
        return "accepted"
    return "waiting" if bad.word in waits else "nothing"


def _conclude(
    shop: Shop, way: str, mixed: Mixture, wrong: Sequence[tuple[int, str, str]], seed: int, began: float
) -> None:
    """The figures: of the good ones, what the door has taken and what the ledger has made of it."""
    told = {(f"pos/{word}", f"sale-{word}") for word in mixed.good}
    taken = accepted(shop, f"pos/{mixed.prefix}-good-")
    cards = f"card-{mixed.prefix}-good-"
    ids = {row["member_id"] for row in ask(shop, "SELECT member_id FROM identifier WHERE value LIKE $1 || '%'", cards)}
    earned = [one["earned_net"] for one in shop.services.points.balances() if one["member_id"] in {str(i) for i in ids}]
    lost, doubled = len(told - set(taken)), len(taken) - len(set(taken))
    off = [points for points in earned if points != POINTS_EACH]
    good = not wrong and not lost and not doubled and not off and len(earned) == len(told)
    figure = (
        f"{len(mixed.items):,} reports, {len(mixed.bad)} bad: {len(wrong)} answered otherwise;"
        f" good ones lost {lost}, doubled {doubled}, rated otherwise {len(off) + len(told) - len(earned)}"
    )
    record(f"T-K21 {way}, mixed", figure, "all as in the table, 000", good, seed=seed, seconds=time.monotonic() - began)
    assert good, (figure, wrong[:10], seed)
