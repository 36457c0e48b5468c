"""The routes that every service has: itself, health, readiness, metrics, its contract and a page to read it on."""

from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import SkipValidation
from litestar.response import Redirect
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler, PathType
from msgspec.structs import replace
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shopkit.errors import NotFound
from shopkit.metrics import Metrics
from shopkit.requests import JSON, ShopRequest
from shopkit.settings import ServiceSettings

# A check says "ok", or in words what is not.
Check = Callable[[], str]

LINKS = {"docs": "/docs", "openapi": "/openapi.json", "health": "/healthz", "ready": "/readyz", "metrics": "/metrics"}


class About(msgspec.Struct, frozen=True):
    """What a service says of itself; `GET /` answers it."""

    name: str
    version: str
    description: str
    links: dict[str, str]


class Meta(NamedTuple):
    """What the routes below answer from; `contract` is the committed OpenAPI document."""

    about: About
    metrics: Metrics
    checks: dict[str, Check]
    contract: bytes
    reports: dict[str, Check] = {}  # noqa: RUF012 (read only)


class HealthOut(msgspec.Struct):
    """What the probes answer."""

    status: str
    checks: dict[str, str] = {}


Known = NamedDependency[SkipValidation[Meta]]


@get("/", summary="Name, version and links")
async def show_service(request: ShopRequest, meta: Known) -> Response[About]:
    """The service, and where to go from here."""
    links = {name: request.location(path) for name, path in {**meta.about.links, **LINKS}.items()}
    return request.answer(replace(meta.about, links=links))


@get("/healthz", summary="Does the process work?")
async def show_health(request: ShopRequest) -> Response[HealthOut]:
    """200 for as long as the process answers at all; says nothing of the store or of neighbours."""
    return request.answer(HealthOut("ok"))


@get("/readyz", summary="Can it do its work?", responses={503: ResponseSpec(HealthOut, description="Not ready")})
async def show_readiness(request: ShopRequest, meta: Known) -> Response[HealthOut]:
    """200 when every check that decides is "ok"; else 503. Each check says in words what is wrong."""
    checks = {name: check() for name, check in (meta.checks | meta.reports).items()}
    ready = all(checks[name] == "ok" for name in meta.checks)
    return request.answer(HealthOut("ready" if ready else "not_ready", checks), status=200 if ready else 503)


@get("/metrics", include_in_schema=False)
async def show_metrics(meta: Known) -> Response[bytes]:
    """Prometheus text."""
    return Response(generate_latest(meta.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


@get("/openapi.json", include_in_schema=False)
async def show_contract(meta: Known) -> Response[Any]:
    """The OpenAPI document, as it is committed."""
    return Response(meta.contract, media_type=JSON)


def tidy(request: Request[Any, Any, Any]) -> Redirect | None:
    """No names that no file system takes; and no slash at the end, behind which the page's links would lead nowhere."""
    path: bytes = request.scope["raw_path"]
    if b"%00" in path or len(path) > 200:
        raise NotFound
    return Redirect("../docs") if path.endswith(b"/docs/") else None


PROBES: list[ControllerRouterHandler] = [show_health, show_readiness, show_metrics]


def probes(settings: ServiceSettings) -> list[ControllerRouterHandler]:
    """Those on the service's own port: where those who watch have one for them, nobody else sees the metrics."""
    return PROBES[:2] if settings.probes_port else PROBES


def handlers(settings: ServiceSettings) -> list[ControllerRouterHandler]:
    """All of them; the page's script and style come from the package swagger-ui-py."""
    # Found without importing it, which would take longer than all the rest.
    viewer = distribution("swagger-ui-py").locate_file("swagger_ui/static")
    folders: list[PathType] = [Path(__file__).parent / "docs", Path(str(viewer))]
    page = create_static_files_router("/docs", folders, html_mode=True, include_in_schema=False, before_request=tidy)
    return [show_service, *probes(settings), show_contract, page]
