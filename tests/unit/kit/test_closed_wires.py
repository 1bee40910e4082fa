"""A broker that dies between two looks of the client: the client is told that its connection is closed, and connects again.

INVARIANT: no request to Kafka ends with anything but an error of Kafka, so that the client's own tasks live.
What would break it: uvloop's RuntimeError for a transport that is closed (aiokafka issue 1038) goes through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from laurel_kit import closed_wires

METADATA_API = 3


async def on_a_connection(do: Callable[[Any], Awaitable[None]]) -> None:
    """To a listener that takes the connection and says nothing."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    connection: Any = AIOKafkaConnection("127.0.0.1", server.sockets[0].getsockname()[1])

    async def versions_are_known() -> None:
        connection._versions = {METADATA_API: (0, 5)}

    connection._do_version_lookup = versions_are_known
    await connection.connect()
    try:
        await do(connection)
    finally:
        connection.close()
        server.close()


async def closed_under_us(connection: Any) -> None:
    connection._writer.transport.abort()
    await asyncio.sleep(0)  # the handle is gone only in the loop's next round; the client has not noticed yet


def test_a_request_on_a_connection_that_was_closed_says_that_the_connection_is_closed() -> None:
    async def ask(connection: Any) -> None:
        await closed_under_us(connection)
        with pytest.raises(KafkaConnectionError):
            await connection.send(MetadataRequest([]))
        assert not connection.connected()

    closed_wires.tolerate()
    uvloop.run(on_a_connection(ask))


def test_another_runtime_error_of_a_request_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("something else")

    async def ask(connection: Any) -> None:
        with pytest.raises(RuntimeError, match="something else"):
            await connection.send(MetadataRequest([]))

    monkeypatch.setattr(closed_wires, "_send", broken)
    closed_wires.tolerate()
    uvloop.run(on_a_connection(ask))
