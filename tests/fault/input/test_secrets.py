"""T-A09: secrets and identifiers are canaries, and everything that leaves a process is searched for them: the passwords stand nowhere, an
identifier nowhere but in member-svc and on `channel-activities` (architecture.md, "contracts")."""

from __future__ import annotations

import asyncio
import importlib
import traceback
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from typer.testing import CliRunner

from laurel_cli.main import app as command_line
from laurel_cli.services import Refused
from laurel_kit import header_names
from laurel_kit.settings import SettingsError
from tests.fault.input.malformed import KEY, sale, text, with_data, without
from tests.fault.input.sending import CHANNELS, ask, exchange, produce, request_of, settle
from tests.fault.report import record
from tests.support.shop import Deadline, Report, Shop

pytestmark = pytest.mark.fault

SERVICES = ("member-svc", "points-svc", "tier-svc", "campaign-svc")
PASSWORD = "canary-9b1d-3f7e"
JSON = ((b"content-type", b"application/json"),)
PEOPLE = {
    "phone": "+8613900canary01", "email": "canary.zhang@example.org", "card": "CANARY-CARD-0001",
    "open_id": "oCANARY-OPEN-0001", "external_id": "CANARY-EXTERNAL-0001",
}  # fmt: skip
CUT_OFF = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE '%\\_app'"
NEEDLE = "canary"  # of all identifiers, in any case
# A password stands in an address that cannot be read: whoever quotes the address, or a piece of it, quotes the password.
UNREADABLE = (
    f"postgresql://svc:{PASSWORD}@127.0.0.1:port/db", f"svc:{PASSWORD}@nowhere", f"mysql://svc:{PASSWORD}@127.0.0.1/db",
    f"postgresql://svc:{PASSWORD}@[::1/db",
)  # fmt: skip


def told(way: str) -> Iterator[Report]:
    """About each canary: a good report, and bad ones whose refusal might quote him."""
    for number, (kind, value) in enumerate(PEOPLE.items()):
        person = {"identifier": {"kind": kind, "value": value}}
        word = f"a09-{way}-{number}"
        yield with_data(sale(word), **person)
        yield with_data(sale(f"{word}-sum"), amount_minor=1, **person)
        yield with_data(sale(f"{word}-kind"), identifier={"kind": f"no-{value}", "value": value})
        yield with_data(sale(f"{word}-unseen"), identifier={"kind": kind, "value": f"{value}\u200b"})
        yield with_data(sale(word, 2000, id=f"{word}-conflict"), **person)
        yield without(with_data(sale(f"{word}-id"), **person), "id")


def exercise(shop: Shop) -> list[str]:
    """Make everybody speak of the canaries, and let the databases fail for a moment; the bodies of all errors."""
    bodies = []
    reports = list(told("http"))
    exchange(shop.url("member-svc"), request_of("POST", "/v1/activities", text(reports), JSON))
    produce(shop.stack.kafka_bootstrap, CHANNELS, [(KEY, text(report), ()) for report in told("topic")])
    for kind, value in PEOPLE.items():
        body = {"identifiers": [{"kind": kind, "value": value}, {"kind": "card", "value": f"{value}\u200b"}]}
        for address in (f"/v1/members?identifier={kind}:{value}x", f"/v1/members?identifier={kind}{value}"):
            bodies.append(httpx.get(shop.url("member-svc") + address).text)
        bodies.append(httpx.post(f"{shop.url('member-svc')}/v1/members", json=body).text)
    settle(shop)
    for service in SERVICES:
        ask(shop, CUT_OFF, url=shop.stack.superuser_url)
        for path in ("/readyz", "/v1/programmes", "/nowhere", "/v1/dead-letters/0", "/%00"):
            bodies.append(httpx.get(shop.url(service) + path).text)
    _settle_again(shop)
    return bodies


def _settle_again(shop: Shop) -> None:
    """A connection that was cut is noticed by whoever uses it next: he hears a 503 and comes again."""
    until = Deadline(60.0)
    again = request_of("POST", "/v1/activities", text(sale("a09-again")), JSON)
    while exchange(shop.url("member-svc"), again).status == 503:
        assert not until.passed()
        until.wait()
    while True:
        try:
            return settle(shop)
        except Refused as refused:
            if refused.status != 503 or until.passed():
                raise
            until.wait()


def everything_seen(shop: Shop, bodies: list[str]) -> dict[str, str]:
    """Name → all text of it, but for what only member-svc may show."""
    home = shop.stack.home.root
    seen = {f"logs/{path.name}": path.read_text(errors="replace") for path in sorted((home / "logs").iterdir())}
    for service in SERVICES:
        pages = [
            httpx.get(shop.url(service) + path).text
            for path in ("/metrics", "/progress", "/v1/dead-letters?limit=1000")
        ]
        seen[f"{service} over HTTP"] = "\n".join(pages)
    runner = CliRunner()
    for name, arguments in {
        "status": ["status"],
        "logs": ["logs", "-n", "100000"],
        "dead letters": ["dlq", "list"],
    }.items():
        ended = runner.invoke(command_line, [*arguments, "--json", "--home", str(home)])
        assert ended.exit_code == 0, ended.output
        seen[f"laurel {name}"] = ended.output
    return seen | {"errors": "\n".join(bodies)} | asyncio.run(topics(shop.stack.kafka_bootstrap))


async def topics(bootstrap: str) -> dict[str, str]:
    """Every record of every topic, keys and headers too; also those whose header names are not UTF-8."""
    header_names.tolerate()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    described = [one for one in await admin.describe_topics() if not one["topic"].startswith("__")]
    await admin.close()
    parts = [TopicPartition(one["topic"], part["partition"]) for one in described for part in one["partitions"]]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    found: dict[str, list[str]] = {}
    try:
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        open_parts = {part for part in parts if ends[part] > (await consumer.beginning_offsets([part]))[part]}
        while open_parts:
            for part, records in (await consumer.getmany(timeout_ms=500, max_records=5000)).items():
                for one in records:
                    found.setdefault(part.topic, []).append(
                        f"{one.key!r} {one.headers!r} {(one.value or b'').decode('utf-8', 'replace')}"
                    )
                if records and records[-1].offset + 1 >= ends[part]:
                    open_parts.discard(part)
    finally:
        await consumer.stop()
    return {f"topic {name}": "\n".join(lines) for name, lines in found.items()}


def rows_of(shop: Shop, service: str) -> str:
    """Every row of every table of a service, as text; byte columns too."""
    tables = ask(shop, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", service=service)
    rows = [row[0] for table in tables for row in ask(shop, f'SELECT t::text FROM "{table[0]}" t', service=service)]
    # The text of a bytea is hexadecimal.
    return "\n".join(rows).lower().replace(NEEDLE.encode().hex(), NEEDLE).replace(NEEDLE.upper().encode().hex(), NEEDLE)


def passwords_of(shop: Shop) -> set[str]:
    """Those that the stack has really given to its databases."""
    stack = shop.stack
    addresses = [stack.superuser_url, *map(stack.database_url, SERVICES), *map(stack.login_url, SERVICES)]
    return {unquote(password) for address in addresses if (password := urlsplit(address).password)}


def test_no_password_and_no_person_is_seen_where_it_does_not_belong(shop: Shop) -> None:
    """T-A09: broken by a log line, a metric, a problem, a record or a dead letter that quotes what it was given."""
    seen = everything_seen(shop, exercise(shop))
    passwords = passwords_of(shop)
    assert len(passwords) == 9
    secrets = [(name, "a password") for name, words in seen.items() for password in passwords if password in words]
    allowed = f"topic {CHANNELS}"
    assert NEEDLE in seen[allowed].lower()  # the search can find
    people = [name for name, words in seen.items() if name != allowed and NEEDLE in words.lower()]
    tables = [service for service in SERVICES[1:] if NEEDLE in rows_of(shop, service)]
    assert NEEDLE in rows_of(shop, "member-svc")
    figure = (
        f"{len(seen)} places, 9 passwords and {len(PEOPLE)} people: hits {len(secrets)} and {len(people) + len(tables)}"
    )
    record("T-A09", figure, "0 hits", not (secrets or people or tables))
    assert (secrets, people, tables) == ([], [], [])


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("address", UNREADABLE)
def test_an_address_that_cannot_be_read_is_named_and_not_quoted(service: str, address: str) -> None:
    """T-A09: broken by a start that fails with the address, or a piece of it, in its traceback."""
    module = importlib.import_module(f"{service.replace('-', '_')}.main")
    environment = {"LAUREL_DATABASE_URL": address, "LAUREL_SERVICE_PORT": "9", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    with pytest.raises(SettingsError, match="LAUREL_DATABASE_URL") as caught:
        module.build(environment)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
