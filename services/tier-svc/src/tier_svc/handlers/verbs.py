"""Which activity is taken how: the shapes of the contracts on one side, the verbs of the stream on the other. The one thing not to break:
a shape that is not here is still numbered and still moves the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

from laurel_contracts import activities, decisions
from tier_svc.domain.ladder import Rules
from tier_svc.domain.overlaying import Override
from tier_svc.domain.stream import Step, Stream
from tier_svc.domain.tasks import Doing

Verb = Callable[[Stream, Step, Rules, Any], None]

REFUND = activities.PurchaseRefunded


def _purchase(stream: Stream, step: Step, stamped: Rules, data: activities.PurchaseRecorded) -> None:
    stream.purchase(step, data.order_id, data.lines, data.amount_minor, stamped)


def _refund(stream: Stream, step: Step, _stamped: Rules, data: activities.PurchaseRefunded) -> None:
    stream.refund(step, data.order_id, data.lines, data.amount_minor)


def _override(stream: Stream, step: Step, _stamped: Rules, data: decisions.StandingOverridden) -> None:
    since, until = data.since.astimezone(UTC), data.until.astimezone(UTC)
    stream.override(step, Override(step.seq, data.tier, since, until, data.mode, data.reason, data.actor))


def _sanction(stream: Stream, step: Step, _stamped: Rules, data: decisions.StandingSanctioned) -> None:
    since, until = data.since.astimezone(UTC), data.until.astimezone(UTC)
    entry = Override(
        step.seq, "", since, until, "exact", data.reason, data.actor, data.act, data.steps if data.act == "lower" else 0
    )
    stream.override(step, entry)


def _take_back(stream: Stream, step: Step, _stamped: Rules, data: decisions.OverrideTakenBack) -> None:
    stream.take_back(step, data.override_seq, data.since.astimezone(UTC), data.reason, data.actor)


def _deed(kind: str) -> Verb:
    def verb(stream: Stream, step: Step, stamped: Rules, data: object) -> None:
        stream.deed(step, kind, stamped, doing_of(kind, data) if stamped.tasks else None)

    return verb


def doing_of(kind: str, data: Any) -> Doing:
    """What a task may ask about an activity."""
    if isinstance(data, activities.ActivityJoined):
        return Doing(kind, which=data.activity_id)
    if isinstance(data, activities.SurveyAnswered):
        return Doing(kind, which=data.survey_id)
    if isinstance(data, activities.ReviewPosted):
        return Doing(kind, photos=data.photos)
    return Doing(kind)


# What tasks know an activity by: the kinds of `VERBS`, and purchases.
KINDS: dict[type, str] = {
    activities.PurchaseRecorded: "purchase",
    activities.MemberSignedIn: "sign_in",
    activities.ReviewPosted: "review",
    activities.ProductShared: "share",
    activities.ActivityJoined: "join",
    activities.SurveyAnswered: "survey",
}

VERBS: dict[type, Verb] = {
    activities.PurchaseRecorded: _purchase,
    activities.PurchaseRefunded: _refund,
    activities.MemberSignedIn: _deed("sign_in"),
    activities.ReviewPosted: _deed("review"),
    activities.ProductShared: _deed("share"),
    activities.ActivityJoined: _deed("join"),
    activities.ComplaintFiled: _deed("complaint"),
    activities.SurveyAnswered: _deed("survey"),
    decisions.StandingOverridden: _override,
    decisions.StandingSanctioned: _sanction,
    decisions.OverrideTakenBack: _take_back,
}
