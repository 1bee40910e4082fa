"""Caps per local day, week, month and year (domain.md 3.2, features.md P9). The one thing not to break: a cap counts on the activity's own
local period, in stream order, and what was granted stays granted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from points_svc.domain.account import Account, Why
from points_svc.domain.rules import CapRule

REJECT = "reject"


class Period(NamedTuple):
    """One local period of one rule."""

    rule: str
    per: str
    since: date


def period_of(rule: str, per: str, day: date) -> Period:
    """The period in which a local day lies."""
    begins = {
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "year": day.replace(month=1, day=1),
    }
    return Period(rule, per, begins[per])


def bounded(account: Account, rule: str, caps: Sequence[CapRule], points: int, day: date) -> tuple[int, Why]:
    """What is granted of so many points, and why; it counts from now on."""
    granted, told = points, []
    for cap in caps:
        so_far = account.earned_in.get(period_of(rule, cap.per, day), 0)
        left = max(0, cap.points - so_far)
        if left < points:
            granted = 0 if cap.kind == REJECT else min(granted, left)
        told.append({"per": cap.per, "at_most": cap.points, "kind": cap.kind, "so_far": so_far})
    for cap in {cap.per: cap for cap in caps}.values():
        period = period_of(rule, cap.per, day)
        account.earned_in[period] = account.earned_in.get(period, 0) + granted
    return granted, {"caps": told, "points_before_caps": points, "points": granted} if told else {}
