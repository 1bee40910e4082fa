"""What points-svc listens to. To follow an event, find it here and go to its handler. The order is the order within a transaction: what is
known about a member's standing is known before his activities are rated."""

from __future__ import annotations

from laurel_contracts import activities, campaigns, decisions, handovers, tiers
from laurel_kit.hearing import Hearing, hears
from points_svc.handlers.credit_awards import credit_awards
from points_svc.handlers.rate_activities import rate_activities
from points_svc.handlers.rerate_orders import rerate_orders
from points_svc.handlers.take_handovers import take_handovers
from points_svc.store import PointsStore

LISTENS_TO: tuple[Hearing[PointsStore], ...] = (
    hears("tiers", rerate_orders, tiers.StandingChanged, tiers.TaskRewardChanged, tiers.ActivitiesAssessed),
    hears("campaigns", credit_awards, campaigns.AwardGranted, campaigns.AwardTakenBack),
    hears(
        "activities",
        rate_activities,
        activities.PurchaseRecorded,
        activities.PurchaseRefunded,
        activities.OrderConfirmed,
        activities.MemberSignedIn,
        activities.ReviewPosted,
        activities.ProductShared,
        activities.ActivityJoined,
        decisions.MemberRegistered,
        decisions.MemberFrozen,
        decisions.DayClosed,
        decisions.ProgrammeActivated,
    ),
    hears(
        "handovers",
        take_handovers,
        handovers.PointsHandedOver,
        handovers.PointsHandedBack,
        handovers.BonusDue,
        handovers.BonusUndone,
    ),
)
