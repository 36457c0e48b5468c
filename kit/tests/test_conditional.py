"""ETag, If-None-Match and If-Match: nothing is sent twice, and nobody overwrites what they have not seen."""

import httpx
import pytest

from .conftest import Shelf, ThingOut
from .test_problems import assert_problem


@pytest.fixture(autouse=True)
def thing(shelf: Shelf) -> None:
    shelf.things["1"] = ThingOut("1", "a", 7)


async def test_a_record_has_a_strong_tag(client: httpx.AsyncClient) -> None:
    answer = await client.get("/things/1")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"7"')


@pytest.mark.parametrize("known", ['"7"', 'W/"7"', '"5", "7"', '"5" ,W/"7" , "9"', "*", " * "])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_has_it_already_is_not_sent_it_again(client: httpx.AsyncClient, known: str, method: str) -> None:
    answer = await client.request(method, "/things/1", headers={"If-None-Match": known})
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"7"')
    assert answer.headers.get("Content-Length", "0") == "0"


@pytest.mark.parametrize("known", ["", '"6"', '"77"', '"7-x"', '""', "**", '"*"'])
async def test_who_has_another_is_sent_it(client: httpx.AsyncClient, known: str) -> None:
    answer = await client.get("/things/1", headers={"If-None-Match": known})
    assert (answer.status_code, answer.json()["version"]) == (200, 7)


async def test_what_is_not_there_is_not_had_already(client: httpx.AsyncClient) -> None:
    assert (await client.get("/things/2", headers={"If-None-Match": "*"})).status_code == 404


@pytest.mark.parametrize("wanted", [None, '"7"', "*", " * ", '"6", "7"', '"7" , "9"', '"7-stale"', 'W/"6", "7"'])
async def test_a_change_to_the_version_seen_is_made(client: httpx.AsyncClient, wanted: str | None) -> None:
    headers = {"If-Match": wanted} if wanted else {}
    answer = await client.put("/things/1", json={"name": "b"}, headers=headers)
    assert (answer.status_code, answer.headers["ETag"], answer.json()["name"]) == (200, '"8"', "b")


@pytest.mark.parametrize("wanted", ['"6"', '"6", "8"', 'W/"7"', '""', "", '"77"', '"-7"', '"*"', '"07"', '"²"'])
async def test_a_change_to_a_version_that_is_gone_is_refused(
    client: httpx.AsyncClient, shelf: Shelf, wanted: str
) -> None:
    answer = await client.put("/things/1", json={"name": "b"}, headers=[(b"If-Match", wanted.encode())])
    assert_problem(answer, 412, "version_conflict")
    assert answer.json()["current"] == {"id": "1", "name": "a", "version": 7}
    assert shelf.things["1"].name == "a"


async def test_a_change_that_is_no_read_is_never_answered_304(client: httpx.AsyncClient) -> None:
    answer = await client.put("/things/1", json={"name": "b"}, headers={"If-None-Match": '"8"'})
    assert answer.status_code == 200
