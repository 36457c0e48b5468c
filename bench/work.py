"""The work that is measured: what is sent, and how it is known afterwards that it was done."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from bench.catalogue import CATEGORIES
from bench.load import Load, Request
from bench.server import Broken, Server
from bench.vocabulary import THINGS, searches

PAGE = 20
CONNECTIONS = 16
# Where a whole catalogue is gone through for each, more would only wait.
FEW = 4
# Hashes at the same time crowd each other out of the processor's caches, and could not be told from the rest.
ONE = 1
# The order is each server's own, so answers differ in it.
BEST_FIRST = "search, best first"
LISTED = '"facets":{"category":['


class Work(NamedTuple):
    """A kind of request to one service.

    `prepare` makes ready for one more run, outside of the measurement. `verify` is told how many were answered in each
    run so far, and how many more may have been done; Broken where the server does not bear that out.
    """

    name: str
    service: str
    load: Load
    verify: Callable[[Sequence[int], int], None]
    prepare: Load | None = None
    connections: int = CONNECTIONS


def works_of_catalogue(server: Server) -> list[Work]:
    """What only reads the catalogue."""
    return [product_by_id(server), list_page(server), search(server), search_by_relevance(server)]


def ping() -> Work:
    """The least a request can cost."""
    return Work("ping", "products", Load([Request("GET", "/healthz")], '{"status":"ok"'), unverified)


def product_by_id(server: Server) -> Work:
    """Every product in turn, but in no order in which they are kept."""
    count = len(server.product_ids)
    step = next(step for step in (7919, 7907, 1) if count % step)
    ids = [server.product_ids[number * step % count] for number in range(count)]

    def verify(_answers: Sequence[int], _more: int) -> None:
        for number in (0, len(ids) // 2, -1):
            product = server.call("GET", "products", f"/products/{ids[number]}")
            expect(product["id"] == ids[number] and len(product["variants"]) == 3, product)

    return Work(
        "product by id", "products", Load([Request("GET", f"/products/{id_}") for id_ in ids], "BENCH-"), verify
    )


def list_page(server: Server) -> Work:
    """The first page of each category in turn, with total and facets."""

    def verify(_answers: Sequence[int], _more: int) -> None:
        page = server.call("GET", "products", f"/products?category={CATEGORIES[0]}")
        share = len(server.product_ids) // len(CATEGORIES)
        right = all(product["category"] == CATEGORIES[0] for product in page["items"])
        expect(right and len(page["items"]) == min(PAGE, share) and page["total"] == share, page)

    requests = [Request("GET", f"/products?category={category}") for category in CATEGORIES]
    return Work("list by category", "products", Load(requests, LISTED), verify)


def search(server: Server) -> Work:
    """The first page of what is looked for, the cheapest first, with total and facets."""
    return _search(server, "search, cheapest first", "price")


def search_by_relevance(server: Server) -> Work:
    """The same with the best matches first."""
    return _search(server, BEST_FIRST, "relevance")


def _search(server: Server, name: str, sort: str) -> Work:
    def verify(_answers: Sequence[int], _more: int) -> None:
        page = server.call("GET", "products", f"/products?q={THINGS[0]}&sort={sort}")
        right = all(THINGS[0] in product["name"].lower() for product in page["items"])
        expect(right and 0 < page["total"] < len(server.product_ids) / 2, page)

    requests = [Request("GET", f"/products?q={quote_plus(words)}&sort={sort}") for words in searches()]
    return Work(name, "products", Load(requests, LISTED), verify)


def sign_in(server: Server, accounts: Sequence[dict[str, str]]) -> Work:
    """Every account in turn; most of the time goes into the hash of the password."""

    def verify(_answers: Sequence[int], _more: int) -> None:
        answer = server.call("POST", "users", "/login", 200, accounts[0])
        expect(answer["user"]["email"] == accounts[0]["email"] and answer["token_type"] == "Bearer", answer)

    requests = [Request("POST", "/login", body=json.dumps(account)) for account in accounts]
    return Work("sign-in", "users", Load(requests, '"access_token":"'), verify, connections=ONE)


def unverified(_answers: Sequence[int], _more: int) -> None:
    """For work that leaves nothing behind, and whose every answer is looked at."""


def expect(is_right: bool, found: Any) -> None:
    """Broken, with what was found, unless it is right."""
    if not is_right:
        raise Broken(f"A service answered wrongly: {json.dumps(found)[:500]}")
