"""A caller that costs next to nothing: HTTP/1.1 on a bare connection, so that five hundred of them fit beside the service they measure."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, Self

import msgspec

READ_SECONDS_MAX = 30.0


class Answered(NamedTuple):
    """One answer, and how long it took from the last byte sent."""

    status: int
    headers: dict[str, str]
    seconds: float


class Caller:
    """One connection, kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connected(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def post(self, path: str, document: object, key: str) -> Answered:
        body = msgspec.json.encode(document)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: points\r\nContent-Type: application/json\r\nIdempotency-Key: {key}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return await self._ask(head, body)

    async def get(self, path: str) -> Answered:
        return await self._ask(f"GET {path} HTTP/1.1\r\nHost: points\r\n\r\n", b"")

    async def _ask(self, head: str, body: bytes) -> Answered:
        began = time.monotonic()
        self._writer.write(head.encode() + body)
        async with asyncio.timeout(READ_SECONDS_MAX):
            answer = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            seconds = time.monotonic() - began
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in answer[1:])}
            await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Answered(int(answer[0].split()[1]), headers, seconds)

    def close(self) -> None:
        self._writer.close()
