"""Draws each product's picture: its motif, in a palette of its own, before a soft shape.

A motif is a drawing of one kind of thing in motifs/, standing on y = 320 of a square of 400. The names in braces there
are the colours of a palette.
"""

import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from xml.sax.saxutils import escape

from trolley.sample.catalogue import Item


@dataclass(frozen=True)
class Palette:
    """Colours that go together."""

    ground: str
    halo: str
    main: str
    dark: str
    light: str
    accent: str
    paper: str = "#fffaf3"


PALETTES = (
    Palette("#f6e3d8", "#fbf1ea", "#d9704a", "#9c4527", "#f2b59a", "#3f6b6b"),
    Palette("#dfeadb", "#f0f6ee", "#7a9e7e", "#48694e", "#bfd5be", "#e0a458"),
    Palette("#d9e8f2", "#edf5fa", "#4f8fbf", "#2c5f87", "#a9cde6", "#f2a65a"),
    Palette("#f9ebc8", "#fdf6e4", "#e0a83a", "#9c6c12", "#f7dc9f", "#5b5f97"),
    Palette("#ebdeec", "#f6eff7", "#8e5a94", "#5d3764", "#cfaad3", "#e8b04b"),
    Palette("#f9dfe4", "#fdf0f2", "#d8637e", "#983a52", "#f0aebd", "#4a7c82"),
    Palette("#d5ecea", "#ebf6f5", "#2f8f88", "#1a5a56", "#9ed3cd", "#f08a5d"),
    Palette("#dfe2f2", "#f0f1f9", "#4d59a5", "#303871", "#aab2dd", "#f4b860"),
    Palette("#e9ecd3", "#f6f7ea", "#8c9a3b", "#5c6620", "#ccd492", "#c8553d"),
    Palette("#e1e6ea", "#f1f4f6", "#5b7083", "#394956", "#b4c1cb", "#e76f51"),
)

# What stands behind the motif: a sun, a doorway, a pebble.
HALOS = (
    '<circle cx="200" cy="196" r="146" fill="{halo}"/>',
    '<path d="M66 342V192a134 134 0 0 1 268 0v150z" fill="{halo}"/>',
    '<path d="M204 48c92-6 146 58 142 150s-54 142-146 140S52 288 54 194 112 54 204 48z" fill="{halo}"/>',
)
SHADOW = '<ellipse cx="200" cy="322" rx="118" ry="11" fill="{dark}" opacity=".16"/>'
SPARKS = (
    '<circle cx="{x}" cy="{y}" r="6" fill="{accent}" opacity=".8"/>',
    '<circle cx="{x}" cy="{y}" r="7" fill="none" stroke="{main}" stroke-width="4" opacity=".7"/>',
    '<path d="M{x} {y}m-9 0h18m-9-9v18" stroke="{light}" stroke-width="5" stroke-linecap="round"/>',
)
# Corners, where no motif reaches.
SPARK_PLACES = ((38, 58), (362, 54), (84, 30), (300, 32), (38, 352), (362, 350))


def draw(item: Item) -> str:
    """The picture as SVG; the same product always gets the same one."""
    chance = random.Random(item.slug)  # noqa: S311
    colours = asdict(chance.choice(PALETTES))
    sparks = zip(SPARKS, chance.sample(SPARK_PLACES, len(SPARKS)), strict=True)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img">',
        f"<title>{escape(item.name)}</title>",
        '<rect width="400" height="400" fill="{ground}"/>'.format_map(colours),
        chance.choice(HALOS).format_map(colours),
        *(spark.format(x=x, y=y, **colours) for spark, (x, y) in sparks),
        SHADOW.format_map(colours),
        motif(item.motif).format_map(colours),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


@cache
def motif(name: str) -> str:
    """The drawing, with its colours left open."""
    return files(__package__).joinpath("motifs", f"{name}.svg").read_text("utf-8").strip()


def draw_all(items: Iterable[Item], folder: Path) -> None:
    """Writes every picture as SLUG.svg."""
    for item in items:
        (folder / f"{item.slug}.svg").write_text(draw(item), "utf-8")
