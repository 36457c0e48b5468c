"""One way to build a service: its routes, with everything that is true of all services around them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache, partial
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.types import ControllerRouterHandler, Receive, Scope, Send

from shopkit import meta, problems
from shopkit.edge import Edge
from shopkit.logs import start_logging
from shopkit.metrics import Metrics
from shopkit.openapi import describe
from shopkit.requests import ShopRequest
from shopkit.settings import ServiceSettings
from shopkit.tokens import Verifier

BODY_LIMIT = 64 * 1024


class Application:
    """An ASGI application; `routes` is the framework's own view of it."""

    def __init__(self, edge: Edge, routes: Litestar, contract: Callable[[], dict[str, Any]]) -> None:
        self._edge = edge
        self._contract = contract
        self.routes = routes

    @property
    def contract(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return self._contract()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._edge(scope, receive, send)


def service(
    about: meta.About,
    settings: ServiceSettings,
    handlers: Sequence[ControllerRouterHandler],
    *,
    metrics: Metrics,
    verifier: Verifier,
    collaborators: dict[str, Any],
    checks: dict[str, meta.Check],
    lifespan: Callable[[], AbstractAsyncContextManager[None]],
) -> Application:
    """Builds the application.

    `collaborators` are handed to routes that name them as parameters; `checks` decide readiness; `lifespan` opens and
    closes whatever needs a running event loop.
    """
    log = start_logging(about.name, about.version, settings.log_level, settings.log_format)
    build = partial(
        Litestar,
        [*handlers, *meta.handlers()],
        request_class=ShopRequest,
        request_max_body_size=BODY_LIMIT,
        exception_handlers={Exception: problems.answer},
        dependencies={name: provide(value) for name, value in collaborators.items()},
        logging_config=None,
    )

    # Made when first asked for, by an application of its own: the framework would serve pages of its own beside it.
    @cache
    def contract() -> dict[str, Any]:
        config = OpenAPIConfig(title=about.name, version=about.version, description=about.description)
        return describe(build(openapi_config=config))

    routes = build(openapi_config=None, lifespan=[lambda _: lifespan()])
    routes.state.verifier = verifier
    routes.state.running_keys = set()
    routes.state.meta = meta.Meta(about, metrics, checks, contract)
    return Application(Edge(routes, settings, metrics, log), routes, contract)


def provide(value: Any) -> Provide:
    """The value itself, as a dependency of routes."""
    return Provide(lambda: value, sync_to_thread=False)
