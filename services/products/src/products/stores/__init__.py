"""Where products live: picked by the scheme of STORE_URL."""

from products.store import ProductStore
from products.stores.mongo import MongoProductStore
from products.stores.sqlite import SqliteProductStore
from shopkit.metrics import Metrics
from shopkit.values import Clock


def open_store(url: str, metrics: Metrics, clock: Clock) -> ProductStore:
    """The store at `url`. Nothing is opened before its `prepare`."""
    if url.startswith("sqlite:///"):
        return SqliteProductStore(url.removeprefix("sqlite:///"), metrics, clock)
    return MongoProductStore(url, metrics, clock)
