"""Puts the storefront together; the only way in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any

from litestar import Litestar, Request, Router
from litestar.config.compression import CompressionConfig
from litestar.di import Provide

from shopkit import meta
from shopkit.client import Hop
from shopkit.edge import ALWAYS_SERVED, Edge
from shopkit.errors import NotFound
from shopkit.logs import start_logging
from shopkit.metrics import Metrics
from shopkit.requests import ShopRequest
from shopkit.service import Application, pass_on, provide
from shopkit.values import Clock, now
from storefront import faults
from storefront.backends.answers import Refused
from storefront.backends.carts import Carts
from storefront.backends.products import Catalogue
from storefront.backends.users import Users
from storefront.front import Front
from storefront.pages import account, admin, admin_import, admin_product, assets, cart, catalogue
from storefront.settings import Settings
from storefront.visit import SignInNeeded, Visit

NAME = "storefront"
FORM_LIMIT = 256 * 1024
# Assets are compressed once and for all; what compresses would hold back the progress of an import.
UNCOMPRESSED = ["^/static/", "^/admin/import$"]
PAGES = [
    catalogue.show_home,
    catalogue.show_search,
    catalogue.show_product,
    cart.show_cart,
    cart.add_to_cart,
    cart.set_line,
    cart.undo,
    cart.show_history,
    account.show_sign_in,
    account.sign_in,
    account.show_register,
    account.register,
    account.sign_out,
    account.show_account,
    account.change_name,
    account.change_password,
    account.export_account,
    account.delete_account,
    admin.show_products,
    admin.archive,
    admin.restore,
    admin.change_stock,
    admin_product.show_new,
    admin_product.add_product,
    admin_product.show_edit,
    admin_product.save_product,
    admin_import.show_import,
    admin_import.import_file,
    assets.show_asset,
    assets.show_picture,
    assets.choose_language,
]


PROBED = [meta.show_health, meta.show_readiness, meta.show_metrics]


async def as_sent(request: Request[Any, Any, Any]) -> None:
    """A proxy that keeps these paths from the world looks at them as they were sent: /metrics%2F would pass it."""
    if request.scope["raw_path"].decode("latin-1") not in ALWAYS_SERVED:
        raise NotFound


def create_app(settings: Settings, *, clock: Clock = now) -> Application:
    """The storefront; nothing is opened before it starts."""
    about = meta.About(NAME, version("trolley-storefront"), "The shop's pages.", {})
    metrics = Metrics(NAME, about.version)
    log = start_logging(NAME, about.version, settings.log_level, settings.log_format)
    seconds = settings.call_timeout_ms / 1000
    users = Hop("users", settings.users_url, metrics, seconds)
    products = Hop("products", settings.products_url, metrics, seconds)
    carts = Hop("carts", settings.carts_url, metrics, seconds)
    front = Front(settings, Users(users), Catalogue(products), Carts(carts), clock)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with users, products, carts:
            yield

    async def visit(request: ShopRequest) -> Visit:
        found = Visit(request, front)
        request.scope["state"]["visit"] = found
        return found

    about_us = provide(meta.Meta(about, metrics, {}, b""))
    collaborators = {"meta": about_us, "front": provide(front), "visit": Provide(visit)}
    build = partial(
        Litestar,
        [*PAGES, Router("/", route_handlers=PROBED, before_request=as_sent)],
        request_class=ShopRequest,
        request_max_body_size=FORM_LIMIT,
        exception_handlers={SignInNeeded: faults.ask_to_sign_in, Refused: faults.tell_refusal, Exception: pass_on},
        dependencies=collaborators,
        compression_config=CompressionConfig("gzip", minimum_size=1000, gzip_compress_level=4, exclude=UNCOMPRESSED),
        logging_config=None,
    )
    routes = build(openapi_config=None, lifespan=[lambda _: lifespan()])
    edge = Edge(routes, settings, metrics, log)
    edge.write = faults.writer(front)  # type: ignore[assignment]  # which asks for the parameters' names, too
    return Application(about, edge, routes, build)
