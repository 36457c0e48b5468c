"""The service as it runs in earnest: killed, with its database down, several at once, and on the command line."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from products.app import create_app
from shopdev.clients import Process, client_of
from shopdev.mongod import Mongod, find_mongod
from shopdev.people import People

from .conftest import body, settings


async def test_kill_9_loses_no_acknowledged_write(store_url: str, people: People) -> None:
    environment = {"STORE_URL": store_url, "USERS_URL": people.url}
    staff = people.bearer("staff-1", "staff")
    service = await Process("products", **environment).start()
    acknowledged: list[tuple[str, str]] = []
    stock = 0

    async def write(lane: int) -> None:
        nonlocal stock
        async with httpx.AsyncClient(base_url=service.url, headers=staff) as client:
            for number in range(1000):
                added = await client.post("/products", json=body(f"S-{lane}-{number}", stock=0))
                acknowledged.append((f"S-{lane}-{number}", added.json()["id"]))
                await client.post("/stock", json={"changes": [{"sku": "S-0-0", "delta": 1}]})
                stock += 1
                if len(acknowledged) >= 150:
                    service.kill()

    outcomes = await asyncio.gather(*(write(lane) for lane in range(4)), return_exceptions=True)
    assert all(isinstance(outcome, httpx.TransportError) for outcome in outcomes), outcomes
    assert len(acknowledged) >= 150
    async with Process("products", **environment) as again, httpx.AsyncClient(base_url=again.url) as client:
        kept: dict[str, str] = {}
        for start in range(0, len(acknowledged), 100):
            skus = [sku for sku, _ in acknowledged[start : start + 100]]
            found = (await client.get("/products", params={"sku": skus})).json()
            kept |= {item["variants"][0]["sku"]: item["id"] for item in found["items"]}
            assert found["missing"] == []
        assert kept == dict(acknowledged)
        first = (await client.get("/products?sku=S-0-0")).json()["items"][0]
        # Each lane had at most one change on its way that was never acknowledged.
        assert stock <= first["variants"][0]["stock"] <= stock + 4


async def recovered(client: httpx.AsyncClient) -> bool:
    for _ in range(200):
        if (await client.get("/readyz")).status_code == 200:
            return True
        await asyncio.sleep(0.05)
    return False


async def assert_down(client: httpx.AsyncClient) -> None:
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
    assert ready.json()["checks"]["store"] != "ok"
    assert (await client.get("/healthz")).status_code == 200
    calls = (
        client.get("/products"),
        client.get("/products/shirt"),
        client.get("/products?sku=A"),
        client.post("/products", json=body()),
        client.post("/products/batch", json={"items": [body()]}),
        client.post("/stock", json={"changes": [{"sku": "A", "delta": 1}]}),
    )
    for answer in await asyncio.gather(*calls):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) >= 1


async def test_a_service_whose_file_cannot_be_opened_says_so_and_recovers(tmp_path: Path, people: People) -> None:
    (tmp_path / "folder").write_text("in the way")
    down = settings(f"sqlite:///{tmp_path}/folder/products.db", people)
    async with client_of(create_app(down)) as client:
        client.headers.update(people.bearer("staff-1", "staff"))
        await assert_down(client)
        (tmp_path / "folder").unlink()
        assert await recovered(client)
        assert (await client.post("/products", json=body())).status_code == 201


async def test_a_service_whose_mongod_starts_later_says_so_and_recovers(
    tmp_path: Path, people: People, mongo_server: str
) -> None:
    find_mongod()
    late = Mongod(tmp_path / "late")
    address = late.url.replace("/?", "/products?")
    async with client_of(create_app(settings(address, people))) as client:
        client.headers.update(people.bearer("staff-1", "staff"))
        await assert_down(client)
        try:
            await asyncio.to_thread(late.start)
            assert await recovered(client)
            assert (await client.post("/products", json=body())).status_code == 201
        finally:
            late.stop()


async def test_two_replicas_start_at_once_and_share_all(store_url: str, people: People) -> None:
    staff = people.bearer("staff-1", "staff")
    apps = [create_app(settings(store_url, people)) for _ in range(2)]
    async with client_of(apps[0]) as one, client_of(apps[1]) as two:
        for client in (one, two):
            client.headers.update(staff)
            assert await recovered(client)
        await one.post("/products", json=body("A", stock=10))
        assert (await two.get("/products/shirt")).status_code == 200
        taking = [
            client.post("/stock", json={"changes": [{"sku": "A", "delta": -1}]})
            for client in (one, two)
            for _ in range(8)
        ]
        answers = await asyncio.gather(*taking)
        assert sorted(answer.status_code for answer in answers) == [200] * 10 + [409] * 6
        keyed = [client.post("/products", json=body("B"), headers={"Idempotency-Key": "k"}) for client in (one, two)]
        assert len({answer.content for answer in await asyncio.gather(*keyed)}) == 1
        # What another replica wrote is listed within a second.
        for _ in range(100):
            if (total := (await two.get("/products")).json()["total"]) == 2:
                break
            await asyncio.sleep(0.01)
        assert total == 2


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        (["--nothing"], {}, "--nothing"),
        ([], {"STORE_URL": "mysql://x"}, "STORE_URL must start with"),
        ([], {"PORT": "none"}, "PORT: "),
        ([], {"SHOP_ENV": "production"}, "STORE_URL must be a mongodb://"),
    ],
)
def test_wrong_use_ends_with_a_sentence_and_code_2(
    arguments: list[str], environment: dict[str, str], said: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "products", *arguments]
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr
    assert "Traceback" not in run.stderr


def test_help_lists_the_settings() -> None:
    run = subprocess.run([sys.executable, "-m", "products", "--help"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0
    for name in ("STORE_URL", "USERS_URL", "ISSUER", "IMAGES_DIR", "PORT"):
        assert name in run.stdout
