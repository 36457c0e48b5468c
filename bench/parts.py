"""Parts of RESULTS.md that commands of their own measure; each is a file of bench/parts, and the page ends with all."""

from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / "parts"
RESULTS = HERE / "RESULTS.md"
MARK = "<!-- What follows is measured by commands of its own. -->"


def keep(name: str, title: str, command: str, lines: list[str]) -> None:
    """Writes one part, and the page anew."""
    FOLDER.mkdir(exist_ok=True)
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    (FOLDER / f"{name}.md").write_text(
        "\n".join([f"## {title}", "", f"Written by `{command}` on {date}.", "", *lines, ""])
    )
    RESULTS.write_text(with_parts(RESULTS.read_text()))


def with_parts(page: str) -> str:
    """The page with all parts at its end."""
    parts = [path.read_text() for path in sorted(FOLDER.glob("*.md"))]
    return "\n".join([page.partition(MARK)[0].rstrip(), "", MARK, "", *parts])
