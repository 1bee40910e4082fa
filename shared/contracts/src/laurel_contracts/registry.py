"""Every event type, its data shape and its topic, in one table. To add an event: a Struct, a line here, an example."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from laurel_contracts import activities, campaigns, decisions, handovers, points, programmes, tiers
from laurel_contracts.envelope import Event

ACTIVITY_TYPES: dict[str, type[Any]] = {
    "laurel.purchase.recorded.v1": activities.PurchaseRecorded,
    "laurel.purchase.refunded.v1": activities.PurchaseRefunded,
    "laurel.order.confirmed.v1": activities.OrderConfirmed,
    "laurel.member.signed-in.v1": activities.MemberSignedIn,
    "laurel.review.posted.v1": activities.ReviewPosted,
    "laurel.product.shared.v1": activities.ProductShared,
    "laurel.activity.joined.v1": activities.ActivityJoined,
    "laurel.complaint.filed.v1": activities.ComplaintFiled,
    "laurel.survey.answered.v1": activities.SurveyAnswered,
}
DECISION_TYPES: dict[str, type[Any]] = {
    "laurel.member.registered.v1": decisions.MemberRegistered,
    "laurel.member.tagged.v1": decisions.MemberTagged,
    "laurel.member.consent-changed.v1": decisions.ConsentChanged,
    "laurel.member.frozen.v1": decisions.MemberFrozen,
    "laurel.member.merged.v1": decisions.MemberMerged,
    "laurel.member.erased.v1": decisions.MemberErased,
    "laurel.standing.overridden.v1": decisions.StandingOverridden,
    "laurel.standing.sanctioned.v1": decisions.StandingSanctioned,
    "laurel.override.taken-back.v1": decisions.OverrideTakenBack,
}
PARTITION_TYPES: dict[str, type[Any]] = {
    "laurel.day.closed.v1": decisions.DayClosed,
    "laurel.programme.activated.v1": decisions.ProgrammeActivated,
}
TOPICS: dict[str, dict[str, type[Any]]] = {
    "channel-activities": ACTIVITY_TYPES,
    "activities": ACTIVITY_TYPES | DECISION_TYPES | PARTITION_TYPES,
    "tiers": {
        "laurel.standing.changed.v1": tiers.StandingChanged,
        "laurel.club-standing.changed.v1": tiers.ClubStandingChanged,
        "laurel.task-reward.changed.v1": tiers.TaskRewardChanged,
        "laurel.activities.assessed.v1": tiers.ActivitiesAssessed,
        "laurel.programme.loaded.v1": programmes.ProgrammeLoaded,
    },
    "campaigns": {
        "laurel.award.granted.v1": campaigns.AwardGranted,
        "laurel.award.taken-back.v1": campaigns.AwardTakenBack,
        "laurel.campaign.emptied.v1": campaigns.CampaignEmptied,
        "laurel.programme.loaded.v1": programmes.ProgrammeLoaded,
    },
    "points": {
        "laurel.points.posted.v1": points.PointsPosted,
        "laurel.points.expiring.v1": points.PointsExpiring,
        "laurel.programme.loaded.v1": programmes.ProgrammeLoaded,
    },
    "handovers": {
        "laurel.points.handed-over.v1": handovers.PointsHandedOver,
        "laurel.points.handed-back.v1": handovers.PointsHandedBack,
        "laurel.bonus.due.v1": handovers.BonusDue,
        "laurel.bonus.undone.v1": handovers.BonusUndone,
    },
}
TYPE_OF: dict[type[Any], str] = {shape: name for shapes in TOPICS.values() for name, shape in shapes.items()}


# Shapes of which a decision reads less than what stands there, and all that stands there.
WHOLE: dict[type[Any], Any] = {activities.PurchaseRecorded: activities.PurchaseRecorded[activities.OrderLine]}


def whole(shape: type[Any]) -> Any:
    """The shape with everything that its producer says."""
    return WHOLE.get(shape, shape)


@cache
def decoder(type_name: str) -> msgspec.json.Decoder[Event[Any]]:
    """The decoder of a whole event of this type. Raises KeyError for a type nobody has declared."""
    shape: Any = whole(_shape(type_name))
    event: Any = Event[shape]
    return msgspec.json.Decoder(event)


@cache
def deciding_decoder(type_name: str) -> msgspec.json.Decoder[Event[Any]]:
    """The decoder of as much of an event of this type as decisions are made by: for who only decides and lays nothing of it down whole.
    Raises KeyError for a type nobody has declared."""
    shape: Any = _shape(type_name)
    event: Any = Event[shape]
    return msgspec.json.Decoder(event)


@cache
def data_decoder(type_name: str) -> msgspec.json.Decoder[Any]:
    """The decoder of the `data` of an activity that a channel reports. Raises KeyError for a type no channel may report."""
    return msgspec.json.Decoder(whole(ACTIVITY_TYPES[type_name]))


def _shape(type_name: str) -> Any:
    for shapes in TOPICS.values():
        if type_name in shapes:
            return shapes[type_name]
    raise KeyError(type_name)
