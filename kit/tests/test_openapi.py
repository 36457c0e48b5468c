"""The OpenAPI document says what is true of every route: who may call it, what it takes, and how it can fail."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shopdev.contract import routes_of, written
from shopdev.openapi import describe
from shopkit.service import Application


@pytest.fixture
def app(make_app: Callable[..., Application]) -> Application:
    return make_app()


@pytest.fixture
def document(app: Application) -> Any:
    return json.loads(json.dumps(describe(app), default=str))


def headers(operation: dict[str, Any]) -> set[str]:
    return {each["name"] for each in operation.get("parameters", []) if each["in"] == "header"}


def test_the_service_is_named_and_found_under_both_prefixes(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["info"] == {"title": "tinyservice", "version": "1.2.3", "description": "A tiny service."}
    assert [server["url"] for server in document["servers"]] == ["/", "/api/v1"]


def test_every_route_is_described(app: Application, document: Any) -> None:
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert set(routes_of(app)) <= told
    assert {("GET", "/"), ("GET", "/healthz"), ("GET", "/readyz")} <= told
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere(document: Any) -> None:
    text = json.dumps(document)
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.partition('"')[0] in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("path", "method", "security"),
    [
        ("/ping", "get", None),
        ("/things", "post", [{"bearer": []}, {}]),
        ("/me", "get", [{"bearer": []}]),
        ("/things/{thing}", "delete", [{"bearer": []}]),
    ],
)
def test_who_may_call_is_told(document: Any, path: str, method: str, security: Any) -> None:
    operation = document["paths"][path][method]
    assert operation.get("security") == security
    assert ("401" in operation["responses"]) == (security is not None)


@pytest.mark.parametrize(
    ("path", "method", "sent", "answers"),
    [
        ("/ping", "get", set(), {"200", "503", "504"}),
        (
            "/things",
            "post",
            {"Idempotency-Key"},
            {"201", "400", "401", "409", "413", "415", "422", "503", "504"},
        ),
        ("/things/{thing}", "get", {"If-None-Match"}, {"200", "304", "404", "503", "504"}),
        (
            "/things/{thing}",
            "put",
            {"If-Match"},
            {"200", "400", "404", "412", "413", "415", "422", "503", "504"},
        ),
        ("/things/{thing}", "delete", set(), {"204", "401", "403", "503", "504"}),
        ("/things", "get", set(), {"200", "422", "503", "504"}),
        ("/me", "get", set(), {"200", "401", "503", "504"}),
    ],
)
def test_what_a_route_takes_and_answers_is_told(
    document: Any, path: str, method: str, sent: set[str], answers: set[str]
) -> None:
    operation = document["paths"][path][method]
    assert headers(operation) == sent
    assert set(operation["responses"]) == answers
    for status, answer in operation["responses"].items():
        assert answer["description"]
        if status >= "400":
            assert list(answer["content"]) == ["application/problem+json"]


def test_it_is_committed_in_one_order_whatever_order_it_is_made_in(make_app: Callable[..., Application]) -> None:
    first = written(make_app())
    assert first == written(make_app())
    assert list(json.loads(first)) == sorted(json.loads(first))
    assert first.endswith("}\n")
