"""What campaign-svc listens to. To follow an event, find it here and go to its handler. The one thing not to break: standings come
first, so that a batch which holds both decides by them."""

from __future__ import annotations

from campaign_svc.handlers.decide_campaigns import decide_campaigns
from campaign_svc.handlers.remember_standings import remember_standings
from laurel_contracts.activities import (
    ActivityJoined,
    ComplaintFiled,
    MemberSignedIn,
    ProductShared,
    PurchaseRecorded,
    PurchaseRefunded,
    ReviewPosted,
    SurveyAnswered,
)
from laurel_contracts.decisions import DayClosed, MemberRegistered, ProgrammeActivated
from laurel_contracts.tiers import ActivitiesAssessed, StandingChanged
from laurel_kit.hearing import hears

LISTENS_TO = (
    hears("tiers", remember_standings, StandingChanged, ActivitiesAssessed),
    hears(
        "activities",
        decide_campaigns,
        PurchaseRecorded,
        PurchaseRefunded,
        MemberSignedIn,
        ReviewPosted,
        ProductShared,
        ActivityJoined,
        ComplaintFiled,
        SurveyAnswered,
        MemberRegistered,
        DayClosed,
        ProgrammeActivated,
    ),
)
