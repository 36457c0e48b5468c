"""The figures as a picture: what each server needs for a request, Express being 100 %."""

from collections.abc import Sequence
from html import escape

from bench.rows import SIGN_IN, Row
from bench.server import EXPRESS, FASTAPI, TROLLEY

WIDTH, LEFT, RIGHT = 860, 210, 120
BAR, GAP, TOP = 11, 12, 74
# Longer bars are cut there, and their figure says how long they are.
MOST = 1.5
COLOURS = {"Trolley on sqlite": "#1a7f64", "Trolley on mongodb": "#4fb286", "Express": "#d08a2e", "FastAPI": "#7d8597"}
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328; }
  .value { font-size: 10px; }
  .page { fill: #ffffff; }
  .title { font-size: 15px; font-weight: 600; }
  .axis { stroke: #8b949e; stroke-dasharray: 3 3; }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .page { fill: #0d1117; } }
"""


def chart(rows: Sequence[Row]) -> str:
    """An SVG of the catalogue on which most was measured; it is legible on light and on dark."""
    sizes = [row.catalogue for row in rows]
    size = max(set(sizes), key=sizes.count, default=0)
    groups: dict[str, dict[str, float]] = {}
    for row in rows:
        # The hash of a password would dwarf all else; without it there is a row of its own.
        if row.catalogue == size and row.work != SIGN_IN and EXPRESS in row.by:
            groups.setdefault(row.work, {}).update(_bars(row))
    body, y = list[str](), TOP
    for work, bars in groups.items():
        body += _group(work, bars, y)
        y += len(bars) * BAR + GAP
    words = f"CPU µs of the server for a request, Express = 100 %, {size:,} products"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + GAP}" role="img" aria-label="{words}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{y + GAP}"/>',
        f'<text class="title" x="16" y="24">{words}</text>',
        *_legend(),
        f'<line class="axis" x1="{_x(1):.1f}" x2="{_x(1):.1f}" y1="{TOP - 8}" y2="{y}"/>',
    ]
    return "\n".join([*head, *body, "</svg>", ""])


def _bars(row: Row) -> dict[str, float]:
    names = {TROLLEY: f"Trolley on {row.store}", EXPRESS: "Express", FASTAPI: "FastAPI"}
    return {names[server]: found.cpu_us.median for server, found in row.by.items()}


def _group(work: str, bars: dict[str, float], top: int) -> list[str]:
    middle = top + len(bars) * BAR / 2 + 4
    lines = [f'<text x="{LEFT - 10}" y="{middle:g}" text-anchor="end">{escape(work)}</text>']
    order = [name for name in COLOURS if name in bars]
    for place, name in enumerate(order):
        share, y = bars[name] / bars["Express"], top + place * BAR
        end = _x(min(share, MOST))
        width = max(1.0, end - LEFT)
        lines.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 1}" fill="{COLOURS[name]}"/>')
        beyond = f", {share:.1f} times" if share > MOST else ""
        lines.append(f'<text class="value" x="{end + 5:.1f}" y="{y + BAR - 2}">{bars[name]:,.0f}{beyond}</text>')
    return lines


def _legend() -> list[str]:
    lines, x = [], 16
    for name, colour in COLOURS.items():
        lines.append(f'<rect x="{x}" y="38" width="12" height="12" fill="{colour}"/>')
        lines.append(f'<text x="{x + 18}" y="48">{name}</text>')
        x += 160
    return lines


def _x(share: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * share / MOST
