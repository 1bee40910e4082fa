"""Clubs (ADR 0010): what a member's whole stream comes to under a ladder of its own, net of all refunds known by now; neither the 168 hours
nor `on_refund` apply. Part of the independent model: every step is taken again from the first one each time it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.support.model_metrics import Known
from tests.support.model_programme import Programme, Tier
from tests.support.model_tiers import NO_ACTIVITY, Standing, Standings, Step


def club_standing(programme: Programme, ladder: Sequence[Tier], known: Known, steps: Sequence[Step]) -> Standing:
    """Where a member stands in a club after all steps so far, each at the clock that it had."""
    club = Standings(replace(programme, tiers=tuple(ladder)))
    club.known = known  # at a period end everything that happened by its last day counts
    for number, step in enumerate(steps):
        for _ in club._walk_ends(step.clock, number):
            pass
        if step.kind not in NO_ACTIVITY:
            club.standing = club._after_activity(step, _numbered_up_to(known, step.seq))
    return club.standing


def _numbered_up_to(known: Known, last: int) -> Known:
    return known.only(lambda seq, _: seq <= last)
