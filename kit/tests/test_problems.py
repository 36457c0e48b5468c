"""Every failure is a problem document, and tells the caller no more than is meant for it."""

from collections.abc import Callable

import httpx
import msgspec
import pytest
from litestar.exceptions import HTTPException, ValidationException

from shopkit import errors, problems
from shopkit.errors import Conflict, FieldError, InvalidRequest, ShopError, Unauthenticated, Unavailable

from .conftest import NameTaken, Shelf


class LineLimitReached(Conflict):
    """A line is too long.

    The title ends with the first line.
    """


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    told = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert told["type"] == f"https://trolley.example/problems/{code}"
    assert told["instance"] == answer.headers["X-Request-ID"]
    assert told["title"]
    assert told["detail"]


def test_a_class_gives_code_title_and_status() -> None:
    error = LineLimitReached()
    assert error.code == "line_limit_reached"
    assert error.title() == "A line is too long."
    assert error.detail == "A line is too long."
    assert problems.status_of(LineLimitReached) == 409


def test_every_kind_has_a_status_of_its_own() -> None:
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ShopError)}
    assert kinds - {ShopError} == set(problems.STATUS)
    assert len(set(problems.STATUS.values())) == len(problems.STATUS)


def test_facts_become_members_and_a_faultless_problem_has_no_errors() -> None:
    told = msgspec.json.decode(
        msgspec.json.encode(problems.document(LineLimitReached("Too long.", limit=100, skus=("A", "B")), "r-1"))
    )
    assert told == {
        "type": "https://trolley.example/problems/line_limit_reached",
        "title": "A line is too long.",
        "status": 409,
        "code": "line_limit_reached",
        "detail": "Too long.",
        "instance": "r-1",
        "limit": 100,
        "skus": ["A", "B"],
    }


def test_faults_are_told_with_their_place() -> None:
    told = msgspec.json.decode(msgspec.json.encode(problems.document(InvalidRequest.at("#/name", "Too short."), "r-1")))
    assert (told["status"], told["errors"]) == (422, [{"pointer": "#/name", "detail": "Too short."}])


def test_unauthenticated_names_the_scheme() -> None:
    assert problems.headers_of(Unauthenticated()) == {"WWW-Authenticate": "Bearer"}


def test_retry_after_is_whole_seconds_and_spread_where_many_wait() -> None:
    waits = {int(problems.headers_of(Unavailable(retry_after=10))["Retry-After"]) for _ in range(200)}
    assert waits <= set(range(10, 16))
    assert len(waits) > 1
    assert problems.headers_of(errors.RateLimited(retry_after=0.2)) == {"Retry-After": "1"}


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (HTTPException(status_code=404), errors.NotFound),
        (HTTPException(status_code=405), errors.MethodNotAllowed),
        (HTTPException(status_code=413), errors.TooLarge),
        (HTTPException(status_code=418), errors.Internal),
        (HTTPException(status_code=500), errors.Internal),
        (HTTPException(status_code=503), errors.Internal),
        (TimeoutError(), errors.DeadlineExceeded),
        (KeyError("secret"), errors.Internal),
    ],
)
def test_any_exception_becomes_a_situation(failure: Exception, kind: type[ShopError]) -> None:
    found = problems.translate(failure)
    assert type(found) is kind
    assert found.detail == kind.title()


def test_a_fault_in_the_path_is_not_found() -> None:
    failure = ValidationException(extra=[{"message": "Expected `int`", "key": "id", "source": "path"}])
    assert isinstance(problems.translate(failure), errors.NotFound)


def test_faults_in_the_query_are_told_all_at_once() -> None:
    extra = [{"message": "No.", "key": "a", "source": "query"}, {"message": "Never.", "key": "b", "source": "query"}]
    found = problems.translate(ValidationException(extra=extra))
    assert found.errors == (FieldError("#/query/a", "No."), FieldError("#/query/b", "Never."))


def test_answers_of_one_status_are_documented_together() -> None:
    told = problems.raises(NameTaken, LineLimitReached, errors.NotFound)
    assert set(told) == {404, 409}
    assert (
        told[409].description
        == "`name_taken`: A thing of this name exists. or `line_limit_reached`: A line is too long."
    )


async def test_an_exception_tells_the_caller_nothing(client: httpx.AsyncClient, shelf: Shelf) -> None:
    shelf.failure = lambda: KeyError("the secret")
    answer = await client.get("/fail")
    assert_problem(answer, 500, "internal")
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/things/1/2", 404, "not_found"),
        ("GET", "/things/%2e%2e/x", 404, "not_found"),
        ("GET", "/docs/../secret", 404, "not_found"),
        ("GET", "/docs/%2e%2e/meta.py", 404, "not_found"),
        ("GET", "/api/v1x/ping", 404, "not_found"),
        ("GET", "/api/v2/ping", 404, "not_found"),
        ("DELETE", "/ping", 405, "method_not_allowed"),
        ("PATCH", "/things/1", 405, "method_not_allowed"),
        ("BREW", "/ping", 405, "method_not_allowed"),
        ("POST", "/docs", 405, "method_not_allowed"),
        ("GET", "/things?limit=0", 422, "invalid_request"),
        ("GET", "/things?limit=1e9", 422, "invalid_request"),
        ("GET", "/things?limit=" + "9" * 400, 422, "invalid_request"),
        ("GET", "/busy", 503, "unavailable"),
        ("GET", "/me", 401, "unauthenticated"),
    ],
)
async def test_whatever_fails_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    assert_problem(await client.request(method, path), status, code)


async def test_what_fails_tells_how_to_go_on(client: httpx.AsyncClient) -> None:
    assert int((await client.get("/busy")).headers["Retry-After"]) >= 10
    assert (await client.get("/me")).headers["WWW-Authenticate"] == "Bearer"
    allowed = (await client.patch("/things/1")).headers["Allow"]
    assert {"GET", "PUT", "DELETE"} <= {method.strip() for method in allowed.split(",")}


async def test_every_fault_of_the_query_has_its_name(client: httpx.AsyncClient) -> None:
    told = (await client.get("/things?limit=0&size=big")).json()
    assert {fault["pointer"] for fault in told["errors"]} == {"#/query/limit", "#/query/size"}


async def test_slashes_too_many_change_nothing(client: httpx.AsyncClient) -> None:
    assert {(await client.get(path)).status_code for path in ("/ping/", "/ping//", "/api/v1//ping")} == {200}
    assert (await client.get("/things//1//2")).status_code == 404


@pytest.fixture
def bad(shelf: Shelf) -> Callable[[Exception], None]:
    def set_(failure: Exception) -> None:
        shelf.failure = lambda: failure

    return set_


async def test_a_timeout_inside_is_a_deadline_exceeded(
    client: httpx.AsyncClient, bad: Callable[[Exception], None]
) -> None:
    bad(TimeoutError())
    assert_problem(await client.get("/fail"), 504, "deadline_exceeded")
