"""Puts the service together; the only way in."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from products import routes
from products.changes import ChangeLog
from products.changing import Shop
from products.images import Images
from products.settings import Settings
from products.stores import open_store
from products.view.view import View
from shopkit.client import Hop
from shopkit.meta import About
from shopkit.metrics import Metrics
from shopkit.service import Application, service
from shopkit.tokens import Verifier, keys_from
from shopkit.values import Clock, new_id, now
from shopkit.watch import StoreWatch

NAME = "products"


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
        verifier=Verifier(keys_from(users), settings.issuer),
        collaborators={
            "shop": Shop(store, view, clock, metrics),
            "changes": changes,
            "pictures": Images(settings.images_dir),
        },
        checks={"store": watch.check},
        lifespan=lifespan,
    )
