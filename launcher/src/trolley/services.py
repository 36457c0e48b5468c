"""The services of the shop: where each listens, and what it is told when it starts."""

import os
import socket
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

# In the order of their ports, from the first one up.
IN_A_ROW = ("users", "products", "carts")
# What shoppers see has a port of its own.
STOREFRONT = "storefront"
NAMES = (*IN_A_ROW, STOREFRONT)
HOST = "127.0.0.1"


class Store(StrEnum):
    """Where the services keep their data."""

    SQLITE = "sqlite"
    MONGODB = "mongodb"


class CannotStart(Exception):
    """Something is in the way of starting as asked; one sentence for the person at the keyboard."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `trolley up` was asked for. `data` is absolute; `mongodb_url` is empty where we start a mongod ourselves."""

    data: Path
    first_port: int
    storefront_port: int
    store: Store
    mongodb_url: str
    empty: bool

    def port(self, name: str) -> int:
        """Where the service listens."""
        return self.storefront_port if name == STOREFRONT else self.first_port + IN_A_ROW.index(name)

    def url(self, name: str) -> str:
        """The service's address."""
        return f"http://{HOST}:{self.port(name)}"

    def taken_ports(self) -> list[int]:
        """Ports of ours that somebody else listens on."""
        return [self.port(name) for name in NAMES if not is_free(self.port(name))]

    def store_name(self) -> str:
        """What tells this plan's store from others that the same data folder was used with; without credentials."""
        address = urlsplit(self.mongodb_url).netloc.rpartition("@")[2]
        return f"{self.store} at {address}" if address else str(self.store)

    def store_url(self, name: str, mongodb_url: str) -> str:
        """The service's own database."""
        if self.store is Store.SQLITE:
            return f"sqlite:///{self.data / name}.db"
        return urlsplit(mongodb_url)._replace(path=f"/trolley_{name}").geturl()

    def environment(self, name: str, mongodb_url: str, session_secret: str = "") -> dict[str, str]:
        """The settings of a service; what is set outside already stays, so that e.g. LOG_LEVEL reaches all of them.

        `session_secret` is for the storefront alone, which keeps nothing but what it gives to browsers.
        """
        own = {
            "HOST": HOST,
            "PORT": str(self.port(name)),
            "LOG_FORMAT": "text",
            "PYTHONUNBUFFERED": "1",
        }
        own |= {f"{other.upper()}_URL": self.url(other) for other in IN_A_ROW}
        if name == STOREFRONT:
            own["SESSION_SECRET"] = session_secret
        else:
            own |= {"STORE_URL": self.store_url(name, mongodb_url), "IMAGES_DIR": str(self.data / "images")}
            # The storefront tells whom it asks for: limits on sign-in count by the visitor's address, not by its own.
            own["TRUSTED_PROXIES"] = HOST
        if name == "products":
            own["VIEW_DIR"] = str(self.data / "products-view")
        return os.environ | own


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
