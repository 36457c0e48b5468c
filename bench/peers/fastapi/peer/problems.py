# mypy: disable-error-code="import-not-found, untyped-decorator"
"""Failures as problem documents (RFC 9457)."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

SITUATIONS = {
    "invalid_request": (422, "Something in the request is not allowed."),
    "unknown_sku": (422, "The shop has no such SKU for sale."),
    "quantity_limit": (422, "A line holds at most 999 of a product."),
    "invalid_credentials": (401, "The mail address or the password is wrong."),
    "not_found": (404, "There is nothing here."),
    "method_not_allowed": (405, "This path does not take that method."),
    "cart_busy": (409, "So many others change this cart that this change found no gap; try again."),
    "currency_mismatch": (409, "All lines of a cart are in one currency."),
    "insufficient_stock": (409, "There is not enough of this in stock."),
    "line_limit": (409, "A cart holds at most 100 lines."),
    "unsupported_media_type": (415, "The body must be JSON."),
    "internal": (500, "The service failed; the request id leads to the reason in its log."),
}


class Problem(Exception):
    """What a caller is told of; `members` are added to the document."""

    def __init__(self, code: str, detail: str = "", *, status: int = 0, **members: Any) -> None:
        usual_status, self.title = SITUATIONS[code]
        self.code = code
        self.status = status or usual_status
        self.detail = detail or self.title
        self.members = members
        super().__init__(self.detail)

    @classmethod
    def at(cls, pointer: str, detail: str, code: str = "invalid_request") -> "Problem":
        """The problem with one part of the request."""
        return cls(code, detail, errors=[{"pointer": pointer, "detail": detail}])


def install(app: FastAPI) -> None:
    """Makes every failure of the application a problem document."""

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> JSONResponse:
        return _answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _answer(request, _invalid(request, error))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
        return _answer(request, Problem(code, status=error.status_code))

    @app.exception_handler(Exception)
    async def internal(request: Request, _: Exception) -> JSONResponse:
        return _answer(request, Problem("internal"))


def _answer(request: Request, problem: Problem) -> JSONResponse:
    content = {
        "type": f"https://trolley.example/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        "instance": request.state.request_id,
        **problem.members,
    }
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else None
    return JSONResponse(content, problem.status, headers, "application/problem+json")


def _invalid(request: Request, error: RequestValidationError) -> Problem:
    faults = error.errors()
    if any(fault["loc"][0] == "path" for fault in faults):
        return Problem("not_found")
    if faults[0]["type"] == "json_invalid":
        return Problem("invalid_request", "The body is not JSON.", status=400)
    if faults[0]["loc"] == ("body",) and not _is_json(request.headers.get("content-type", "")):
        return Problem("unsupported_media_type")
    errors = [{"pointer": _pointer(fault["loc"]), "detail": fault["msg"]} for fault in faults]
    return Problem("invalid_request", "; ".join(fault["detail"] for fault in errors), errors=errors)


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or media_type.endswith("+json")


def _pointer(place: tuple[str | int, ...]) -> str:
    parts = place[1:] if place[0] == "body" else place
    return "/".join(["#", *map(str, parts)])
