"""The OpenAPI document: the framework writes it from the routes; this adds what is true of all of them."""

from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig

from shopkit import errors
from shopkit.problems import MEDIA_TYPE, Problem, status_of
from shopkit.requests import maybe_signed_in, signed_in, staff
from shopkit.service import Application

_KEY = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
_EVERY = (errors.Unavailable, errors.DeadlineExceeded)
_BODY = (errors.BrokenRequest, errors.TooLarge, errors.UnsupportedMediaType, errors.InvalidRequest)


def describe(application: Application) -> dict[str, Any]:
    """The document as a dictionary that encodes to JSON."""
    about = application.about
    config = OpenAPIConfig(title=about.name, version=about.version, description=about.description)
    # An application of its own: the framework serves pages of its own beside a document.
    app = application.build(openapi_config=config)
    document: dict[str, Any] = app.openapi_schema.to_schema()
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in handler.http_methods:
                operation = document["paths"].get(route.path_format, {}).get(method.lower())
                if operation is not None:
                    _complete(operation, handler, method)
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    _, problem = msgspec.json.schema_components((Problem,), ref_template="#/components/schemas/{name}")
    components["schemas"] = problem | components.get("schemas", {})
    document["servers"] = [{"url": "/"}, {"url": "/api/v1"}]
    return document


def _complete(operation: dict[str, Any], handler: HTTPRouteHandler, method: str) -> None:
    operation["operationId"] = handler.handler_name
    answers = operation["responses"]
    # The framework documents a 400 of its own, which no caller of ours ever sees.
    answers.pop("400", None)
    parameters = [*operation.get("parameters", []), *_headers(handler, method)]
    if parameters:
        operation["parameters"] = parameters
    guards = _guards(handler)
    if {maybe_signed_in, signed_in, staff} & guards:
        operation["security"] = [{"bearer": []}, *([{}] if maybe_signed_in in guards else [])]
    for kind in _common_problems(handler, parameters):
        problem = {"$ref": f"#/components/schemas/{Problem.__name__}"}
        answer = {"description": f"`{kind.code}`: {kind.title()}", "content": {MEDIA_TYPE: {"schema": problem}}}
        answers.setdefault(str(status_of(kind)), answer)
    if handler.opt.get("tagged") and method == "GET":
        answers["304"] = {"description": "You have it already."}
    operation["responses"] = dict(sorted(answers.items()))


def _guards(handler: HTTPRouteHandler) -> set[object]:
    """What looks at the caller before the route does, in either of two ways; see `shopkit.requests`."""
    return {*handler.resolve_guards(), handler.resolve_before_request()}


def _headers(handler: HTTPRouteHandler, method: str) -> list[dict[str, Any]]:
    found = []
    if handler.opt.get("keyed"):
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": _KEY})
    if handler.opt.get("tagged"):
        name = "If-None-Match" if method == "GET" else "If-Match"
        found.append({"name": name, "in": "header", "required": False, "schema": {"type": "string"}})
    return found


def _common_problems(handler: HTTPRouteHandler, parameters: list[dict[str, Any]]) -> list[type[errors.ShopError]]:
    """What a route may answer because of what it takes and who may call it."""
    found: list[type[errors.ShopError]] = [*_EVERY]
    guards = _guards(handler)
    if handler.parsed_data_field is not None:
        found += _BODY
    if any(parameter["in"] == "query" for parameter in parameters):
        found.append(errors.InvalidRequest)
    if guards & {maybe_signed_in, signed_in, staff}:
        found.append(errors.Unauthenticated)
    if staff in guards:
        found.append(errors.Forbidden)
    names = {parameter["name"] for parameter in parameters}
    if "Idempotency-Key" in names:
        found += [errors.Conflict, errors.InvalidRequest]
    if "If-Match" in names:
        found.append(errors.VersionConflict)
    return found
