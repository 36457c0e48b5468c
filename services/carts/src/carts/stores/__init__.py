"""Where carts live: picked by the scheme of STORE_URL."""

from carts.store import CartStore
from carts.stores.mongo import MongoCartStore
from carts.stores.sqlite import SqliteCartStore
from shopkit.metrics import Metrics
from shopkit.values import Clock


def open_store(url: str, metrics: Metrics, clock: Clock) -> CartStore:
    """The store at `url`. Nothing is opened before its `prepare`."""
    if url.startswith("sqlite:///"):
        return SqliteCartStore(url.removeprefix("sqlite:///"), metrics, clock)
    return MongoCartStore(url, metrics, clock)
