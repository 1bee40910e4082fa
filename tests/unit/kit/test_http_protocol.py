"""An answer is one piece to the network. What would break it: a head that is kept for ever, or sent after what follows it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from laurel_kit.http_protocol import OneWrite

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire:
    """A transport that remembers."""

    def __init__(self) -> None:
        self.did: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.did.append(data)

    def close(self) -> None:
        self.did.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.did


def answering() -> tuple[Wire, OneWrite]:
    wire = Wire()
    return wire, OneWrite(cast(Any, wire), asyncio.get_running_loop())


async def test_head_and_body_are_one_write() -> None:
    wire, answer = answering()
    answer.write(HEAD)
    answer.write(b"{}")
    answer.write(b"more")
    await asyncio.sleep(0)
    assert wire.did == [HEAD + b"{}", b"more"]


async def test_a_head_that_no_body_follows_goes_in_the_loops_next_turn() -> None:
    wire, answer = answering()
    answer.write(HEAD)
    assert wire.did == []
    await asyncio.sleep(0)
    assert wire.did == [HEAD]


async def test_a_head_that_is_kept_goes_before_the_end() -> None:
    wire, answer = answering()
    answer.write(HEAD)
    answer.close()
    await asyncio.sleep(0)
    assert wire.did == [HEAD, "closed"]
    assert answer.is_closing()


async def test_two_answers_on_one_connection_stay_in_their_order() -> None:
    wire, answer = answering()
    for number in (b"1", b"2"):
        answer.write(HEAD)
        answer.write(number)
    await asyncio.sleep(0)
    assert wire.did == [HEAD + b"1", HEAD + b"2"]
