"""What is measured: a server that speaks the shop's API, be it the shop itself or a peer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

SERVICES = ("users", "products", "carts")
STORES = ("sqlite", "mongodb")
TROLLEY, EXPRESS, FASTAPI = "trolley", "express", "fastapi"


class Broken(Exception):
    """A server did not do what it must; figures of it would mean nothing."""


@dataclass
class Server:
    """A running server. `urls` and `pids` are by service; of a peer, which is one process, they are all the same."""

    name: str
    store: str
    client: httpx.Client
    urls: dict[str, str] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)
    database_pid: int | None = None
    product_ids: list[str] = field(default_factory=list)
    staff: Mapping[str, str] = field(default_factory=dict)
    # Where health and metrics of a service are asked for.
    probes: dict[str, str] = field(default_factory=dict)

    def call(
        self, method: str, service: str, path: str, status: int = 200, body: object = None, **headers: str
    ) -> dict[str, Any]:
        """One call outside the measurement; what it answers, Broken if the status is another."""
        sent = {header.replace("_", "-"): value for header, value in headers.items()}
        answer = self.client.request(method, self.urls[service] + path, json=body, headers=sent)
        if answer.status_code != status:
            raise Broken(f"{method} {path} of {self}: {answer.status_code} {answer.text[:500]}")
        content: dict[str, Any] = answer.json()
        return content

    def __str__(self) -> str:
        return f"{self.name} on {self.store}"
