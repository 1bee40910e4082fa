"""Saying again a page at a time: a request is bounded, and its cursors leave nothing out."""

from __future__ import annotations

from uuid import UUID

from laurel_kit.resaying import Page, for_a_moment, to_the_end

PAGES = 5


async def say_page(after: UUID | None) -> Page:
    """Five pages of ten; the cursor is the number of the page."""
    number = 1 if after is None else after.int + 1
    return Page(10, UUID(int=number) if number < PAGES else None)


async def test_a_request_ends_when_its_time_is_over_and_says_where_to_go_on() -> None:
    assert await for_a_moment(say_page, None, seconds=0) == Page(10, UUID(int=1))
    assert await for_a_moment(say_page, UUID(int=3), seconds=0) == Page(10, UUID(int=4))
    assert await for_a_moment(say_page, UUID(int=4), seconds=0) == Page(10, None)


async def test_what_can_be_said_in_time_is_said_in_one_request() -> None:
    assert await for_a_moment(say_page, None, seconds=60) == Page(50, None)
    assert await to_the_end(say_page) == 50
