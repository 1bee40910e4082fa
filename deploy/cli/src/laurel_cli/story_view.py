"""A member's story for a reader: standing and what is needed, points, each entry with its reason, awards with theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from laurel_cli.ledger_words import KIND_WORDS, Lens, entry_in_words
from laurel_cli.member_story import Story

FACTS_SHOWN = 3  # of the standing's history; the rest is a number
AWARDS_SHOWN = 5
TIER_STYLES = {"regular": "white", "silver": "bright_white", "gold": "yellow", "diamond": "cyan"}


def view(story: Story, lens: Lens) -> RenderableType:
    """The whole story."""
    parts: list[RenderableType] = [_head(story, lens), _standing(story, lens), _points(story, lens)]
    if story.order is not None:
        parts.append(_order(story.order, lens))
    parts.append(_entries(story, lens))
    if story.order is None:
        parts.append(_awards(story, lens))
    else:
        parts.append(_decisions(story.decisions, lens))
    return Group(*parts)


def _head(story: Story, lens: Lens) -> RenderableType:
    names = ", ".join(f"{one['kind'].replace('_', ' ')} {one['value']}" for one in story.member["identifiers"])
    words = Text()
    words.append(f"Member {story.name}", style="bold")
    words.append(f"  {names}; {story.member['state']} since {lens.day(story.member['enrolled_at'])}\n", style="dim")
    words.append(story.member_id, style="dim")
    return words


def _titled(title: str, *parts: RenderableType) -> RenderableType:
    return Group(Text(f"\n{title}", style="bold underline"), *(Padding(part, (0, 0, 0, 2)) for part in parts))


def _standing(story: Story, lens: Lens) -> RenderableType:
    standing = story.standing
    if standing is None:
        return _titled("Standing", Text("tier-svc has not heard of this member yet", style="dim"))
    tier = standing["tier"]
    words = Text()
    words.append(lens.tier(tier), style=f"bold {TIER_STYLES.get(tier, 'magenta')}")
    if standing.get("since"):
        words.append(f" since {lens.day(standing['since'])}")
    if standing.get("until"):
        words.append(f", until {lens.day(standing['until'])} (exclusive)")
    facts = sorted(story.facts, key=lambda fact: int(fact["ordinal"]), reverse=True)
    lines = [fact_in_words(fact, lens, story.orders) for fact in facts[:FACTS_SHOWN]]
    if len(facts) > FACTS_SHOWN:
        lines.append(f"and {len(facts) - FACTS_SHOWN} earlier facts")
    return _titled(
        "Standing", words, Text("\n".join(f"• {line}" for line in [*lines, *needed_in_words(standing, lens)]))
    )


def fact_in_words(fact: dict[str, Any], lens: Lens, orders: Mapping[int, str] | None = None) -> str:
    """One standing fact: what happened, by what, and the rule that decided. `orders`: which activity was which order."""
    before, after = lens.tier(fact["effective_from"]), lens.tier(fact["effective_to"])
    number = fact["cause"].removeprefix("activity ")
    order = (orders or {}).get(int(number)) if number.isdecimal() else None
    by = fact["cause"] + (f" (order {order})" if order else "")
    words = f"{fact['ordinal']}. {fact['kind']} on {lens.day(fact['at'])}: {before}" + (
        f" → {after}" if before != after else ""
    )
    return f"{words} by {by}" + (f", because {lens.reason(fact['rule'])}" if fact["rule"] else "")


def needed_in_words(standing: dict[str, Any], lens: Lens) -> Iterator[str]:
    """What is missing for the next tier, and to keep this one; any of the ways is enough."""
    needed = standing["needed"]
    for purpose in ("next", "keep"):
        ways = needed[purpose]
        if not ways:
            continue
        first = ways[0]
        by = f" beyond {lens.day(first['by'])}" if first["by"] else ""
        told = f"for {lens.tier(first['tier'])}" if purpose == "next" else f"to stay {lens.tier(first['tier'])}{by}"
        yield f"{told}: " + ", or ".join(_way(way, lens) for way in ways)


def _way(way: dict[str, Any], lens: Lens) -> str:
    return " and ".join(_comparison(one, lens) for one in way["all_of"]) or "nothing (always)"


def _comparison(one: dict[str, Any], lens: Lens) -> str:
    metric = one["metric"]
    name, _, days = metric.removesuffix(")").partition("(")
    words = name.removesuffix("_in_days").replace("_", " ") + (f" in {days} days" if days else "")
    bound = _figure(metric, one["at_least"] if one["at_least"] is not None else one["at_most"], lens)
    have = _figure(metric, one["have"], lens)
    if one["missing"]:
        return f"{words} {have} of {bound} ({_figure(metric, one['missing'], lens)} missing)"
    return f"{words} {have}, {bound} {'is enough' if one['at_least'] is not None else 'is allowed'}"


def _figure(metric: str, value: int, lens: Lens) -> str:
    return lens.amount(value) if metric.startswith(("spend", "largest_order")) else f"{value:,}"


def _points(story: Story, lens: Lens) -> RenderableType:
    balance = story.balance
    if balance is None:
        return _titled("Points", Text("points-svc has not heard of this member yet", style="dim"))
    words = Text()
    words.append(f"{balance['available']:,} available", style="bold green")
    rest = [
        f"{balance[name]:,} {word}"
        for name, word in (("posted", "posted"), ("pending", "pending"), ("held", "held"), ("debt", "owed"))
        if balance.get(name)
    ]
    words.append(f" ({', '.join(rest)}); {balance['earned_net']:,} earned on orders, net\n")
    soon = [lot for lot in balance["lots"] if lot["remaining"]]
    if soon:
        first = min(soon, key=lambda lot: str(lot["expires_at"]))
        due = sum(lot["remaining"] for lot in soon if lot["expires_at"] == first["expires_at"])
        words.append(f"{due:,} of them expire on {lens.day(first['expires_at'])}", style="dim")
    return _titled("Points", words)


def entries_table(entries: list[dict[str, Any]], lens: Lens) -> Table:
    """Entries with their reasons, in the order given."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for entry in entries:
        points = entry["points"]
        table.add_row(
            lens.minute(entry["at"]),
            KIND_WORDS.get(entry["kind"], entry["kind"]),
            Text(f"{points:+,}", style="green" if points >= 0 else "red"),
            Text(entry_in_words(entry, lens)),
        )
    return table


def _entries(story: Story, lens: Lens) -> RenderableType:
    if not story.entries:
        return _titled("Entries", Text("none", style="dim"))
    title = "Entries of this order" if story.order else f"The latest {len(story.entries)} entries"
    return _titled(title, entries_table(story.entries, lens))


def _order(order: dict[str, Any], lens: Lens) -> RenderableType:
    words = Text(f"{lens.minute(order['at'])}: {lens.money(order['amount_minor'])}")
    if order["refunded_minor"]:
        words.append(f", {lens.money(order['refunded_minor'])} of it refunded")
    words.append(f"; rated at {lens.tier(order['tier']) or 'the lowest tier'} (standing {order['ordinal']}), ")
    words.append(f"{order['points']:,} points net", style="bold")
    return _titled(f"Order {order['order_id']}", words)


def _awards(story: Story, lens: Lens) -> RenderableType:
    if not story.awards:
        return _titled("Awards", Text("none", style="dim"))
    table = Table(box=None, pad_edge=False, show_header=False)
    for award in story.awards[:AWARDS_SHOWN]:
        what = f"{award['points']:,} points" if award["kind"] == "points" else f"coupon {award['coupon']}"
        back = award.get("taken_back")
        state = f"taken back by {back['cause']}: {back['why']}" if back else lens.reason(award["why"])
        name = lens.campaigns.get(award["campaign_id"], award["campaign_id"])
        table.add_row(
            Text(lens.minute(award["at"]), style="dim"),
            name,
            Text(what, style="red" if back else "green"),
            Text(f"for {award['cause']}: {state}"),
        )
    rest = len(story.awards) - AWARDS_SHOWN
    more = [Text(f"and {rest} earlier ones", style="dim")] if rest > 0 else []
    return _titled(f"Awards ({len(story.awards)})", table, *more)


def _decisions(decisions: list[dict[str, Any]], lens: Lens) -> RenderableType:
    lines: list[RenderableType] = []
    for decision in decisions:
        for verdict in decision["campaigns"]:
            lines.append(Text.assemble((verdict["name"], "bold"), f": {verdict['says']}"))
            lines.append(Padding(Text("\n".join(_leaves(verdict["condition"], lens))), (0, 0, 0, 2)))
    return _titled("Campaigns", *(lines or [Text("none listened", style="dim")]))


def _leaves(node: dict[str, Any], lens: Lens, depth: int = 0) -> Iterator[str]:
    found = f" (is {node['found']})" if node["found"] is not None else ""
    yield f"{'  ' * depth}{'✓' if node['held'] else '✗'} {lens.reason(node['says'] + found)}"
    for part in node["parts"]:
        yield from _leaves(part, lens, depth + 1)
