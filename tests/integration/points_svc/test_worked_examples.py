"""The worked examples of domain.md 3.6 and the cases around them, through records and SQL."""

from __future__ import annotations

import pytest

from tests.integration.points_svc.books import Books
from tests.unit.points_svc.pure import play
from tests.unit.points_svc.stories import STORIES, Story


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
async def test_a_story_ends_as_the_specification_says(story: Story, books: Books) -> None:
    outcome = await books.play(story.script)
    story.holds(outcome)
    assert outcome == play(story.script).outcome()
    assert await books.broken() == {}
