"""The chart that the README shows: events per second as bars on a logarithmic scale, CPU beside them, and the measures with their bars.
Plain SVG, written by hand; legible on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log10
from typing import Any

WIDTH = 860
ROW = 30
LEFT = 190
BAR = 390
INK, FAINT, OURS, OTHERS = "#24292f", "#6e7781", "#0969da", "#8c959f"
COLOURS = {"aim": "#1a7f37", "must": "#9a6700", "below": "#cf222e"}


def drawn(report: dict[str, Any]) -> str:
    """The report as a picture."""
    body = [*_bars(report["lines"])]
    top = 62 + ROW * (len(report["lines"]) + 1) + 14
    body += _measures(report["measures"], top)
    height = top + 26 + 22 * len(report["measures"]) + 36
    machine = report["machine"]
    foot = (
        f"{machine['cores']} cores, {machine['memory_gib']:.0f} GiB, everything on one machine; PostgreSQL {machine['postgres']} "
        f"with fsync, Kafka {machine['kafka']}; medians of {report['rounds']} interleaved rounds"
    )
    body.append(_text(24, height - 14, foot, size=11, fill=FAINT))
    style = "font-family:ui-sans-serif,system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="Laurel\'s bench" style="{style}">\n'
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff" stroke="#d0d7de"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _bars(lines: dict[str, Any]) -> Sequence[str]:
    most = max(line["max"] for line in lines.values())
    least = min(line["min"] for line in lines.values())
    bottom = 10 ** int(log10(max(least, 1)))

    def x(speed: float) -> float:
        return LEFT + BAR * log10(max(speed, bottom) / bottom) / log10(most * 1.1 / bottom)

    drawn = [
        _text(24, 30, "Purchases into points: events per second (log scale), CPU per event", size=15, weight=600),
        _text(LEFT + BAR + 100, 54, "per second", size=11, fill=FAINT, anchor="end"),
        _text(WIDTH - 24, 54, "CPU µs (Python + PostgreSQL + Kafka)", size=11, fill=FAINT, anchor="end"),
    ]
    step, scale = bottom, 62 + ROW * len(lines)
    while step <= most:
        drawn.append(f'<line x1="{x(step):.0f}" y1="62" x2="{x(step):.0f}" y2="{scale}" stroke="#eaeef2"/>')
        drawn.append(_text(x(step), scale + 14, f"{step:,}", size=11, fill=FAINT, anchor="middle"))
        step *= 10
    for place, (name, line) in enumerate(lines.items()):
        y = 66 + ROW * place
        colour = OTHERS if name in ("floor", "naive") else OURS
        drawn.append(_text(LEFT - 10, y + 15, line["label"], size=12, anchor="end"))
        drawn.append(
            f'<rect x="{LEFT}" y="{y}" width="{max(2, x(line["per_second"]) - LEFT):.0f}" height="20" rx="3" fill="{colour}"/>'
        )
        low, high = x(line["min"]), x(line["max"])
        drawn.append(
            f'<line x1="{low:.0f}" y1="{y + 10}" x2="{high:.0f}" y2="{y + 10}" stroke="{INK}" stroke-width="1.5"/>'
        )
        cpu = line["cpu_us"]
        drawn.append(_text(LEFT + BAR + 100, y + 15, f"{line['per_second']:,}", size=12, anchor="end", weight=600))
        parts = " + ".join(f"{cpu[part]:,.0f}" for part in ("python", "postgres", "kafka"))
        drawn.append(_text(WIDTH - 24, y + 15, parts, size=12, anchor="end"))
    return drawn


def _measures(measures: dict[str, Any], top: int) -> Sequence[str]:
    drawn = [
        _text(24, top + 6, "Beside the bars", size=15, weight=600),
        *(
            _text(x, top + 6, title, size=11, fill=FAINT, anchor="end")
            for x, title in ((560, "measured"), (640, "must"), (710, "aim"), (WIDTH - 24, "reached"))
        ),
    ]
    for place, (name, measure) in enumerate(measures.items()):
        y = top + 30 + 22 * place
        unit = measure["unit"]
        drawn += [
            _text(24, y, name, size=12),
            _text(560, y, f"{measure['value']:,.4g} {unit}", size=12, anchor="end", weight=600),
            _text(640, y, f"{measure['must']:g}", size=12, anchor="end", fill=FAINT),
            _text(710, y, f"{measure['aim']:g}", size=12, anchor="end", fill=FAINT),
            _text(
                WIDTH - 24, y, measure["verdict"], size=12, anchor="end", fill=COLOURS[measure["verdict"]], weight=600
            ),
        ]
    return drawn


def _text(
    x: float, y: float, text: str, *, size: int, fill: str = INK, anchor: str = "start", weight: int = 400
) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
