"""Before anything is measured: that those on the same data answer the same."""

from collections.abc import Sequence
from typing import Any

from bench.measure import Runner
from bench.peers.comparing import timed
from bench.server import Broken, Server
from bench.work import BEST_FIRST

LOOKED_AT = 8


def same_answers(runners: Sequence[Sequence[Runner]]) -> None:
    """Broken where servers of one database tell of a product, or of a list of them, otherwise than another."""
    for row in runners:
        alike = [runner for runner in row if runner.server.database_pid]
        if not alike or alike[0].work.service != "products":
            continue
        work, servers = alike[0].work, [runner.server for runner in alike]
        requests = work.load.requests
        for request in requests[:: max(1, len(requests) // LOOKED_AT)]:
            _compare(servers, request.path, is_ordered=work.name != BEST_FIRST)


def _compare(servers: Sequence[Server], path: str, *, is_ordered: bool) -> None:
    answers = [_told(server.call("GET", "products", path), is_ordered=is_ordered) for server in servers]
    for server, answer in zip(servers[1:], answers[1:], strict=True):
        if answer != answers[0]:
            raise Broken(f"{server} answers {path} otherwise than {servers[0]}: {answer}\n{answers[0]}"[:3000])


def _told(answer: dict[str, Any], *, is_ordered: bool) -> dict[str, Any]:
    """Without what may differ: cursors, the digits of times, and the order by each one's own measure of relevance."""
    if "variants" in answer:
        return timed(answer)
    if "items" not in answer:
        return answer
    items = [timed(product) for product in answer["items"]]
    told = {"total": answer["total"], "facets": answer["facets"], "length": len(items)}
    return told | ({"items": items} if is_ordered else {})
