"""The page on which the contract can be read: all it needs comes from packages, and it may load from nowhere else."""

import re
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

import shopkit

OURS = Path(shopkit.__file__).parent / "docs"
THEIRS = Path(str(files("swagger_ui"))) / "static"


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/docs", OURS / "index.html"),
        ("/docs/start.js", OURS / "start.js"),
        ("/docs/swagger-ui-bundle.js", THEIRS / "swagger-ui-bundle.js"),
        ("/docs/swagger-ui.css", THEIRS / "swagger-ui.css"),
        ("/docs/favicon-32x32.png", THEIRS / "favicon-32x32.png"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_the_page_and_its_parts_come_from_packages(
    client: httpx.AsyncClient, prefix: str, path: str, source: Path
) -> None:
    answer = await client.get(prefix + path)
    assert answer.status_code == 200
    assert answer.content == source.read_bytes()


@pytest.mark.parametrize(
    ("path", "media_type"),
    [("/docs", "text/html"), ("/docs/start.js", "javascript"), ("/docs/swagger-ui.css", "text/css")],
)
async def test_browsers_are_told_what_the_parts_are(client: httpx.AsyncClient, path: str, media_type: str) -> None:
    answer = await client.get(path)
    assert media_type in answer.headers["Content-Type"]
    assert answer.headers.get("Content-Disposition", "inline").startswith("inline")


@pytest.mark.parametrize("page", ["http://test/docs", "http://test/api/v1/docs"])
async def test_every_part_that_the_page_names_is_there(client: httpx.AsyncClient, page: str) -> None:
    text = (await client.get(page)).text
    parts = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert "docs/swagger-ui-bundle.js" in parts
    for part in [*parts, "openapi.json"]:
        answer = await client.get(httpx.URL(page).join(part))
        assert answer.status_code == 200, part
        assert str(answer.url).startswith("http://test/")


async def test_the_page_names_no_other_host_and_runs_no_script_of_its_own(client: httpx.AsyncClient) -> None:
    text = (await client.get("/docs")).text
    assert "//" not in text
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", text) == []
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert {"default-src 'none'", "script-src 'self'"} <= {rule.strip() for rule in policy[1].split(";")}


@pytest.mark.parametrize("path", ["/docs/none.js", "/docs/../meta.py", "/docs/..%2fmeta.py", "/docs/%2e%2e/meta.py"])
async def test_nothing_else_is_given_away(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


async def test_the_contract_is_served_as_it_is_committed(client: httpx.AsyncClient, package: None) -> None:
    answer = await client.get("/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.content == files("tinyservice").joinpath("openapi.json").read_bytes()


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_a_slash_at_its_end_leads_to_the_page(client: httpx.AsyncClient, prefix: str) -> None:
    answer = await client.get(f"{prefix}/docs/")
    assert answer.is_redirect
    assert answer.request.url.join(answer.headers["Location"]).path == f"{prefix}/docs"
