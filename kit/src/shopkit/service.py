"""One way to build a service: its routes, with everything that is true of all services around them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib.resources import files
from typing import Any, NamedTuple

from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from shopkit import logs, meta
from shopkit.edge import Edge, ReadyMade
from shopkit.metrics import Metrics
from shopkit.requests import ShopRequest
from shopkit.settings import ServiceSettings
from shopkit.tokens import Verifier

BODY_LIMIT = 64 * 1024


class Application(NamedTuple):
    """`edge` is the ASGI application, `routes` its framework's part, `build` makes another one of the same routes."""

    about: meta.About
    edge: Edge
    routes: Litestar
    build: Callable[..., Litestar]


def provide(value: Any) -> Provide:
    """The value itself, as a dependency of routes."""
    return Provide(lambda: value, sync_to_thread=False)


def pass_on(_: Request[Any, Any, Any], failure: Exception) -> Response[Any]:
    """Every failure is answered at the edge."""
    raise failure


def service(
    about: meta.About,
    settings: ServiceSettings,
    handlers: Sequence[ControllerRouterHandler],
    *,
    metrics: Metrics,
    verifier: Verifier,
    collaborators: dict[str, Any],
    checks: dict[str, meta.Check],
    reports: dict[str, meta.Check] | None = None,
    lifespan: Callable[[], AbstractAsyncContextManager[None]],
    ready_made: ReadyMade = Edge.ready_made,
) -> Application:
    """Builds the application.

    `collaborators` are handed to routes that name them as parameters; `checks` decide readiness, `reports` are only
    told beside them; `lifespan` opens and closes whatever needs a running event loop. `ready_made` answers what it can
    before the framework is asked.
    """
    log = logs.start_logging(about.name, about.version, settings.log_level, settings.log_format)
    contract = files(about.name).joinpath("openapi.json").read_bytes()
    checks = {**checks, "process": lambda: "draining" if edge.is_draining else "ok"}
    collaborators = {**collaborators, "meta": meta.Meta(about, metrics, checks, contract, reports or {})}
    build = partial(
        Litestar,
        [*handlers, *meta.handlers()],
        request_class=ShopRequest,
        request_max_body_size=BODY_LIMIT,
        exception_handlers={Exception: pass_on},
        dependencies={name: provide(value) for name, value in collaborators.items()},
        logging_config=None,
    )

    routes = build(openapi_config=None, lifespan=[lambda _: lifespan()])
    routes.state.verifier, routes.state.running_keys = verifier, set()
    edge = Edge(routes, settings, metrics, log)
    edge.ready_made = ready_made
    return Application(about, edge, routes, build)
