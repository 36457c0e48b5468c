"""What the tests of the kit share: a tiny service made as every service is, and clocks that tests set."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import httpx
import msgspec
import pytest
from litestar import Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta

from shopdev.clients import client_of
from shopdev.people import ISSUER
from shopkit.client import Hop
from shopkit.errors import Conflict, NotFound, Unavailable
from shopkit.idempotency import Remember, Replay, ReplayExists, once
from shopkit.meta import About, Check
from shopkit.metrics import Metrics
from shopkit.problems import raises
from shopkit.requests import KEYED, TAGGED, ShopRequest, maybe_signed_in, signed_in, staff
from shopkit.service import Application, service
from shopkit.settings import StoredSettings
from shopkit.tokens import Verifier, published_keys
from shopkit.values import NO_NUL

NAME = "tinyservice"
# An address where nobody listens.
NOBODY = "http://127.0.0.1:9"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Watch:
    """A clock that tests set; called, it tells a datetime, and `seconds()` the same as a number."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def seconds(self) -> float:
        return self.moment.timestamp()

    def advance(self, **duration: float) -> None:
        self.moment += timedelta(**duration)


class Part(msgspec.Struct, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1, le=999)]
    notes: dict[str, int] = {}


class ThingIn(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=20, pattern=NO_NUL)]
    weight: float = 1.0
    parts: Annotated[list[Part], Meta(max_length=100)] = []


class ThingOut(msgspec.Struct):
    id: str
    name: str
    version: int = 1


class NameTaken(Conflict):
    """A thing of this name exists."""


@dataclass
class Shelf:
    """Things in memory, and a place where tests make a request wait or fail."""

    clock: Watch = field(default_factory=Watch)
    things: dict[str, ThingOut] = field(default_factory=dict)
    replays: dict[str, Replay] = field(default_factory=dict)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Callable[[], Exception] = RuntimeError
    changes: int = 0
    waiting: int = 0

    async def find_replay(self, replay_id: str) -> Replay | None:
        found = self.replays.get(replay_id)
        return found if found and found.expires_at > self.clock() else None

    async def add(self, thing: ThingOut, replay: Replay | None) -> None:
        if replay is not None and await self.find_replay(replay.id):
            raise ReplayExists
        if any(thing.name == each.name for each in self.things.values()):
            raise NameTaken
        self.changes += 1
        self.things[thing.id] = thing
        if replay is not None:
            self.replays[replay.id] = replay

    async def wait(self) -> None:
        self.entered.set()
        self.waiting += 1
        await self.gate.wait()


Things = NamedDependency[SkipValidation[Shelf]]


@get("/ping", summary="Answers")
async def ping(request: ShopRequest) -> Response[str]:
    return request.answer("pong", headers={"X-Address": request.address})


@post("/things", guards=[maybe_signed_in], opt=KEYED, summary="Add a thing", responses=raises(NameTaken))
async def add_thing(request: ShopRequest, data: JSONBody[ThingIn], shelf: Things) -> Response[ThingOut]:
    async def work(remember: Remember) -> Response[ThingOut]:
        if data.name == "slow":
            await shelf.wait()
        thing = ThingOut(str(len(shelf.things) + 1), data.name)
        answer = request.answer(
            thing, status=201, tag="1", headers={"Location": request.location(f"/things/{thing.id}")}
        )
        await shelf.add(thing, remember(answer))
        return answer

    caller = request.caller_or_none
    return await once(request, shelf, shelf.clock, caller.id if caller else f"anonymous {request.address}", work)


@get("/things/{thing:str}", opt=TAGGED, summary="A thing", responses=raises(NotFound))
async def show_thing(request: ShopRequest, thing: FromPath[str], shelf: Things) -> Response[ThingOut]:
    if thing not in shelf.things:
        raise NotFound
    found = shelf.things[thing]
    return request.answer(found, tag=str(found.version))


@put("/things/{thing:str}", opt=TAGGED, summary="Change a thing", responses=raises(NotFound))
async def change_thing(
    request: ShopRequest, thing: FromPath[str], data: JSONBody[ThingIn], shelf: Things
) -> Response[ThingOut]:
    found = shelf.things[thing]
    request.require_version(found.version, found)
    shelf.things[thing] = ThingOut(found.id, data.name, found.version + 1)
    return request.answer(shelf.things[thing], tag=str(found.version + 1))


@get("/things", summary="Things")
async def find_things(
    request: ShopRequest,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    size: Annotated[float, QueryParameter()] = 1,
) -> Response[list[int]]:
    return request.answer([limit])


@delete("/things/{thing:str}", guards=[staff], status_code=204, summary="Remove a thing")
async def remove_thing(thing: FromPath[str]) -> None:
    return None


@get("/me", guards=[signed_in], summary="The caller")
async def show_me(request: ShopRequest) -> Response[dict[str, Any]]:
    return request.answer({"id": request.caller.id, "roles": request.caller.roles, "session": request.caller.session})


@get("/wait", summary="Answers late")
async def wait(request: ShopRequest, shelf: Things) -> Response[str]:
    await shelf.wait()
    return request.answer("done")


@get("/fail", summary="Fails")
async def fail(shelf: Things) -> None:
    raise shelf.failure()


@get("/busy", summary="Needs something that is away", responses=raises(Unavailable))
async def busy() -> None:
    raise Unavailable("The other one is away.", retry_after=10)


ROUTES = [ping, add_thing, show_thing, change_thing, find_things, remove_thing, show_me, wait, fail, busy]


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(NAME, "1.2.3")


@pytest.fixture
def shelf(watch: Watch) -> Shelf:
    return Shelf(watch)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An importable package, for a service's committed contract is read from its package; once imported, it stays."""
    folder = tmp_path_factory.mktemp("packages") / NAME
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "openapi.json").write_text('{"openapi": "3.1.0", "info": {"title": "tiny", "version": "1"}, "paths": {}}')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder.parent)
        yield


@pytest.fixture
def make_app(package: None, shelf: Shelf, metrics: Metrics) -> Iterator[Callable[..., Application]]:
    """Builds the tiny service: `make_app(users_url, checks=..., max_in_flight=...)`."""

    def make(
        issuer_url: str = "http://127.0.0.1:9",
        checks: dict[str, Check] | None = None,
        edge: dict[str, Any] | None = None,
        **rest: Any,
    ) -> Application:
        hop = Hop("users", issuer_url, Metrics("hops", "1"))

        @asynccontextmanager
        async def lifespan() -> AsyncIterator[None]:
            async with hop:
                yield

        return service(
            About(NAME, "1.2.3", "A tiny service.", {"things": "/things"}),
            StoredSettings(store_url="sqlite:///unused.db", port=3999, **{"log_level": "info", **rest}),
            ROUTES,
            metrics=metrics,
            verifier=Verifier(partial(published_keys, hop), ISSUER),
            collaborators={"shelf": shelf},
            checks=checks or {},
            lifespan=lifespan,
            **(edge or {}),
        )

    yield make
    logging.getLogger(NAME).handlers.clear()


Tiny = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def tiny(make_app: Callable[..., Application]) -> Tiny:
    """`async with tiny(max_in_flight=1) as client:`."""

    def open_(*arguments: Any, **rest: Any) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return client_of(make_app(*arguments, **rest))

    return open_


@pytest.fixture
async def client(tiny: Tiny) -> AsyncIterator[httpx.AsyncClient]:
    async with tiny() as opened:
        yield opened
