"""The service as it runs in earnest: killed, started without its store, and beside another one."""

import asyncio
from pathlib import Path

import httpx
import pytest

from shopdev.clients import Process, client_of
from shopdev.fixtures import require
from shopdev.mongod import Mongod, MongodUnavailable
from shopdev.ports import free_port
from users.app import create_app
from users.settings import Settings

from .conftest import PASSWORD, Visitor

WRITERS = 6
WRITES_BEFORE_THE_KILL = 300


async def test_a_killed_service_has_kept_all_it_acknowledged(store_url: str) -> None:
    acknowledged: dict[str, int] = {}
    enough = asyncio.Event()

    async def rename(person: Visitor) -> None:
        number = 0
        while True:
            number += 1
            try:
                answer = await person.call("PATCH", "/me", {"name": f"{number}"})
            except httpx.TransportError:
                return
            assert answer.status_code == 200
            acknowledged[person.email] = number
            if sum(acknowledged.values()) >= WRITES_BEFORE_THE_KILL:
                enough.set()

    service = await Process("users", STORE_URL=store_url).start()
    async with httpx.AsyncClient(base_url=service.url) as client:
        people = [await Visitor(client, f"p{n}@example.test").register() for n in range(WRITERS)]
        writers = asyncio.gather(*(rename(person) for person in people))
        await asyncio.wait_for(enough.wait(), 60)
        service.kill()
        await writers
    async with Process("users", STORE_URL=store_url) as service, httpx.AsyncClient(base_url=service.url) as client:
        for person in people:
            # At most one more than acknowledged: the answer on its way when the end came.
            user = (await Visitor(client, person.email).login()).tokens["user"]
            assert int(user["name"]) - acknowledged[person.email] in {0, 1}
            assert user["version"] == 1 + int(user["name"])
            # The keys and the sessions are still there, too.
            assert (await client.get("/me", headers=person.bearer)).status_code == 200
            refreshed = await client.post("/token/refresh", json={"refresh_token": person.tokens["refresh_token"]})
            assert refreshed.status_code == 200


async def ready(client: httpx.AsyncClient, status: int) -> dict[str, object]:
    """What readiness says, once it answers with that status."""
    for _ in range(400):
        answer = await client.get("/readyz")
        if answer.status_code == status:
            found: dict[str, object] = answer.json()
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"/readyz never answered {status}")


async def refuses_work(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).status_code == 200
    down = await ready(client, 503)
    assert down["status"] == "not_ready"
    person = {"email": "ana@example.test", "password": PASSWORD}
    answers = await asyncio.gather(
        client.post("/register", json=person),
        client.post("/login", json=person),
        client.post("/token/refresh", json={"refresh_token": "a.b.c"}),
        client.get("/.well-known/jwks.json"),
    )
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1


async def test_a_service_starts_without_its_file_and_recovers(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.write_text("a file where the folder should be")
    app = create_app(Settings(store_url=f"sqlite:///{folder}/users.db", log_level="critical"))  # type: ignore[arg-type]
    async with client_of(app) as client:
        await refuses_work(client)
        folder.unlink()
        await ready(client, 200)
        await Visitor(client, "ana@example.test").register()


async def test_a_service_starts_without_its_mongodb_and_recovers(tmp_path: Path, mongo_server: str) -> None:
    port = free_port()
    server = Mongod(tmp_path / "mongod", port)
    url = f"mongodb://127.0.0.1:{port}/users?replicaSet=trolley"
    app = create_app(Settings(store_url=url, log_level="critical"))  # type: ignore[arg-type]
    async with client_of(app) as client:
        await refuses_work(client)
        try:
            await asyncio.to_thread(server.start)
        except MongodUnavailable as reason:
            require("mongo", str(reason))
        try:
            await ready(client, 200)
            ana = await Visitor(client, "ana@example.test").register()
            assert (await ana.call("GET", "/me")).status_code == 200
            await asyncio.to_thread(server.stop)
            # What needs no store goes on; what does, says so.
            assert (await client.get("/.well-known/jwks.json")).status_code == 200
            assert (await ana.call("GET", "/me")).status_code == 503
            await ready(client, 503)
        finally:
            server.stop()


@pytest.mark.parametrize("replicas", [2])
async def test_replicas_that_start_at_once_are_one_service(store_url: str, replicas: int) -> None:
    services = [Process("users", STORE_URL=store_url) for _ in range(replicas)]
    await asyncio.gather(*(service.start() for service in services))
    try:
        one, other = (httpx.AsyncClient(base_url=service.url) for service in services)
        async with one, other:
            keys = await asyncio.gather(*(client.get("/.well-known/jwks.json") for client in (one, other)))
            assert keys[0].json() == keys[1].json()
            ana = await Visitor(one, "ana@example.test").register()
            assert (await other.get("/me", headers=ana.bearer)).json() == ana.tokens["user"]
            token = {"refresh_token": ana.tokens["refresh_token"]}
            assert (await other.post("/token/refresh", json=token)).status_code == 200
            assert (await one.post("/token/refresh", json=token)).json()["code"] == "token_reused"
    finally:
        for service in services:
            service.stop()


async def test_told_to_stop_it_serves_on_and_lets_go_of_its_store(store_url: str) -> None:
    service = await Process("users", STORE_URL=store_url, LINGER_SECONDS="1").start()
    async with httpx.AsyncClient(base_url=service.url) as client:
        person = await Visitor(client, "ana@example.test").register()
        ending = asyncio.create_task(asyncio.to_thread(service.stop))
        down = await ready(client, 503)
        assert down["checks"] == {"store": "ok", "process": "draining"}
        answer = await person.call("PATCH", "/me", {"name": "late"})
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        await asyncio.wait_for(ending, 15)
    if store_url.startswith("sqlite"):
        assert not Path(f"{store_url.removeprefix('sqlite:///')}-wal").exists()
    async with Process("users", STORE_URL=store_url) as again, httpx.AsyncClient(base_url=again.url) as client:
        assert (await Visitor(client, "ana@example.test").login()).tokens["user"]["name"] == "late"
