"""T-K21: each of the 110 malformed kinds, alone, gets the answer that stands beside it in the table: over HTTP, on `channel-activities`,
and on `activities` as its readers see it. And what is good behind it is taken."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.fault.input.kinds import KINDS
from tests.fault.input.malformed import KEY, ON_THE_LOG, Answer, Kind, Sent, sale, text
from tests.fault.input.sending import (
    CHANNELS,
    Place,
    accepted,
    exchange,
    produce,
    request_of,
    set_aside,
    settle,
    waiting,
)
from tests.fault.report import record
from tests.support.shop import Shop

READERS = {
    "points-svc": "/v1/members/{}/balance",
    "tier-svc": "/v1/members/{}/standing",
    "campaign-svc": "/v1/members/{}/decisions",
}


def test_the_table_has_all_110_kinds_and_a_remark_wherever_one_is_not_refused() -> None:
    """T-K21: broken by a kind that is left out, or one that is accepted and nobody says why."""
    assert [kind.number for kind in KINDS] == list(range(1, 111))
    silent = [kind.number for kind in KINDS if "accepted" in (kind.http.word, kind.topic.word) and not kind.remark]
    assert silent == []
    assert {kind.number for kind in KINDS if kind.log is not None} == ON_THE_LOG.keys()


def post(shop: Shop, sent: Sent) -> Answer:
    """Over HTTP: one report is the whole body."""
    for report in sent.before:
        assert post(shop, Sent(text(report))) == Answer("accepted"), report
    reply = exchange(shop.url("member-svc"), request_of("POST", "/v1/activities", sent.value or b"", sent.http_headers))
    if reply.status != 202:
        assert reply.is_problem, reply
        return Answer("problem", reply.document["type"], reply.status)
    (outcome,) = reply.document["outcomes"]
    return Answer(outcome["outcome"], outcome.get("reason") or "")


@pytest.mark.fault
def test_over_http_every_kind_gets_its_answer_and_the_good_one_behind_it_is_taken(shop: Shop) -> None:
    """T-K21: broken by a kind that gives a 5xx, another answer, or costs the next report."""
    wrong = []
    for kind in KINDS:
        word = f"http-{kind.number}"
        answer = post(shop, kind.make(word))
        behind = post(shop, Sent(text(sale(f"{word}-behind"))))
        if answer != kind.http or behind != Answer("accepted"):
            wrong.append((kind.number, kind.words, answer, behind))
    record("T-K21 over HTTP, alone", f"{len(KINDS) - len(wrong)} of 110 as in the table", "110", not wrong)
    assert wrong == []


@pytest.mark.fault
def test_on_the_topic_every_kind_gets_its_answer_and_the_good_ones_behind_it_are_taken(shop: Shop) -> None:
    """T-K21: broken by a kind that ends or stops the reader, is lost without a dead letter, or takes a neighbour along."""
    made = {kind.number: kind.make(f"topic-{kind.number}") for kind in KINDS}
    before = [(KEY, text(report), ()) for sent in made.values() for report in sent.before]
    good = [text(sale(f"topic-{kind.number}-behind")) for kind in KINDS]
    produce(shop.stack.kafka_bootstrap, CHANNELS, before, partition=1)
    # One partition: then what stands before a kind, the kind, and what stands behind it meet in one batch.
    records = [
        one
        for kind, behind in zip(KINDS, good, strict=True)
        for one in ((made[kind.number].key, made[kind.number].value, made[kind.number].headers), (KEY, behind, ()))
    ]
    places = produce(shop.stack.kafka_bootstrap, CHANNELS, records, partition=1)
    settle(shop)
    letters, taken = set_aside(shop), {source for source, _ in accepted(shop, "")}
    waits = waiting(shop)
    answers = {
        kind.number: _seen(kind, place, letters, taken, waits) for kind, place in zip(KINDS, places[::2], strict=True)
    }
    wrong = [(k.number, k.words, answers[k.number]) for k in KINDS if answers[k.number] != k.topic]
    lost = [kind.number for kind in KINDS if f"pos/topic-{kind.number}-behind" not in taken]
    figure = f"{len(KINDS) - len(wrong)} of 110 as in the table, {len(lost)} good ones lost"
    record("T-K21 on the topic, alone", figure, "110, 0 lost", not wrong and not lost)
    assert (wrong, lost) == ([], [])


def _seen(kind: Kind, place: Place | None, letters: dict[Place, str], taken: set[str], waits: str) -> Answer:
    """What the door made of a record."""
    if place is None:
        return Answer("broker", kind.topic.reason)
    if place in letters:
        return Answer("dead", letters[place])
    if any(f"{channel}topic-{kind.number}" in taken for channel in ("pos/", "web/not-")):
        return Answer("accepted")
    return Answer("waiting") if f"r-topic-{kind.number}" in waits else Answer("nothing")


@pytest.mark.fault
def test_on_the_log_every_reader_sets_aside_or_takes_what_no_relay_of_ours_says(shop: Shop) -> None:
    """T-K21, kinds 1 to 6 and 67 to 70 on `activities`: broken by a record of ours that halts a lane, counts for a member whom its key does
    not name, or disappears."""
    wrong = []
    kinds = [kind for kind in KINDS if kind.log is not None]
    members = {kind.number: uuid4() for kind in kinds}
    made = [ON_THE_LOG[kind.number](members[kind.number]) for kind in kinds]
    places = produce(
        shop.stack.kafka_bootstrap, "activities", [(one.key, one.value, one.headers) for one in made], partition=0
    )
    settle(shop)
    for service, path in READERS.items():
        letters = set_aside(shop, "activities", service)
        for kind, place in zip(kinds, places, strict=True):
            assert place is not None
            known = httpx.get(shop.url(service) + path.format(members[kind.number]), timeout=30.0).status_code == 200
            seen = Answer("dead", letters[place]) if place in letters else Answer("accepted" if known else "nothing")
            if seen != kind.log:
                wrong.append((service, kind.number, kind.words, seen))
    record("T-K21 on the log", f"{len(kinds) * 3 - len(wrong)} of {len(kinds) * 3} as in the table", "all", not wrong)
    assert wrong == []
