"""What tier-svc listens to. To follow an event, find it here and go to its handler. The one thing not to break: everything on
`activities` is numbered, also what moves no tier."""

from __future__ import annotations

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
from laurel_contracts.decisions import (
    DayClosed,
    MemberErased,
    OverrideTakenBack,
    ProgrammeActivated,
    StandingOverridden,
    StandingSanctioned,
)
from laurel_kit.hearing import hears
from tier_svc.handlers.assess_activities import assess_activities

LISTENS_TO = (
    hears(
        "activities",
        assess_activities,
        PurchaseRecorded,
        PurchaseRefunded,
        MemberSignedIn,
        ReviewPosted,
        ProductShared,
        ActivityJoined,
        ComplaintFiled,
        SurveyAnswered,
        MemberErased,
        StandingOverridden,
        StandingSanctioned,
        OverrideTakenBack,
        DayClosed,
        ProgrammeActivated,
    ),
)
