"""The stores that keep the promises of `users.store`."""

from shopkit.metrics import Metrics
from shopkit.values import Clock
from users.store import UserStore
from users.stores.mongo import MongoUserStore
from users.stores.sqlite import SqliteUserStore

SQLITE = "sqlite:///"


def open_store(url: str, metrics: Metrics, clock: Clock) -> UserStore:
    """The store that the URL names; nothing is opened before its `prepare`."""
    if url.startswith(SQLITE):
        return SqliteUserStore(url.removeprefix(SQLITE), metrics, clock)
    return MongoUserStore(url, metrics, clock)
