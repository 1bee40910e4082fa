"""The demo's summary as a shopkeeper reads it."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from laurel_cli.demo.figures import Figures
from laurel_cli.demo.performance import Bill
from laurel_cli.ledger_words import KIND_WORDS, Lens, entry_in_words
from laurel_cli.story_view import TIER_STYLES, fact_in_words
from laurel_contracts.programme import Programme

BAR_CELLS = 30
PARTS = {
    "setup": "setting up (packages)",
    "start": "starting the stack",
    "read": "reading the receipts",
    "programme": "loading the programme",
    "import": "importing at the door",
    "settle": "settling",
    "day": "closing the day",
}


def view(figures: Figures, bill: Bill, programme: Programme) -> RenderableType:
    """The whole summary."""
    lens = Lens.of(programme)
    when = "with its own dates (2017)" if bill.original_dates else f"moved by {bill.shift_days:,} days to end now"
    head = Text.assemble(
        (f"{figures.purchases:,} purchases", "bold"),
        " of ",
        (f"{figures.members:,} members", "bold"),
        f", a grocer's year {when}",
    )
    return Panel(
        Group(
            head,
            *_titled("Members", _members(figures, programme)),
            *_titled("Points", _points(figures)),
            *_titled("Awards", _awards(figures, lens)),
            *_titled("The five best members", _best(figures, lens)),
            *_titled("Three entries explained", *_explained(figures, lens)),
            *_titled("How long it took", _seconds(figures)),
            *_titled("Open next", _next(figures)),
        ),
        title="Laurel",
        padding=(1, 2),
    )


def _titled(title: str, *parts: RenderableType) -> list[RenderableType]:
    return [Text(f"\n{title}", style="bold underline"), *(Padding(part, (0, 0, 0, 2)) for part in parts)]


def _grid(*justify: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for side in justify:
        table.add_column(justify="right" if side == "right" else "left")
    return table


def _members(figures: Figures, programme: Programme) -> Table:
    table = _grid("left", "left", "right", "left")
    most = max(figures.tiers.values(), default=1)
    for tier in programme.tiers.ladder:
        count = figures.tiers.get(tier.id, 0)
        bar = "█" * round(BAR_CELLS * count / most) if most else ""
        table.add_row(tier.id, tier.name, f"{count:,}", Text(bar, style=TIER_STYLES.get(tier.id, "magenta")))
    return table


def _points(figures: Figures) -> Table:
    table = _grid("left", "right", "left")
    points = figures.points
    table.add_row("issued", f"{points.get('issued', 0):,}", f"{figures.points_of_orders:,} of them on orders, net")
    for name in ("taken_back", "spent", "expired", "debt"):
        if name in points and (points[name] or name in {"spent", "expired"}):
            table.add_row(name.replace("_", " "), f"{points[name]:,}", "")
    table.add_row(
        Text("outstanding", style="bold"), Text(f"{points.get('outstanding', 0):,}", style="bold"), "with members now"
    )
    balanced = "the books balance" if figures.trial_balance == 0 else "THE BOOKS DO NOT BALANCE"
    table.add_row("trial balance", f"{figures.trial_balance:,}", balanced)
    return table


def _awards(figures: Figures, lens: Lens) -> Table:
    table = _grid("left", "right", "left")
    for row in figures.awards.get("by_campaign", []):
        what = f"{row['points']:,} points" if row["kind"] == "points" else "coupons"
        back = f", {row['taken_back']:,} taken back" if row["taken_back"] else ""
        table.add_row(lens.campaigns.get(row["campaign_id"], row["campaign_id"]), f"{row['awards']:,}", f"{what}{back}")
    return table


def _best(figures: Figures, lens: Lens) -> Table:
    table = Table(
        "member", "tier", "since", "earned on orders", "available", box=None, pad_edge=False, header_style="dim"
    )
    for column in table.columns[3:]:
        column.justify = "right"
    for row in figures.best:
        table.add_row(
            row["external_id"] or row["member_id"],
            Text(lens.tier(row["tier"]), style=TIER_STYLES.get(row["tier"], "magenta")),
            lens.day(row["since"]),
            f"{row['points_earned']:,}",
            f"{row['points_available']:,}",
        )
    return table


def _explained(figures: Figures, lens: Lens) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for one in figures.explained:
        entry = one.entry
        kind = KIND_WORDS.get(entry["kind"], entry["kind"])
        lines.append(Text.assemble((one.title, "italic"), f" (member {one.member}, {lens.minute(entry['at'])})"))
        words = Text.assemble((f"{entry['points']:+,} {kind}", "green"), f": {entry_in_words(entry, lens)}")
        if one.also is not None:
            words.append(f"\nthen standing {fact_in_words(one.also, lens)}")
        lines.append(Padding(words, (0, 0, 0, 2)))
    return lines or [Text("none to be found among so few purchases", style="dim")]


def _seconds(figures: Figures) -> Table:
    table = _grid("left", "right", "left")
    for part, words in PARTS.items():
        if part in figures.seconds:
            table.add_row(words, f"{figures.seconds[part]:,.1f} s", _rate(figures, part))
    table.add_row(Text("in all", style="bold"), Text(f"{sum(figures.seconds.values()):,.1f} s", style="bold"), "")
    return table


def _rate(figures: Figures, part: str) -> str:
    named = {"import": "at the door", "settle": "through the whole chain"}.get(part)
    return f"{figures.per_second[named]:,.0f} purchases/s {named}" if named and figures.per_second.get(named) else ""


def _next(figures: Figures) -> Table:
    table = _grid("left", "left")
    table.columns[1].overflow = "fold"
    if figures.best:
        best = figures.best[0]
        table.add_row("why the best member has what he has", f"laurel explain {best['external_id']}")
        table.add_row(
            "his status, as your systems read it",
            f"{figures.addresses['member-svc']}/v1/members/{best['member_id']}/status",
        )
    for name, url in figures.addresses.items():
        if name.endswith("-svc"):
            table.add_row(f"what {name} answers", f"{url}/docs")
    if "prometheus" in figures.addresses:
        table.add_row("metrics", figures.addresses["prometheus"])
    table.add_row("what runs; stop it; start clean", "laurel status; laurel down; laurel reset")
    return table
