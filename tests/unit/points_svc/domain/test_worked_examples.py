"""The worked examples of domain.md 3.6 and the cases around them, against the pure domain."""

from __future__ import annotations

import pytest

from tests.unit.points_svc.pure import play
from tests.unit.points_svc.stories import STORIES, Story


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_story_ends_as_the_specification_says(story: Story) -> None:
    story.holds(play(story.script).outcome())
