"""Puts the service together; the only way in."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from products import routes
from products.changes import ChangeLog
from products.changing import Shop
from products.images import Images
from products.settings import Settings
from products.stores import open_store
from products.view.view import View
from shopkit.client import Hop
from shopkit.edge import Ready, ReadyMade
from shopkit.meta import About
from shopkit.metrics import Metrics
from shopkit.service import Application, service
from shopkit.tokens import Verifier, published_keys
from shopkit.values import Clock, new_id, now
from shopkit.watch import StoreWatch

NAME = "products"
LIST, PRODUCT = "/products", "/products/{product}"


def create_app(settings: Settings, *, clock: Clock = now, changes: ChangeLog | None = None) -> Application:
    """The service; nothing is opened before it starts."""
    description = "Products, their variants, prices and stock."
    about = About(NAME, version("trolley-products"), description, {"products": "/products"})
    metrics = Metrics(NAME, about.version)
    store = open_store(settings.store_url, metrics, clock)
    watch = StoreWatch(store, logging.getLogger(NAME))
    users = Hop("users", settings.users_url, metrics)
    changes = changes or ChangeLog(new_id())
    view = View(store, settings.view_dir, metrics, clock, changes)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with users, watch, view:
            yield

    return service(
        about,
        settings,
        routes.handlers(),
        metrics=metrics,
        verifier=Verifier(partial(published_keys, users), settings.issuer),
        collaborators={
            "shop": Shop(store, view, clock, metrics),
            "changes": changes,
            "pictures": Images(settings.images_dir),
        },
        # Reads go on while the store is down: then only writes are refused, and each says so.
        checks={"view": view.check},
        reports={"store": watch.check},
        ready_made=ready_made(view),
        lifespan=lifespan,
    )


def ready_made(view: View) -> ReadyMade:
    """Products and lists that the view has ready, answered without a detour."""

    def find(path: str, query: bytes, headers: Mapping[bytes, bytes]) -> Ready | None:
        if not view.is_serving or b"cache-control" in headers:
            return None
        if path == LIST:
            listed = view.answers.list(query)
            return Ready(LIST, listed) if listed is not None else None
        start, slash, name = path.rpartition("/")
        found = view.find(name) if slash and start == LIST and not query else None
        return Ready(PRODUCT, found.json, str(found.head.version)) if found is not None else None

    return find
