"""A port of its own for those who watch, on every service as it runs in earnest."""

from pathlib import Path

import httpx
import pytest

from shopdev.clients import Process
from shopdev.ports import free_port

PROBES = ("/healthz", "/readyz", "/metrics")


@pytest.mark.parametrize("name", ["users", "products", "carts", "storefront"])
async def test_metrics_are_on_the_port_for_them_alone(name: str, tmp_path: Path) -> None:
    port = free_port()
    own = {"SESSION_SECRET": "s" * 32} if name == "storefront" else {"STORE_URL": f"sqlite:///{tmp_path}/{name}.db"}
    service = await Process(name, PROBES_PORT=str(port), **own).start()
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
    finally:
        service.stop()
