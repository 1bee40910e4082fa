"""Facts are said again a page at a time: a request says what it can in a moment, and where to go on. The one thing not to break: a request
ends within seconds however much there is to say, so that who asks is answered and what is said can leave meanwhile."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from uuid import UUID

SAYING_SECONDS_MAX = 1.0  # of one request, and the page that is under way then


class Page(NamedTuple):
    """How much was said, and after whom to go on; None: that was all."""

    said: int
    next: UUID | None = None


# About whom (None: everybody), and after whom to go on (None: from the beginning).
Resay = Callable[[UUID | None, UUID | None], Awaitable[Page]]
SayPage = Callable[[UUID | None], Awaitable[Page]]


async def for_a_moment(say_page: SayPage, after: UUID | None, seconds: float = SAYING_SECONDS_MAX) -> Page:
    """Pages after `after`, each a transaction of its own, until nothing is left or the time is over; at least one."""
    began, said = time.monotonic(), 0
    while True:
        page = await say_page(after)
        said, after = said + page.said, page.next
        if after is None or time.monotonic() - began >= seconds:
            return Page(said, after)


async def to_the_end(say_page: SayPage) -> int:
    """Every page; how much was said."""
    said, after = 0, None
    while True:
        page = await say_page(after)
        said, after = said + page.said, page.next
        if after is None:
            return said
