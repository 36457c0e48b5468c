"""The end of a service, and of connections that have grown old, as its callers see it."""

import asyncio
from collections.abc import Callable

import pytest

from shopdev.clients import client_of
from shopkit.client import Hop
from shopkit.metrics import Metrics
from shopkit.service import Application
from shopserver import connection, running


async def test_told_to_stop_it_is_not_ready_but_healthy(make_app: Callable[..., Application]) -> None:
    app = make_app()
    async with client_of(app) as client:
        assert (await client.get("/readyz")).json()["checks"] == {"process": "ok"}
        app.edge.is_draining = True
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "not_ready", "checks": {"process": "draining"}})
        for path in ("/healthz", "/metrics", "/ping"):
            assert (await client.get(path)).status_code == 200


async def test_callers_do_not_notice_that_connections_grow_old(
    make_app: Callable[..., Application], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "AGE_SECONDS", 0.02)
    opened = 0

    def spread() -> float:
        nonlocal opened
        opened += 1
        return opened % 10 / 10

    sockets = running.listen("127.0.0.1", 0)
    server = running.server_of(make_app().edge, spread=spread)
    serving = asyncio.create_task(server._serve(sockets))
    while not server.started:
        await asyncio.sleep(0.01)
    hop = Hop("tiny", f"http://127.0.0.1:{sockets[0].getsockname()[1]}", Metrics("callers", "1"))
    # One try each: whatever fails is seen.
    hop._savings = -1e9

    async def ask(number: int) -> None:
        for turn in range(60):
            assert (await hop.call("GET", "/ping", seconds=20)).status == 200
            body = b'{"name": "%d-%d"}' % (number, turn)
            made = await hop.call("POST", "/things", {"Content-Type": "application/json"}, seconds=20, data=body)
            assert made.status == 201

    async with hop:
        await asyncio.gather(*(ask(number) for number in range(8)))
    assert opened > 16
    server.stop()
    await serving
