"""A port of its own for those who watch, on every service as it runs in earnest."""

import asyncio
from pathlib import Path

import httpx
import pytest

from shopdev.clients import Process
from shopdev.ports import free_port

PROBES = ("/healthz", "/readyz", "/metrics")


@pytest.mark.parametrize("name", ["users", "products", "carts", "storefront"])
async def test_who_watches_has_a_port_of_his_own_until_the_end(name: str, tmp_path: Path) -> None:
    port = free_port()
    own = {"SESSION_SECRET": "s" * 32} if name == "storefront" else {"STORE_URL": f"sqlite:///{tmp_path}/{name}.db"}
    service = await Process(name, PROBES_PORT=str(port), LINGER_SECONDS="2", **own).start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as beside:
            answers = [await beside.get(path) for path in PROBES]
            elsewhere = [(await beside.get(path)).status_code for path in ("/", "/products", "/carts/1", "/docs/")]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert [answer.json()["status"] for answer in answers[:2]] == ["ok", "ready"]
        assert f'build_info{{service="{name}"' in answers[2].text
        assert elsewhere == [404] * 4
        async with httpx.AsyncClient(base_url=service.url, timeout=20) as open_to_all:
            statuses = [(await open_to_all.get(path)).status_code for path in PROBES]
            assert statuses == [200, 200, 404]
            # Told to stop it serves on for a while, and says on both ports that it wants no more.
            stopping = asyncio.create_task(asyncio.to_thread(service.stop))
            while (answer := await open_to_all.get("/readyz")).status_code == 200:
                await asyncio.sleep(0.05)
            assert (answer.status_code, answer.json()["checks"]["process"]) == (503, "draining")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as beside:
            answer = await beside.get("/readyz")
            assert (answer.status_code, answer.json()["checks"]["process"]) == (503, "draining")
        await stopping
    finally:
        service.kill()
