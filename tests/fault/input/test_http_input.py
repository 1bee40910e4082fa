"""T-H02 to T-H04, T-H06, T-H07, T-H13: what comes over HTTP and is no request that could be meant is a 4xx, at once, as a problem."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.fault.input.malformed import sale, text, with_data
from tests.fault.input.sending import Reply, exchange, request_of
from tests.fault.report import record
from tests.support.shop import Report, Shop

pytestmark = pytest.mark.fault

JSON = ((b"content-type", b"application/json"),)
MB = 2**20
REFUSED_WITHIN_SECONDS = 0.1
RSS_GROWTH_MAX = 16 * MB
TELLTALES = (
    "Traceback",
    "SELECT",
    "asyncpg",
    "sqlalchemy",
    "postgresql",
    "/src/",
    ".py",
    "127.0.0.1",
    "localhost",
    "uvicorn",
)


def post(shop: Shop, body: bytes, headers: Any = JSON, path: str = "/v1/activities") -> Reply:
    return exchange(shop.url("member-svc"), request_of("POST", path, body, headers))


def outcome(shop: Shop, report: Report | bytes) -> tuple[str, str | None]:
    """Outcome and reason of one report; ("problem", type) for a 4xx."""
    reply = post(shop, report if isinstance(report, bytes) else text(report))
    assert reply.status < 500, reply
    if reply.status != 202:
        return "problem", reply.document["type"]
    (one,) = reply.document["outcomes"]
    return one["outcome"], one.get("reason")


NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1.0",
    '"5"',
    "true",
    "null",
    str(2**53 + 1),
    str(2**63),
    "-1",
    "[5]",
    "5e0",
]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_that_is_no_amount_is_refused_by_the_door_and_by_the_ledger(shop: Shop, number: str) -> None:
    """T-H02: broken by a decoder that rounds, or takes a string or a truth value for a number. -0 is the integer 0 (kind 80)."""
    word = f"h02-{NUMBERS.index(number)}"
    assert outcome(shop, text(sale(word, 4242)).replace(b"4242", number.encode()))[0] in ("refused", "problem")
    headers = (*JSON, (b"idempotency-key", f"h02-{NUMBERS.index(number):016d}".encode()))
    body = b'{"points": ' + number.encode() + b"}"
    reply = exchange(shop.url("points-svc"), request_of("POST", f"/v1/members/{uuid4()}/spendings", body, headers))
    # 2^53+1 is above what one spending may be, too.
    assert (reply.status, reply.is_problem) == (422, True), reply


# What stands in an id, and whether the door takes it. An id is taken as it is or refused, never mended (member_svc/domain/written.py).
IDS = {
    "zero-width": ("order\u200b{}", "refused"),
    "right-to-left override": ("\u202eorder{}", "refused"),
    "NUL": ("order\0{}", "refused"),
    "four bytes": ("order-\U0001f600-{}", "accepted"),
    "homoglyph": ("\u043erder-{}", "accepted"),  # a Cyrillic o: another id, and shown as what it is
    "composed": ("caf\u00e9-{}", "accepted"),
    "decomposed": ("cafe\u0301-{}", "refused"),
    "full-width": ("\uff11\uff12-{}", "refused"),
    "1 MB": ("x" * MB + "{}", "refused"),
    "blanks around": (" order-{} ", "refused"),
}


@pytest.mark.parametrize("name", IDS)
def test_an_id_is_taken_as_it_is_or_refused(shop: Shop, name: str) -> None:
    """T-H03: broken by two orders that look like one, or by one that cannot be found under the characters it was told with."""
    form, wanted = IDS[name]
    word = f"h03-{list(IDS).index(name)}"
    order = form.format(word)
    assert outcome(shop, with_data(sale(word), order_id=order))[0] == wanted
    if wanted == "accepted":
        assert (
            outcome(shop, sale(f"{word}-twin") | {"data": with_data(sale(word), order_id=order)["data"]})[0]
            == "duplicate"
        )


def test_twins_of_an_identifier_are_one_person(shop: Shop) -> None:
    """T-H03: NFC and NFD, upper and lower case, full-width and narrow: broken by a member who is enrolled twice."""
    twins = [
        [("email", "Caf\u00e9@Example.org"), ("email", "cafe\u0301@example.org")],
        [("phone", "+86 138-0000 0001"), ("phone", "\uff0b86\uff11\uff13\uff1800000001")],
        [("card", "\u212b-77"), ("card", "A\u030a-77")],
    ]
    for number, pair in enumerate(twins):
        members = set()
        for side, (kind, value) in enumerate(pair):
            report = with_data(sale(f"h03-twin-{number}-{side}"), identifier={"kind": kind, "value": value})
            members.add(post(shop, text(report)).document["outcomes"][0]["member_id"])
        assert len(members) == 1, pair
    unseen = with_data(sale("h03-unseen"), identifier={"kind": "card", "value": "7\u200b7"})
    assert outcome(shop, unseen) == ("refused", "invalid")
    assert outcome(shop, text(sale("h03-lone")).replace(b"card-h03", b"\\udc00")) == ("problem", "malformed")


def hostile() -> dict[str, tuple[bytes, Any, set[int]]]:
    """Name → body, headers, the answers that are right. A 202 holds a refusal of its own for the one report in it."""
    good = text(sale("h04"))
    deep = b"[" * 10_000 + b"]" * 10_000
    bomb = gzip.compress(b"0" * 50 * MB)
    return {
        "depth 10,000": (deep, JSON, {400}),
        "depth 10,000 in an unknown field": (
            good.replace(b'"order_id"', b'"x": ' + deep + b', "order_id"'),
            JSON,
            {400},
        ),
        "duplicate keys": (good.replace(b'"currency"', b'"amount_minor": 1, "currency"'), JSON, {202}),
        "trailing garbage": (good + b"garbage", JSON, {400}),
        "byte order mark": (b"\xef\xbb\xbf" + good, JSON, {400}),
        "another charset": (good, ((b"content-type", b"application/json; charset=iso-8859-1"),), {415}),
        "another kind": (b"<sale/>", ((b"content-type", b"text/xml"),), {415}),
        "a form": (b"a=b", ((b"content-type", b"application/x-www-form-urlencoded"),), {415}),
        "gzip bomb 1000:1": (bomb, (*JSON, (b"content-encoding", b"gzip")), {415}),
        "gzip bomb, unannounced": (bomb, JSON, {400}),
    }


@pytest.mark.alone
def test_what_no_route_could_read_is_refused_at_once_and_costs_no_memory(shop: Shop) -> None:
    """T-H04: broken by a parser that recurses, inflates, guesses a charset, or keeps the last of two keys."""
    process = psutil.Process(shop.stack.pids()["member-svc"])
    post(shop, text(sale("h04-warm")))
    before, slowest, wrong = process.memory_info().rss, 0.0, []
    for name, (body, headers, right) in hostile().items():
        began = time.perf_counter()
        reply = post(shop, body, headers)
        slowest = max(slowest, time.perf_counter() - began)
        refused = reply.is_problem if reply.status != 202 else reply.document["outcomes"][0]["outcome"] == "refused"
        if reply.status not in right or not refused:
            wrong.append((name, reply))
    began = time.perf_counter()
    large = exchange(
        shop.url("member-svc"), request_of("POST", "/v1/activities", None, [*JSON, (b"content-length", b"50000000")])
    )
    slowest = max(slowest, time.perf_counter() - began)
    growth = process.memory_info().rss - before
    good = (
        not wrong
        and (large.status, large.is_problem) == (413, True)
        and slowest <= REFUSED_WITHIN_SECONDS
        and growth <= RSS_GROWTH_MAX
    )
    figure = f"{len(hostile()) + 1} bodies, wrong {len(wrong)}, slowest {slowest * 1000:.0f} ms, memory +{growth / MB:.1f} MB"
    record("T-H04", figure, "400/413/415 or refused within 100 ms, memory ≤ +16 MB", good)
    assert good, (figure, wrong, large)


def test_a_prototype_is_an_unknown_field_like_any_other(shop: Shop) -> None:
    """T-H04: `__proto__` is ignored and never said on."""
    word = "h04-proto"
    member_id = post(shop, text(with_data(sale(word), __proto__={"tier": "diamond"}))).document["outcomes"][0][
        "member_id"
    ]
    assert "__proto__" not in httpx.get(f"{shop.url('member-svc')}/v1/members/{member_id}/activities").text


TARGETS = [
    "/v1/members/../../etc/passwd",
    "/v1/programmes/..%2f..%2fetc%2fpasswd",
    "/v1/programmes/%2e%2e/%2e%2e/etc",
    "//v1/days",
    "/v1/days/",
    "/V1/days",
    "/v1/Days",
    "/v1//days",
    "/v1/days;x=1",
    "/v1/days%00",
    "/v1/members/%00",
    "/v1/days/close/",
    "/docs/../v1/days",
    "/.git/config",
    "/v1/members?identifier=card:%00",
    "/v1/members/1%20OR%201=1",
    "/openapi.json/",
]
BROKEN = [
    b"GET / HTTP/1.1\r\nBad\r\n\r\n",
    b"NONSENSE\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nA: b\rc\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nA : b\r\n\r\n",
    b"POST /v1/activities HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/activities HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n[]   ",
    b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\x00b\r\n\r\n",
    b"GET /livez HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
]


def test_an_address_or_a_head_that_is_no_request_is_refused(shop: Shop) -> None:
    """T-H06, T-H12: traversal, case, slashes, splitting, smuggling: broken by a redirect, by a route that is found under another name,
    or by an answer that repeats what the caller sent. There are no webhook addresses yet, so nothing can be made to call out."""
    wrong = []
    for service in ("member-svc", "points-svc", "tier-svc", "campaign-svc"):
        for target in TARGETS:
            reply = exchange(shop.url(service), request_of("GET", target, host="evil.example"))
            if (
                reply.status not in (400, 404, 405, 422)
                or not reply.is_problem
                or "location" in reply.headers
                or b"evil" in reply.body
            ):
                wrong.append((service, target, reply))
        for request in BROKEN:
            reply = exchange(shop.url(service), request)
            if reply.status not in (400, 431) or not reply.is_problem:
                wrong.append((service, request[:80].decode("latin-1"), reply))
    split = exchange(
        shop.url("member-svc"), request_of("GET", "/livez", headers=[(b"x-request-id", b"a%0d%0aSet-Cookie:x")])
    )
    figure = f"{4 * (len(TARGETS) + len(BROKEN)) - len(wrong)} of {4 * (len(TARGETS) + len(BROKEN))} refused"
    record(
        "T-H06", figure, "100 %; no webhook addresses yet", not wrong and "set-cookie" not in str(split.headers).lower()
    )
    assert wrong == []
    assert "cookie" not in str(split.headers).lower()


@pytest.mark.parametrize(("items", "status"), [(1, 202), (1_000, 202), (1_001, 413), (100_000, 413)])
def test_a_thousand_reports_are_taken_and_more_are_refused_as_a_whole(shop: Shop, items: int, status: int) -> None:
    """T-H07: broken by a limit that is off by one, or that takes a part and does not say so."""
    # Bad reports in odd places: each gets an outcome of its own. A hundred thousand fit into 8 MiB only when they are short.
    reports = (
        [sale(f"h07-{items}-{n}") if n % 2 == 0 else {"id": str(n)} for n in range(items)]
        if items <= 1_001
        else [{}] * items
    )
    reply = post(shop, text(reports))
    record("T-H07", f"{items:,} items: {reply.status}", str(status), reply.status == status)
    assert reply.status == status
    if status == 202:
        words = [one["outcome"] for one in reply.document["outcomes"]]
        assert words == [("accepted", "refused")[n % 2] for n in range(items)]
    else:
        assert (reply.is_problem, reply.document["type"]) == (True, "too_many_reports")


def test_every_error_is_a_problem_that_shows_nothing_of_the_inside(shop: Shop) -> None:
    """T-H13: 400, 404, 405, 409, 413, 415, 422 and 431 of every service; the 500 of an injected defect is in tests/contract/http."""
    shown = []
    for service in ("member-svc", "points-svc", "tier-svc", "campaign-svc"):
        version = request_of("PUT", "/v1/programmes/1", json.dumps(_other_programme(shop)).encode(), JSON)
        requests = [
            request_of("GET", "/nowhere"),
            request_of("DELETE", "/livez"),
            request_of("GET", "/v1/dead-letters/0"),
            request_of("GET", "/%00"),
            request_of("POST", "/v1/resay", b"{", JSON),
            request_of("POST", "/v1/resay", b"x", ((b"content-type", b"image/png"),)),
            request_of("POST", "/v1/resay", None, [*JSON, (b"content-length", b"90000000")]),
            request_of("PUT", "/v1/programmes/1", b"{", JSON),
            request_of("PUT", "/v1/programmes/2", b"[]", JSON),
            version,
            *BROKEN[-2:],
        ]
        for request in requests:
            reply = exchange(shop.url(service), request)
            if not (400 <= reply.status < 500 and reply.is_problem) or any(
                word in reply.body.decode() for word in TELLTALES
            ):
                shown.append((service, request[:60], reply))
            assert "server" not in reply.headers
    record("T-H13", f"{len(shown)} answers that are no problem or show the inside", "0", not shown)
    assert shown == []


def _other_programme(shop: Shop) -> Any:
    document = httpx.get(f"{shop.url('member-svc')}/v1/programmes/1", timeout=30.0).json()["document"]
    return document | {"close_delay_hours": document["close_delay_hours"] + 1}
