"""The routes that every service has: itself, health, readiness, metrics, its contract and a page to read it on."""

import importlib.util
import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from litestar import Response, get
from litestar.openapi import ResponseSpec
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shopkit.errors import NotFound
from shopkit.metrics import Metrics
from shopkit.requests import ShopRequest

# A check says "ok", or in words what is not.
Check = Callable[[], str]

# Strict, and enough for the page: its script and style come from this service, inline styles are the viewer's own.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'"
)
DOCS_ASSETS = {"swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"}
DOCS_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} API</title><link rel="icon" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head><body><main id="swagger-ui"></main>
<script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body></html>"""
DOCS_START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true})'


class About(NamedTuple):
    """What a service says of itself."""

    name: str
    version: str
    description: str
    links: dict[str, str]


class Meta(NamedTuple):
    """What the routes below answer from."""

    about: About
    metrics: Metrics
    checks: dict[str, Check]
    contract: Callable[[], dict[str, Any]]


class ServiceFacts(msgspec.Struct):
    """What `GET /` answers."""

    name: str
    version: str
    description: str
    links: dict[str, str]


class Health(msgspec.Struct):
    """What the probes answer."""

    status: str
    checks: dict[str, str] = {}


def _meta(request: ShopRequest) -> Meta:
    found: Meta = request.app.state.meta
    return found


@get("/", summary="Name, version and links")
async def show_service(request: ShopRequest) -> Response[ServiceFacts]:
    """The service, and where to go from here."""
    about = _meta(request).about
    own = {"docs": "/docs", "openapi": "/openapi.json", "health": "/healthz", "ready": "/readyz", "metrics": "/metrics"}
    links = {name: request.location(path) for name, path in {**about.links, **own}.items()}
    return request.answer(ServiceFacts(about.name, about.version, about.description, links))


@get("/healthz", summary="Does the process work?")
async def show_health(request: ShopRequest) -> Response[Health]:
    """200 for as long as the process answers at all; says nothing of the store or of neighbours."""
    return request.answer(Health("ok"))


@get("/readyz", summary="Can it do its work?", responses={503: ResponseSpec(Health, description="Not ready")})
async def show_readiness(request: ShopRequest) -> Response[Health]:
    """200 when every check is "ok"; else 503, and each check says in words what is wrong."""
    checks = {name: check() for name, check in _meta(request).checks.items()}
    ready = all(outcome == "ok" for outcome in checks.values())
    return request.answer(Health("ready" if ready else "not_ready", checks), status=200 if ready else 503)


@get("/metrics", include_in_schema=False)
async def show_metrics(request: ShopRequest) -> Response[bytes]:
    """Prometheus text."""
    return Response(generate_latest(_meta(request).metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


@get("/openapi.json", include_in_schema=False)
async def show_contract(request: ShopRequest) -> Response[dict[str, Any]]:
    """The OpenAPI document; its server is this address, with the prefix the caller used."""
    return request.answer({**_meta(request).contract(), "servers": [{"url": request.location("") or "/"}]})


@get("/docs", include_in_schema=False)
async def show_docs(request: ShopRequest) -> Response[str]:
    """The contract as a page, all of it from here."""
    page = DOCS_PAGE.format(name=_meta(request).about.name)
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": DOCS_POLICY})


@get("/docs/{name:str}", include_in_schema=False)
async def show_docs_asset(name: FromPath[str]) -> Response[bytes]:
    """Script and style of the page, from the package swagger-ui-bundle."""
    if name == "start.js":
        return Response(DOCS_START.encode(), media_type="text/javascript")
    if name not in DOCS_ASSETS:
        raise NotFound
    package = importlib.util.find_spec("swagger_ui_bundle")
    if package is None or package.origin is None:
        raise NotFound("The package swagger-ui-bundle is not installed.")
    found = next(Path(package.origin).parent.rglob(name))
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Response(found.read_bytes(), media_type=media_type, headers={"Cache-Control": "public, max-age=86400"})


def handlers() -> list[ControllerRouterHandler]:
    """All of them."""
    return [show_service, show_health, show_readiness, show_metrics, show_contract, show_docs, show_docs_asset]
