"""An entry of the ledger in a sentence: what was put in, every factor, what came out, and by which rule and version (domain.md 7). The
one thing not to break: a sentence shows the figures of the entry; it computes only what it prints between them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from laurel_cli.programme_words import money
from laurel_contracts.programme import Programme

Entry = dict[str, Any]
Why = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Lens:
    """How figures are shown: the programme's currency, zone, and names."""

    currency: str
    exponent: int
    zone: ZoneInfo
    tiers: Mapping[str, str] = field(default_factory=dict)
    campaigns: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(programme: Programme) -> Lens:
        return Lens(
            programme.currency,
            programme.exponent,
            ZoneInfo(programme.zone),
            {tier.id: f"{tier.id} {tier.name}".strip() for tier in programme.tiers.ladder},
            {campaign.id: campaign.name or campaign.id for campaign in programme.campaigns},
        )

    def money(self, minor: int) -> str:
        return money(minor, self.exponent, self.currency)

    def amount(self, minor: int) -> str:
        """Money without its currency."""
        return self.money(minor).removesuffix(f" {self.currency}")

    def day(self, instant: str | datetime | None) -> str:
        """The local day of an instant: 3 May 2026."""
        if instant is None:
            return "–"
        moment = _moment(instant).astimezone(self.zone)
        return f"{moment.day} {moment:%b %Y}"

    def minute(self, instant: str | datetime) -> str:
        """The local minute of an instant: 3 May 2026 18:05."""
        return f"{self.day(instant)} {_moment(instant).astimezone(self.zone):%H:%M}"

    def reason(self, text: str) -> str:
        """A service's own words for a reason, with its minor units as money: `spend_total 51910 ≥ 50000` is 519.10 ≥ 500.00."""
        return _COMPARISON.sub(lambda found: _with_money(found, self), text)

    def tier(self, tier: str) -> str:
        return self.tiers.get(tier, tier)


# `order_left_minor >= 10000 (is 10942)` of a campaign, `spend_in_days(365) 300009 ≥ 300000` of a tier.
_COMPARISON = re.compile(
    r"\b(\w+_minor|spend_\w+(?:\(\d+\))?|largest_order)((?: (?:[<>=!≤≥]+ )?\d+)+)((?: \(is \d+\))?)"
)
_NUMBER = re.compile(r"\d+")


def _with_money(found: re.Match[str], lens: Lens) -> str:
    name, days = found[1].removesuffix("_minor"), ""
    if name.endswith(")"):
        name, _, days = name.removesuffix(")").partition("(")
    words = name.removesuffix("_in_days").replace("_", " ") + (f" in {days} days" if days else "")
    return words + _NUMBER.sub(lambda number: lens.amount(int(number[0])), found[2] + found[3])


KIND_WORDS = {
    "earned": "earned",
    "rated_again": "rated again",
    "taken_back": "taken back",
    "given_back": "given back",
    "awarded": "awarded",
    "award_taken_back": "award taken back",
    "task_done": "task done",
    "task_taken_back": "task undone",
    "spent": "spent",
    "expired": "expired",
    "extended": "extended",
    "redated": "lasts by tier",
    "activated": "activated",
    "repaid": "debt repaid",
    "transferred_out": "given away",
    "transferred_in": "given by another",
    "transfer_returned": "came back",
    "referred": "referral",
    "shared": "share",
    "share_taken_back": "share taken back",
    "adjusted": "adjusted",
}


def entry_in_words(entry: Entry, lens: Lens) -> str:
    """Why this entry has these points."""
    why = entry["why"] or {}
    words = _RULES.get(str(why.get("rule")), _plainly)(entry, why, lens)
    if "caps" in why and why["points_before_caps"] > why["points"]:
        bounds = ", ".join(f"{cap['at_most']:,} a {cap['per']} ({cap['so_far']:,} so far)" for cap in why["caps"])
        words += f"; it would have been {why['points_before_caps']:,}, but at most {bounds}: {why['points']:,}"
    version = f" [programme version {why['version']}]" if "version" in why else ""
    return words + version


def formula(why: Why, lens: Lens) -> str:
    """An order's points as they were computed: Σ left × rate, × multiplier, rounded down once, clipped."""
    parts = [part for part in why["parts"] if not part.get("excluded")]
    excluded = sum(part["left_minor"] for part in why["parts"] if part.get("excluded"))
    terms = [f"{lens.amount(part['left_minor'])} × {part['rate']}" for part in parts]
    words = terms[0] if len(terms) == 1 else f"({' + '.join(terms)})"
    total = sum((part["left_minor"] * Fraction(part["rate"]) for part in parts), Fraction(0)) / why["minor_units"]
    if why.get("unallocated_minor"):
        before = sum(part["left_minor"] for part in why["parts"])
        after = before - why["unallocated_minor"]
        total *= Fraction(after, before or 1)
        words += f" × {lens.amount(after)} ÷ {lens.amount(before)}"
    total *= Fraction(why["multiplier"])
    words += f" × {why['multiplier']} ({lens.tier(why['tier'])}) = {_decimal(total)}"
    points, whole = why["points"], int(total)
    if total != whole:
        words += f", rounded down {whole:,}"
    if why.get("points_max_per_order") is not None and points < whole:
        words += f", at most {why['points_max_per_order']:,} an order: {points:,}"
    if excluded:
        words += f" ({lens.amount(excluded)} do not qualify)"
    return words


def _decimal(value: Fraction) -> str:
    """A fraction as a decimal, to six places at most."""
    scaled = value * 10**6
    text = f"{Decimal(int(scaled)).scaleb(-6).normalize():,f}"
    return text if scaled.denominator == 1 else f"{text}…"


def _purchase(entry: Entry, why: Why, lens: Lens) -> str:
    words = f"order {entry['order_id']} of {lens.money(why['amount_minor'])}: {formula(why, lens)}"
    extra = ", ".join(
        f"{one['rule']} {one['rate']} a unit on {len(one['lines'])} lines" for one in why.get("extra", ())
    )
    return words + (f"; in these rates: {extra}" if extra else "")


def _refund(entry: Entry, why: Why, lens: Lens) -> str:
    return (
        f"order {entry['order_id']}, {lens.money(why['refunded_minor'])} of it refunded by now (refund {why['refund_id']}): "
        f"it had {why['points_before']:,}; what is left earns {formula(why, lens)}"
    )


def _again(entry: Entry, why: Why, lens: Lens) -> str:
    standing = f"standing {why['ordinal']} ({why['standing']} by {why['standing_cause']})"
    return (
        f"order {entry['order_id']} is rated at {lens.tier(why['tier'])} instead of {lens.tier(why['tier_before'])}, "
        f"because {standing} holds for it: it had {why['points_before']:,}; now {formula(why, lens)}"
    )


def _campaign(_: Entry, why: Why, lens: Lens) -> str:
    name = lens.campaigns.get(why["campaign_id"], why["campaign_id"])
    because = f": {lens.reason(why['because'])}" if why.get("because") else ""
    return f"campaign {name} gives {why['points']:,} for {why['award_cause']}{because}"


def _task(_: Entry, why: Why, lens: Lens) -> str:
    return (
        f"growth task {why['task']} is worth {why['points']:,} instead of {why['points_before']:,} since {why['task_cause']}: "
        f"{lens.reason(why['because'])}"
    )


def _sign_in(_: Entry, why: Why, __: Lens) -> str:
    words = f"sign-in of {why['day']}"
    if "points_per_day" not in why:
        return f"{words}: no more than {why['cap']}"
    words += f": {why['points_per_day']} a day"
    if why.get("streaks_paid_now"):
        words += f", and {why['streaks_paid_now']} × {why['points_per_streak']} for a run of {why['run_days']} days"
    return words


def _review(_: Entry, why: Why, __: Lens) -> str:
    photo = " with a photo" if why.get("photos") else ""
    return f"review{photo}, number {why['number_of_the_day']} of {why['day']} (at most {why['max_per_day']} a day): {why['points']}"


def _expiry(_: Entry, why: Why, lens: Lens) -> str:
    until = why.get("as_of") or why.get("expires_at")
    return f"what was not spent by {lens.day(until)} has expired"


def _extension(entry: Entry, why: Why, lens: Lens) -> str:
    return f"{_move(entry, why, lens)}: {why['reason']} (by {why['actor']})"


def _sliding(entry: Entry, why: Why, lens: Lens) -> str:
    return f"{_move(entry, why, lens)}, because a purchase earned points"


def _confirmation(entry: Entry, why: Why, lens: Lens) -> str:
    if "points" not in why:
        return f"order {why['order_id']} was confirmed; {why['because']}"
    if entry["points"] < 0:
        return f"{why['points']:,} points that would have waited until {lens.day(why['available_before'])} move on"
    return f"order {why['order_id']} was confirmed: {why['points']:,} points can be spent from {lens.minute(why['available_at'])}"


def _validity(entry: Entry, why: Why, lens: Lens) -> str:
    tier, standing = lens.tier(why["tier"]), f"standing {why['ordinal']} ({why['standing']} by {why['standing_cause']})"
    return f"{_move(entry, why, lens)}, because {standing} holds for them: at {tier} points last {why['validity_months']} months"


def _came_back(entry: Entry, why: Why, lens: Lens) -> str:
    told = f"{_move(entry, why, lens)}, because they were away when their tier became known"
    return f"{told}: at {lens.tier(why['tier'])} points last {why['validity_months']} months" if "tier" in why else told


def _move(entry: Entry, why: Why, lens: Lens) -> str:
    """Two entries tell of one move: what leaves a lot, and what comes into the one that lasts longer."""
    if entry["points"] < 0:
        return f"{why['points']:,} points that would have expired on {lens.day(why['expired_before'])} move on"
    return f"{why['points']:,} points last until {lens.minute(why['expires_at'])} instead of {lens.minute(why['expired_before'])}"


def _spending(_: Entry, why: Why, __: Lens) -> str:
    reason = f" for {why['reason']}" if why.get("reason") else ""
    return f"{why['points']:,} points spent{reason}, those first that expire soonest"


def _transfer(_: Entry, why: Why, __: Lens) -> str:
    reason = f" for {why['reason']}" if why.get("reason") else ""
    if "to_member_id" in why:
        return (
            f"{why['points']:,} points given to member {why['to_member_id']}{reason}, those first that expire soonest"
        )
    return (
        f"{why['points']:,} points from member {why['from_member_id']}, which expire when they would have expired there"
    )


def _returned(_: Entry, why: Why, __: Lens) -> str:
    because = str(why["because"]).replace("_", " ")
    return f"{why['points']:,} of {why['points_sent']:,} points back from member {why['to_member_id']}, who could not take them: {because}"


def _referral(_: Entry, why: Why, lens: Lens) -> str:
    return (
        f"brought by member {why['referrer_id']}: order {why['order_id']} has outlived its {why['refund_window_days']} days on "
        f"{lens.day(why['due'])}: {why['points']:,}"
    )


def _bonus(_: Entry, why: Why, __: Lens) -> str:
    what = f"share {why['share_id']} was followed by" if "share_id" in why else "you brought"
    cap = f"number {why['number_of_the_month']} of {why['month']} (at most {why['max_per_month']} a month)"
    return f"{what} member {why['by_member_id']}, {cap}: {why['points']:,}"


def _undone(_: Entry, why: Why, __: Lens) -> str:
    return f"{why['points']:,} taken back, because {why['because']}"


def _redemption(_: Entry, why: Why, __: Lens) -> str:
    words = f"{why['points']:,} points for reward {why['reward_id']} ({why['reward']})"
    kept = []
    if why.get("per_member") is not None:
        kept.append(f"number {why['had'] + 1} of at most {why['per_member']:,}")
    if why.get("per_period") is not None:
        kept.append(f"number {why['had_in_period'] + 1} of at most {why['per_period']:,} a {why['period']}")
    return words + (f", {', '.join(kept)}" if kept else "") + ", those first that expire soonest"


def _cancellation(_: Entry, why: Why, lens: Lens) -> str:
    reason = f": {why['reason']}" if why.get("reason") else ""
    redeemed = f"reward {why['reward_id']} redeemed {lens.minute(why['redeemed_at'])}"
    return f"the {why['points']:,} points of {redeemed} come back, cancelled by {why['cancelled_by']}{reason}"


def _adjustment(_: Entry, why: Why, __: Lens) -> str:
    who = why["posted_by"] if why["posted_by"] == why["proposed_by"] else f"{why['proposed_by']} and {why['posted_by']}"
    return f"corrected by {why['points']:+,} by hand ({who}): {why['reason']}"


def _reversal(_: Entry, why: Why, __: Lens) -> str:
    moved = "" if why["points"] == why["wanted"] else f" of {why['wanted']:+,}; the rest had been spent"
    return (
        f"a correction by hand is reversed ({why['reversed_by']}): {why['points']:+,}{moved}, because {why['reason']}"
    )


def _plainly(_: Entry, why: Why, __: Lens) -> str:
    told = [f"{name.replace('_', ' ')} {value}" for name, value in why.items() if name not in {"rule", "version"}]
    return f"{why.get('rule', 'no reason given')}" + (f": {', '.join(told)}" if told else "")


_RULES = {
    "purchase": _purchase,
    "refund": _refund,
    "rated again": _again,
    "campaign": _campaign,
    "task": _task,
    "sign_in": _sign_in,
    "review": _review,
    "expiry": _expiry,
    "extension": _extension,
    "sliding": _sliding,
    "point validity": _validity,
    "validity of what came back": _came_back,
    "confirmation": _confirmation,
    "spending": _spending,
    "transfer": _transfer,
    "transfer returned": _returned,
    "referral": _referral,
    "referral bonus": _bonus,
    "share bonus": _bonus,
    "share bonus undone": _undone,
    "adjustment": _adjustment,
    "reversal": _reversal,
    "redemption": _redemption,
    "cancellation": _cancellation,
}


def _moment(instant: str | datetime) -> datetime:
    return instant if isinstance(instant, datetime) else datetime.fromisoformat(instant)
