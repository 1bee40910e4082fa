"""What member-svc listens to. To follow an event, find it here and go to its handler.

The one thing not to break: reports of channels are heard raw, because the identifier in them must not go through anybody else's shape."""

from __future__ import annotations

from laurel_contracts.campaigns import AwardGranted, AwardTakenBack
from laurel_contracts.points import PointsPosted
from laurel_contracts.programmes import ProgrammeLoaded
from laurel_contracts.tiers import StandingChanged
from laurel_kit.hearing import hears
from member_svc.handlers.keep_status import keep_balances, keep_coupons, keep_standings
from member_svc.handlers.publish_programme import note_loaded
from member_svc.handlers.take_records import take_records

CHANNELS = "channel-activities"  # foreign: its producers may use transactions, so it may have holes

LISTENS_TO = (
    hears(CHANNELS, take_records, raw=True),
    hears("tiers", keep_standings, StandingChanged),
    hears("tiers", note_loaded, ProgrammeLoaded),
    hears("campaigns", keep_coupons, AwardGranted, AwardTakenBack),
    hears("campaigns", note_loaded, ProgrammeLoaded),
    hears("points", keep_balances, PointsPosted),
    hears("points", note_loaded, ProgrammeLoaded),
)
