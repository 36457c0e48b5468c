"""Bodies are read strictly: what is not exactly as described is told, with its place."""

import json

import httpx
import pytest

from shopkit.errors import BrokenRequest, InvalidRequest
from shopkit.requests import decode

from .conftest import Part, ThingIn
from .test_problems import assert_problem

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}x",
        b"{'name': 'a'}",
        b'{"name": "a",}',
        b'{"name": NaN}',
        b'{"name": "a", "weight": NaN}',
        b'{"name": "a", "weight": Infinity}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'\xef\xbb\xbf{"name": "a"}',
        b'{"name": "a"}'.decode().encode("utf-16"),
        b"[" * 50_000,
        b'{"notes":' * 5_000 + b"1" + b"}" * 5_000,
        b"null null",
        b'{"unknown": 1} x',
        b'{"name": "a", "name": "a"}',
        b'{"name": "a", "name": "b"}',
        b'{"name": "a", "parts": [{"size": 1, "size": 2}]}',
        b'{"name": "a", "parts": [{"size": 1, "notes": {"x": 1, "x": 1}}]}',
        b'{"name": "a", "\\u006eame": "b"}',
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_a_body_that_is_no_json_is_a_bad_request(client: httpx.AsyncClient, body: bytes) -> None:
    assert_problem(await client.post("/things", content=body, headers=JSON), 400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ("[]", "#"),
        ("null", "#"),
        ('"name"', "#"),
        ("{}", "#/name"),
        ('{"name": null}', "#/name"),
        ('{"name": 3}', "#/name"),
        ('{"name": ""}', "#/name"),
        ('{"name": "a\\u0000"}', "#/name"),
        (json.dumps({"name": "x" * 21}), "#/name"),
        ('{"name": {"$gt": ""}}', "#/name"),
        ('{"name": "a", "weight": "1"}', "#/weight"),
        ('{"name": "a", "weight": 1e400}', "#/weight"),
        ('{"name": "a", "weight": -1e400}', "#/weight"),
        ('{"name": "a", "color": 1}', "#/color"),
        ('{"name": "a", "$where": "1"}', "#/$where"),
        ('{"name": "a", "a.b": 1}', "#/a.b"),
        ('{"name": "a", "a/b~c": 1}', "#/a~1b~0c"),
        ('{"name": "a", "": 1}', "#/"),
        ('{"name": "a", "two\\nlines": 1}', "#/two\nlines"),
        ('{"name": "a", "parts": {}}', "#/parts"),
        ('{"name": "a", "parts": [1]}', "#/parts/0"),
        ('{"name": "a", "parts": [{"size": 1}, {"size": 0}]}', "#/parts/1/size"),
        ('{"name": "a", "parts": [{"size": 1}, {"size": 1000}]}', "#/parts/1/size"),
        ('{"name": "a", "parts": [{"size": 1}, {"size": 1.5}]}', "#/parts/1/size"),
        ('{"name": "a", "parts": [{"size": true}]}', "#/parts/0/size"),
        ('{"name": "a", "parts": [{"size": 1e400}]}', "#/parts/0/size"),
        ('{"name": "a", "parts": [{"size": 99999999999999999999999}]}', "#/parts/0/size"),
        ('{"name": "a", "parts": [{"size": 1}, {"size": 1, "colour": 1}]}', "#/parts/1/colour"),
        ('{"name": "a", "parts": [{"size": 1}, {}]}', "#/parts/1/size"),
        ('{"name": "a", "parts": [{"size": 1, "notes": {"x": "1"}}]}', "#/parts/0/notes"),
        (json.dumps({"name": "a", "parts": [{"size": 1}] * 101}), "#/parts"),
    ],
)
async def test_what_does_not_fit_is_told_with_its_place(client: httpx.AsyncClient, body: str, pointer: str) -> None:
    answer = await client.post("/things", content=body.encode(), headers=JSON)
    assert_problem(answer, 422, "invalid_request")
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == pointer
    assert fault["detail"] == answer.json()["detail"]


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON ;charset=UTF-8",
        "application/merge-patch+json",
        "application/vnd.x+json; v=1",
    ],
)
async def test_json_goes_by_several_names(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await client.post("/things", content=b'{"name": "a"}', headers={"Content-Type": media_type})
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "media_type",
    ["", "text/plain", "text/json", "application/jsonx", "application/x-www-form-urlencoded", "image/svg+xml", "json",
     "multipart/form-data; boundary=x", "text/x+json", "application/msgpack", "application/x-msgpack"],
)  # fmt: skip
async def test_any_other_media_type_is_refused(client: httpx.AsyncClient, media_type: str) -> None:
    answer = await client.post("/things", content=b'{"name": "a"}', headers={"Content-Type": media_type})
    assert_problem(answer, 415, "unsupported_media_type")


async def test_a_body_without_a_media_type_is_refused(client: httpx.AsyncClient) -> None:
    assert_problem(await client.post("/things", content=b'{"name": "a"}'), 415, "unsupported_media_type")


async def test_a_body_where_none_is_asked_for_is_passed_over(client: httpx.AsyncClient) -> None:
    assert (await client.request("GET", "/ping", content=b"{", headers=JSON)).status_code == 200


def test_what_fits_comes_as_the_type_asked_for() -> None:
    body = b'{"name": "\\ud83e\\uddf5", "parts": [{"size": 999, "notes": {"a.b": 1, "$c": 2}}], "weight": 1e2}'
    assert decode(body, ThingIn) == ThingIn("🧵", 100.0, [Part(999, {"a.b": 1, "$c": 2})])


def test_the_same_name_in_two_objects_is_no_duplicate() -> None:
    body = b'{"name": "a", "parts": [{"size": 1, "notes": {"name": 1}}, {"size": 1}]}'
    assert [part.size for part in decode(body, ThingIn).parts] == [1, 1]


def test_a_key_that_does_not_fit_is_told_by_its_object() -> None:
    with pytest.raises(InvalidRequest) as raised:
        decode(b'{"a": {"x": 1}}', dict[str, dict[int, int]])
    assert raised.value.errors[0].pointer.startswith("#")


def test_a_body_that_is_no_json_says_why() -> None:
    with pytest.raises(BrokenRequest, match=r"The body is not JSON: .*column 2"):
        decode(b"{", dict)
