"""`python -m bench`: measures, and writes RESULTS.md, results.json and results.svg.

Each part (starts, a catalogue) is kept in a folder `measured` as soon as it is there. With --resume those are not
measured again; with --report none is, and the page is made of what is there.
"""

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from bench import figures, parts
from bench.chart import chart
from bench.comparison import Choice, Scale, compare, tell
from bench.figures import Part
from bench.machine import CannotMeasure, cores, facts, pinned, stop_as_ctrl_c_does
from bench.method import method
from bench.peers.running import missing
from bench.report import markdown
from bench.rows import rows_of, to_json
from bench.server import EXPRESS, FASTAPI, STORES, TROLLEY, Broken
from bench.starting import starts
from shopdev.mongod import MongodUnavailable, find_mongod

HERE = Path(__file__).parent
# Not /tmp, which may be kept in memory: a durable write has to wait for a disk here.
DATA = Path("/var/tmp")
CATALOGUES = (200, 10_000, 100_000)
# The one on which all work is measured; on the others what depends on their size.
WHOLE = 10_000
QUICK_CATALOGUE = 200
SERVERS = (TROLLEY, EXPRESS, FASTAPI)
# Below the ports that the system gives to clients, so that none of those stands in the way.
FIRST_PORT = 23_000
FAILED, MISUSED, INTERRUPTED = 1, 2, 130
FULL = Scale(5, 1, 3, 0.8, carts=200, new_carts=600, accounts=20, starts=3, stores_started=2)
QUICK = Scale(1, 0.2, 1, 0.2, carts=20, new_carts=40, accounts=4, starts=1, stores_started=1)


def main() -> None:
    """The command."""
    arguments = _arguments()
    stop_as_ctrl_c_does()
    out: Path = arguments.out or (HERE / "quick" if arguments.quick else HERE)
    try:
        if not arguments.report:
            _measure(arguments, out / "measured")
        _write(out)
    except (CannotMeasure, MongodUnavailable) as reason:
        _end(str(reason), MISUSED)
    except Broken as reason:
        _end(f"{reason}\nWhat was measured before is kept in {out / 'measured'}; go on with --resume.", FAILED)
    except KeyboardInterrupt:
        _end(f"Stopped. What was measured before is kept in {out / 'measured'}; go on with --resume.", INTERRUPTED)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description="Measures the shop and its peers.")
    parser.add_argument("--quick", action="store_true", help="one short round, into bench/quick: to see that all works")
    parser.add_argument("--out", type=Path, help="the folder for what is written (bench)")
    parser.add_argument("--resume", action="store_true", help="keep the parts that were measured before")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the page anew")
    parser.add_argument("--catalogues", nargs="+", type=int, metavar="SIZE", help=f"of {CATALOGUES}; 0 for none")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=SERVERS)
    parser.add_argument("--works", nargs="+", default=(), metavar="TEXT", help="those whose name has it in it")
    parser.add_argument("--no-starts", action="store_true", help="do not measure `trolley up`")
    return parser.parse_args()


def _measure(arguments: argparse.Namespace, folder: Path) -> None:
    """Every part, each kept as soon as it is there."""
    find_mongod()
    at = cores()
    if absent := [name for name in missing() if name in arguments.servers]:
        raise CannotMeasure(f"Not installed, run bench/install.sh or leave out of --servers: {', '.join(absent)}")
    scale = QUICK if arguments.quick else FULL
    sizes = arguments.catalogues or ([QUICK_CATALOGUE] if arguments.quick else CATALOGUES)
    whole = WHOLE if WHOLE in sizes else max(sizes)
    choice = Choice(arguments.servers, arguments.stores, arguments.works)
    plans = {} if arguments.no_starts else {"starts": 0}
    plans |= {f"catalogue-{size}": size for size in sizes if size}
    if not arguments.resume:
        for path in folder.glob("*.json"):
            path.unlink()
    for name, size in plans.items():
        path = folder / f"{name}.json"
        if path.exists():
            tell(f"{name}: measured before")
            continue
        with tempfile.TemporaryDirectory(prefix="trolley-bench-", dir=DATA) as temporary:
            home = Path(temporary)
            if size:
                with pinned(at.load):
                    part = compare(size, choice, scale, at, home, is_whole=size == whole)
            else:
                part = _starts(scale, home)
            part.command, part.machine = " ".join(["python -m bench", *sys.argv[1:]]), facts(home)
        part.date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        part.method = method(scale, at, whole)
        figures.keep(part, path)


def _starts(scale: Scale, folder: Path) -> Part:
    part = Part()
    for number in range(scale.starts):
        for store in STORES[-scale.stores_started :]:
            tell(f"trolley up on {store}, {number + 1} of {scale.starts}")
            part.starts += starts(store, folder / f"up-{store}-{number}", FIRST_PORT)
    return part


def _write(out: Path) -> None:
    """The page, the chart and the figures for programs, of all parts that are kept."""
    found = figures.kept(sorted((out / "measured").glob("*.json")))
    if not found:
        raise CannotMeasure(f"Nothing was measured yet: there is nothing in {out / 'measured'}.")
    rows = rows_of(found)
    (out / "results.json").write_bytes(to_json(rows))
    (out / "results.svg").write_text(chart(rows))
    (out / "RESULTS.md").write_text(parts.with_parts(markdown(found, rows)))
    print(f"Written: RESULTS.md, results.json and results.svg in {out}{os.sep}")


def _end(words: str, code: int) -> NoReturn:
    print(words, file=sys.stderr)
    raise SystemExit(code)


if __name__ == "__main__":
    main()
