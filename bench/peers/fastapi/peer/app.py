# mypy: disable-error-code="import-not-found, untyped-decorator"
"""The application: what every request passes, and its routes."""

import re
from uuid import uuid4

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import carts, login, problems, products
from .database import Opened, lifespan
from .schemas import Health

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Gives every answer the id of its request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        await self._app(scope, receive, identified)


def create_app() -> FastAPI:
    """The application; its settings are environment variables."""
    app = FastAPI(
        title="The shop's peer in FastAPI",
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.add_middleware(RequestIds)
    problems.install(app)
    for routes in (products, carts, login):
        app.include_router(routes.router)

    @app.get("/healthz")
    async def show_health() -> Health:
        return Health(status="ok", checks={})

    @app.get("/readyz")
    async def show_readiness(database: Opened) -> Health:
        await database.client.admin.command("ping")
        return Health(status="ready", checks={"store": "ok"})

    return app
