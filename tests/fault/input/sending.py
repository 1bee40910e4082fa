"""How bad input gets into a running shop: raw bytes over a socket, records with any key and header. And what came of it, read from the
door's own database: what was accepted, and what was set aside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, RecordTooLargeError

from tests.support.shop import Shop

PRODUCE_BYTES_MAX = 32 * 2**20  # the client lets everything through: what is too large is for the broker to say
ANSWER_SECONDS = 30.0
SETTLE_SECONDS = 120.0
SETTLE_SECONDS_EACH = 0.005  # 200 a second, through the whole chain, on a machine that does other things too
CHANNELS = "channel-activities"

Place = tuple[int, int]  # partition and offset
Record = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes | None]]]  # key, value, headers


@dataclass(frozen=True)
class Reply:
    """What a socket was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def is_problem(self) -> bool:
        """Whether it is one as RFC 9457 has it."""
        if self.headers.get("content-type") != "application/problem+json":
            return False
        document = self.document
        return {"type", "title", "status"} <= set(document) and bool(document["status"] == self.status)


def address_of(url: str) -> tuple[str, int]:
    """Host and port."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def exchange(url: str, request: bytes) -> Reply:
    """Send these bytes and read one answer; a peer that closes while we still send is a peer that has answered."""
    with socket.create_connection(address_of(url), timeout=ANSWER_SECONDS) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        return read_reply(connection)


def read_reply(connection: socket.socket) -> Reply:
    """One answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection, received)
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += _more(connection, received)
    return Reply(int(first.split(" ")[1]), headers, body)


def _more(connection: socket.socket, received: bytes) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError(f"closed after {received[:200]!r}")
    return data


def request_of(
    method: str, path: str, body: bytes | None = None, headers: Iterable[tuple[bytes, bytes]] = (), host: str = "shop"
) -> bytes:
    """A request as bytes; nothing is checked and nothing is added but Host and Content-Length."""
    lines = [f"{method} {path} HTTP/1.1".encode(), b"host: " + host.encode()]
    lines += [name + b": " + value for name, value in headers]
    if body is not None:
        lines.append(b"content-length: " + str(len(body)).encode())
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def produce(bootstrap: str, topic: str, records: Sequence[Record], partition: int | None = None) -> list[Place | None]:
    """Lay records into a topic, in this order; where each stands, None for one that the broker does not take."""
    return asyncio.run(_produce(bootstrap, topic, records, partition))


async def _produce(bootstrap: str, topic: str, records: Sequence[Record], partition: int | None) -> list[Place | None]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_request_size=PRODUCE_BYTES_MAX)
    await producer.start()
    try:
        sent = [
            await producer.send(topic, value, key=key, headers=list(headers), partition=partition)
            for key, value, headers in records
        ]
        return [await _place(one) for one in sent]
    finally:
        await producer.stop()


async def _place(sent: Any) -> Place | None:
    try:
        metadata = await sent
    except (MessageSizeTooLargeError, RecordTooLargeError):
        return None
    return (metadata.partition, metadata.offset)


def accepted(shop: Shop, prefix: str) -> list[tuple[str, str]]:
    """(source, id) of all activities whose source begins with this, as the door has kept them."""
    rows = ask(shop, "SELECT source, id FROM activity WHERE source LIKE $1 || '%'", prefix)
    return [(row["source"], row["id"]) for row in rows]


def set_aside(shop: Shop, topic: str = CHANNELS, service: str = "member-svc") -> dict[Place, str]:
    """Reasons of the dead letters of a topic, by place."""
    rows = ask(shop, "SELECT partition, at_offset, reason FROM dead_letter WHERE topic = $1", topic, service=service)
    return {(row["partition"], row["at_offset"]): row["reason"] for row in rows}


def waiting(shop: Shop) -> str:
    """All reports that wait for their order, as one text."""
    return "\n".join(bytes(row["report"]).decode() for row in ask(shop, "SELECT report FROM waiting"))


def settle(shop: Shop, reports: int = 0) -> None:
    """Until everything has been read by everybody. Fails when a lane has stopped."""
    shop.rested = False
    shop.settle(SETTLE_SECONDS + reports * SETTLE_SECONDS_EACH)


def ask(shop: Shop, statement: str, *values: Any, service: str = "member-svc", url: str = "") -> list[Any]:
    """Rows of a service's database, as its owner; or as somebody else."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(url or shop.stack.database_url(service))
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    return asyncio.run(run())
