"""Tests of a service's contract: its OpenAPI document, and who may call which route."""

import asyncio
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from shopdev.openapi import describe
from shopkit.service import Application

# What every service answers to everybody.
OPEN_TO_ALL = {"/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/{file_path}"}
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,negative_data_rejection,unsupported_method,ignored_auth"
)


def written(app: Application) -> str:
    """The OpenAPI document of an application, as it is committed."""
    return msgspec.json.format(msgspec.json.encode(describe(app), order="sorted"), indent=2).decode() + "\n"


def routes_of(app: Application) -> Iterator[tuple[str, str]]:
    """Every method and path of the service's own; a test's table must have a row for each."""
    for route in app.routes.routes:
        for handler in getattr(route, "route_handlers", ()):
            if route.path_format not in OPEN_TO_ALL:
                yield from ((method, route.path_format) for method in handler.http_methods if method != "OPTIONS")


async def fuzz(url: str, headers: dict[str, str], examples: int = 12, *options: str) -> str:
    """Calls a running service as its document says and as it forbids; AssertionError with the report on any surprise.

    A surprise is a server error, or an answer whose status, type, headers or body the document does not tell.
    """
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program, "schemathesis is not installed"
    arguments = ["run", f"{url}/openapi.json", "--url", url, "--checks", CHECKS, "--max-examples", str(examples)]
    fixed = ["--seed", "1", "--generation-deterministic", "--no-color", "--phases", "examples,coverage,fuzzing"]
    sent = [part for name, value in headers.items() for part in ("--header", f"{name}:{value}")]
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        *fixed,
        *sent,
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd="/tmp",
    )
    output, _ = await process.communicate()
    report = output.decode()
    assert process.returncode == 0, report[-8000:]
    return report
