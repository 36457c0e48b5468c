"""Puts the service together; the only way in."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version

from carts import routes
from carts.catalogue import ProductCatalogue
from carts.changing import Shop
from carts.feed import POLL_SECONDS, ChangeFeed
from carts.memory import Memory
from carts.settings import Settings
from carts.stores import open_store
from shopkit.client import Hop
from shopkit.meta import About
from shopkit.metrics import Metrics
from shopkit.service import Application, service
from shopkit.tokens import Verifier, published_keys
from shopkit.values import Clock, now
from shopkit.watch import StoreWatch

NAME = "carts"


def create_app(settings: Settings, *, clock: Clock = now) -> Application:
    """The service; nothing is opened before it starts."""
    about = About(NAME, version("trolley-carts"), "Carts and their lines.", {"my cart": "/carts/current"})
    metrics = Metrics(NAME, about.version)
    store = open_store(settings.store_url, metrics, clock)
    log = logging.getLogger(NAME)
    watch = StoreWatch(store, log)
    memory = Memory(clock, settings.remembered_mib * 2**20)
    users = Hop("users", settings.users_url, metrics)
    products = Hop("products", settings.products_url, metrics)
    catalogue = ProductCatalogue(products, settings.catalogue_fresh_ms / 1000)
    # A way of its own: where the feed fails, questions must still get through; and its connection stays at one replica.
    telling = Hop("products_feed", settings.products_url, metrics, POLL_SECONDS)
    feed = ChangeFeed(telling, catalogue.known, metrics, log)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with users, products, telling, feed, watch:
            yield

    return service(
        about,
        settings,
        routes.handlers(),
        metrics=metrics,
        verifier=Verifier(partial(published_keys, users), settings.issuer),
        collaborators={"shop": Shop(store, memory, catalogue, clock, metrics)},
        checks={"store": watch.check},
        lifespan=lifespan,
    )
