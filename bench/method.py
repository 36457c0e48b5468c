"""What the figures mean, in the words of RESULTS.md."""

import os

from bench.comparison import Scale
from bench.machine import Cores
from bench.measure import SLOW_PER_SECOND, SLOW_SECONDS, SLOWEST_PER_SECOND
from bench.work import CONNECTIONS, FEW

TEXT = """\
Medians (and ranges) of {rounds} rounds of {seconds:g} s a run. Within a round each kind of work goes to Trolley on
each store, to Express and to FastAPI right after one another, so that what slows the machine slows all. Servers are
pinned to core {server}; load and `mongod` to {load}. Trolley runs as shipped, with LOG_LEVEL={level}; Express with
NODE_ENV=production. There is one process of each. The peers and Trolley on MongoDB use the same `mongod` and accounts,
and every write waits for the journal of a majority. The peers read a copy of Trolley's catalogue, which has beside each
product, and in indexes, what they search and sort it by.

CPU is the user and system time of the server's process tree, a request. Trolley's is that of all its services: where
carts ask products, what products used is in it, since Express and FastAPI read products in process; it stands beside
it as neighbours' too. That of `mongod` is in nobody's CPU, and stands beside it as well. Trolley on SQLite has its
database in its own processes, and is compared with the peers on MongoDB.

The load: `wrk -t1 -c{wide} -d1s -s bench/load.lua URL`, with one connection for sign-in, and {few} where a server
answers fewer than {slow} requests a second (one where fewer than {slowest}), which is then loaded {longer} times as
long. Every status is checked, one body in 20, and at the end that carts hold all that was answered; and before it, that
all answer product, list and search alike. p50 and p99 are of requests that vegeta sends at a constant rate, half of
what Express can do at most: medians of {rate_rounds} runs. Where that rate is low, p99 is the slowest of a few.

The catalogue is made by a seeded generator (`bench/catalogue.py`) and filled through POST /products/batch. All work is
measured on {whole:,} products; on the other sizes that which reads the catalogue, since a cart or a sign-in costs the
same whatever else the shop sells. Searches are of words that stand in 30 % of the products to words that stand in one
of a thousand. Trolley keeps lists it has encoded for as long as nothing in the catalogue changes; here the same ones
are asked for again and again, so its figures of lists and searches are those of kept ones. Work on carts goes to many
carts in turn: a new SKU becomes the second line, or the 100th and last; a held one is in the cart already.

Sign-in without argon2 is its CPU less that of verifying one password with the same parameters and library, measured by
itself right after each run.
"""


def method(scale: Scale, at: Cores, whole: int) -> str:
    """Paragraphs; `whole` is the catalogue on which all is measured."""
    return TEXT.format(
        rounds=scale.rounds,
        seconds=scale.seconds,
        server=at.server,
        load=", ".join(map(str, at.load)),
        level=os.environ.get("LOG_LEVEL", "info"),
        wide=CONNECTIONS,
        few=FEW,
        slow=SLOW_PER_SECOND,
        slowest=SLOWEST_PER_SECOND,
        longer=SLOW_SECONDS,
        rate_rounds=scale.rate_rounds,
        whole=whole,
    )
