"""The peers answer what the shop answers: figures of services that do something else would mean nothing."""

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from bench import catalogue
from bench.peers.comparing import Callers, TwoCarts, timed
from bench.peers.copying import copy_products
from bench.peers.running import COMMANDS, missing, running_peer
from pymongo import MongoClient

from shopdev.fixtures import require
from shopdev.shop import PASSWORD, Shop

EUR = "EUR"
BESIDES: list[dict[str, Any]] = [
    {"name": "Éclair au thé", "sku": "ECLAIR", "price": {"amount": 450, "currency": EUR}, "stock": 5, "tags": ["new"]},
    {"name": "茶壶", "sku": "POT-CN", "price": {"amount": 9900, "currency": EUR}, "attributes": {"a.b": "$c"}},
    {"name": "Dollar lamp", "sku": "DOLLAR", "price": {"amount": 700, "currency": "USD"}, "category": "Home"},
    {"name": "Sold-out kettle", "sku": "NONE-LEFT", "price": {"amount": 800, "currency": EUR}, "stock": 0},
]
LISTS = [
    "",
    "category=Kitchen",
    "category=Kitchen&sort=price&limit=2",
    "category=No+such+one",
    "sort=-price&limit=17",
    "sort=name&limit=17",
    "sort=-created_at&limit=17",
    "q=lamp&sort=price",
    "q=lamp&sort=name&limit=2",
    "q=lamp&sort=-price&category=Home",
    "q=LAMP&sort=price&limit=3",
    "q=cork+lamp&sort=price",
    "q=kettle&sort=-created_at&limit=2",
    "q=eclair",
    "q=茶壶",
    "q=!!!",
    "q=+",
    "q=xylophone",
]
Start = Callable[[], AbstractContextManager[tuple[str, int]]]
names = count()


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """Before anything is started for them."""
    if absent := missing() if shutil.which("node") else ["node"]:
        require("peers", f"not installed (bench/peers/install.sh): {', '.join(absent)}")


@pytest.fixture(scope="module")
def databases(mongo_server: str) -> Iterator[dict[str, str]]:
    """Names of databases of this run, dropped at the end."""
    run = uuid4().hex[:12]
    found = {name: f"peers_{run}_{name}" for name in ("users", "products", "carts", "copies", *COMMANDS)}
    yield found
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_server)
    with client:
        for name in found.values():
            client.drop_database(name)


@pytest.fixture(scope="module")
def copy(mongo_server: str, databases: dict[str, str]) -> Callable[[], None]:
    """Brings the shop's catalogue to the peers."""
    return lambda: copy_products(mongo_server, databases["products"], databases["copies"])


@pytest.fixture(scope="module")
def shop(mongo_server: str, databases: dict[str, str], copy: Callable[[], None]) -> Iterator[Shop]:
    """The shop on MongoDB, with a catalogue."""
    address, _, options = mongo_server.partition("?")
    found = Shop(lambda name: f"{address}{databases[name]}?{options}")
    with found.running():
        found.add([*catalogue.products(120), *BESIDES, an_item("ARCHIVED", 100)])
        archived = found.call("products", "GET", "/products?sku=ARCHIVED").json()["items"][0]
        found.call("products", "DELETE", f"/products/{archived['id']}", headers=found.staff_bearer())
        copy()
        yield found


@pytest.fixture(scope="module", params=COMMANDS)
def name(request: pytest.FixtureRequest) -> str:
    """Every peer in turn."""
    peer: str = request.param
    return peer


@pytest.fixture(scope="module")
def start(
    shop: Shop, name: str, mongo_server: str, databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Start:
    """Starts the peer on a copy of the shop's catalogue and on its accounts."""
    used = {"products": databases["copies"], "users": databases["users"], "own": databases[name]}
    return lambda: running_peer(name, mongo_server, used, tmp_path_factory.mktemp("peers") / "log")


@pytest.fixture(scope="module")
def callers(shop: Shop, copy: Callable[[], None], start: Start) -> Iterator[Callers]:
    """The shop and a peer."""
    with (
        start() as (url, _),
        httpx.Client(timeout=30) as ours,
        httpx.Client(base_url=url, timeout=30) as theirs,
    ):
        yield Callers(shop, copy, ours, theirs)


def an_item(sku: str, amount: int, stock: int | None = None) -> dict[str, Any]:
    return {"name": f"Item {sku}", "sku": sku, "price": {"amount": amount, "currency": EUR}, "stock": stock}


def new_sku() -> str:
    return f"ONE-{next(names)}"


def test_a_ping_is_the_same(callers: Callers) -> None:
    ours, theirs = callers.both("products", "GET", "/healthz")
    assert theirs.json() == ours.json()


def test_a_product_is_the_same_by_id_and_by_slug_and_when_archived(callers: Callers) -> None:
    skus = {"sku": ["BENCH-7-M", "ECLAIR", "POT-CN", "NONE-LEFT", "ARCHIVED"]}
    found = callers.ours.get(callers.shop["products"].url + "/products", params=skus).json()["items"]
    assert len(found) == 5
    for product in found:
        for name in (product["id"], product["slug"]):
            ours, theirs = callers.both("products", "GET", f"/products/{name}")
            assert list(theirs.json()) == list(ours.json())
            assert timed(theirs.json()) == timed(ours.json()) == timed(product)


def test_a_product_that_is_not_there_is_the_same_problem(callers: Callers) -> None:
    for name in ("no-such-slug", str(uuid4())):
        assert callers.both("products", "GET", f"/products/{name}")[1].status_code == 404


@pytest.mark.parametrize("query", LISTS)
def test_all_pages_of_a_list_are_the_same(callers: Callers, query: str) -> None:
    more, walked = ["", ""], 0
    while True:
        urls = [f"{callers.shop['products'].url}/products?{query}", f"/products?{query}"]
        ours = callers.ours.get(urls[0] + more[0]).json()
        theirs = callers.peer.get(urls[1] + more[1]).json()
        assert list(theirs) == list(ours)
        assert [timed(product) for product in theirs["items"]] == [timed(product) for product in ours["items"]]
        assert (theirs["total"], theirs["facets"]) == (ours["total"], ours["facets"])
        assert (theirs["next_cursor"] is None) == (ours["next_cursor"] is None)
        walked += len(theirs["items"])
        if theirs["next_cursor"] is None:
            break
        more = [f"&cursor={page['next_cursor']}" for page in (ours, theirs)]
    assert walked == theirs["total"]


@pytest.mark.parametrize("words", ["lamp", "kettle", "steel", "kettle steel"])
def test_a_search_finds_the_same_though_each_has_its_own_measure_of_relevance(callers: Callers, words: str) -> None:
    params: dict[str, str | int] = {"q": words, "sort": "relevance", "limit": 100}
    ours = callers.ours.get(callers.shop["products"].url + "/products", params=params).json()
    theirs = callers.peer.get("/products", params=params).json()
    assert (theirs["total"], theirs["facets"]) == (ours["total"], ours["facets"])
    assert {product["id"] for product in theirs["items"]} == {product["id"] for product in ours["items"]}
    assert len(theirs["items"]) == theirs["total"] > 0


def test_the_lists_compared_are_not_all_empty_or_of_one_page(callers: Callers) -> None:
    totals = {query: callers.peer.get(f"/products?{query}").json()["total"] for query in LISTS}
    assert [query for query, total in totals.items() if total == 0] == ["category=No+such+one", "q=!!!", "q=xylophone"]
    assert totals[""] >= 120 + len(BESIDES)
    assert totals["q=lamp&sort=name&limit=2"] > 5
    assert totals["q=eclair"] == totals["q=茶壶"] == 1


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=many", "sort=colour", "cursor=abc", f"q={'x' * 201}"])
def test_a_bad_parameter_is_the_same_problem(callers: Callers, query: str) -> None:
    assert callers.both("products", "GET", f"/products?{query}")[1].status_code == 422


def test_a_cursor_of_another_order_is_refused(callers: Callers) -> None:
    cursor = callers.peer.get("/products?sort=price&limit=2").json()["next_cursor"]
    assert callers.peer.get(f"/products?sort=name&cursor={cursor}").status_code == 422


def test_a_new_cart_is_the_same(callers: Callers) -> None:
    assert TwoCarts(callers, {}).carts[1]["subtotal"] is None
    assert TwoCarts(callers, {"sku": "ECLAIR", "quantity": 2}).carts[1]["subtotal"]["amount"] == 900
    lines = [{"sku": sku, "quantity": 1} for sku in ("BENCH-1-S", "ECLAIR", "BENCH-1-S")]
    assert TwoCarts(callers, {"lines": lines}).carts[1]["item_count"] == 3


def test_changes_of_a_cart_are_the_same(callers: Callers) -> None:
    carts = TwoCarts(callers, {"sku": "BENCH-1-S", "quantity": 1})
    assert carts.add("BENCH-2-M", 2).json()["version"] == 2
    assert carts.add("BENCH-1-S", 3).json()["lines"][0]["quantity"] == 4
    assert carts.set("ECLAIR", 5).json()["item_count"] == 11
    assert carts.set("BENCH-1-S", 4).json()["version"] == 4
    assert carts.set("BENCH-1-S", 0).json()["version"] == 5
    assert carts.set("NOT-THERE", 0).json()["version"] == 5
    assert [line["sku"] for line in carts.add("BENCH-1-S", 1).json()["lines"]] == ["BENCH-2-M", "ECLAIR", "BENCH-1-S"]
    assert carts.call("POST", whole="/carts", json={"sku": "POT-CN", "quantity": 1}).json()["item_count"] == 9
    assert carts.call("GET").json()["version"] == 7
    for line in carts.call("GET").json()["lines"]:
        carts.set(line["sku"], 0)
    assert carts.call("GET").json()["subtotal"] == {"amount": 0, "currency": EUR}


def test_a_change_that_is_refused_is_the_same_problem_and_leaves_the_cart(callers: Callers) -> None:
    carts = TwoCarts(callers, {"sku": "ECLAIR", "quantity": 2})
    faults = [
        (carts.add("ECLAIR", 4), 409, "insufficient_stock"),
        (carts.set("ECLAIR", 6), 409, "insufficient_stock"),
        (carts.add("NONE-LEFT", 1), 409, "insufficient_stock"),
        (carts.add("NO-SUCH", 1), 422, "unknown_sku"),
        (carts.add("ARCHIVED", 1), 422, "unknown_sku"),
        (carts.add("BENCH-1-S", 1000), 422, "quantity_limit"),
        (carts.add("DOLLAR", 1), 409, "currency_mismatch"),
        (carts.add("BENCH-1-S", 0), 422, "invalid_request"),
        (carts.add("not a sku", 1), 422, "invalid_request"),
        (carts.set("not a sku", 1), 404, "not_found"),
        (carts.call("POST", "/lines", json={"sku": "ECLAIR", "quantity": "1"}), 422, "invalid_request"),
        (carts.call("POST", "/lines", json={"sku": "ECLAIR", "quantity": 1, "gift": 1}), 422, "invalid_request"),
        (carts.send("{", "application/json"), 400, "invalid_request"),
        (carts.send("{}", "text/plain"), 415, "unsupported_media_type"),
        (carts.call("GET", headers={"Cart-Token": "another"}), 404, "not_found"),
        (carts.call("PUT", "/lines/ECLAIR", json={"quantity": 1}, headers={"Cart-Token": "x"}), 404, "not_found"),
        (carts.call("GET", whole=f"/carts/{uuid4()}"), 404, "not_found"),
    ]
    assert [(fault.status_code, fault.json()["code"]) for fault, _, _ in faults] == [(s, code) for _, s, code in faults]
    assert carts.call("GET").json()["version"] == 1


def test_a_cart_of_a_hundred_lines_is_the_same_and_takes_no_more(callers: Callers) -> None:
    skus = catalogue.skus(101)
    carts = TwoCarts(callers, {"lines": [{"sku": sku, "quantity": 1} for sku in skus[:100]]})
    assert carts.add(skus[50], 2).json()["item_count"] == 102
    assert carts.add(skus[100], 1).json()["code"] == "line_limit"
    assert [line["sku"] for line in carts.call("GET").json()["lines"]] == skus[:100]


def test_what_the_catalogue_changes_is_told_the_same(callers: Callers) -> None:
    dearer, scarcer, gone = new_sku(), new_sku(), new_sku()
    callers.add([an_item(dearer, 100), an_item(scarcer, 100, 9), an_item(gone, 100)])
    carts = TwoCarts(callers, {"lines": [{"sku": sku, "quantity": 3} for sku in (dearer, scarcer, gone)]})
    callers.add([{"sku": dearer, "price": {"amount": 150, "currency": EUR}}, {"sku": scarcer, "stock": 2}])
    callers.add([{"sku": gone, "status": "archived"}])
    cart = carts.call("GET").json()
    assert [notice["code"] for notice in cart["notices"]] == ["price_changed", "quantity_reduced", "unavailable"]
    assert cart["subtotal"]["amount"] == 3 * 150 + 2 * 100
    assert carts.set(scarcer, 1).json()["item_count"] == 4
    assert carts.add(dearer, 1).json()["item_count"] == 5


def test_twenty_writers_of_one_cart_lose_nothing(callers: Callers) -> None:
    cart = callers.peer.post("/carts", json={"sku": "BENCH-1-S", "quantity": 1}).json()
    headers = {"Cart-Token": cart["token"]}

    def add(_: int) -> int:
        body = {"sku": "BENCH-1-S", "quantity": 1}
        return callers.peer.post(f"/carts/{cart['id']}/lines", json=body, headers=headers).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(add, range(20)))
    now = callers.peer.get(f"/carts/{cart['id']}", headers=headers).json()
    assert set(statuses) <= {200, 409}
    assert now["item_count"] - 1 == now["version"] - 1 == statuses.count(200) > 0


def test_a_write_is_on_the_journal_of_a_majority(
    callers: Callers, name: str, mongo_server: str, databases: dict[str, str]
) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(mongo_server)
    with client:
        own = client[databases[name]]
        own.command("profile", 2)
        callers.peer.post("/carts", json={"sku": "BENCH-1-S", "quantity": 1}).raise_for_status()
        own.command("profile", 0)
        (written,) = own["system.profile"].find({"op": "insert", "ns": f"{databases[name]}.carts"}).to_list()
    concern = written["command"]["writeConcern"]
    assert (concern["w"], concern["j"]) == ("majority", True)


def test_a_request_under_way_is_answered_though_the_peer_ends(start: Start) -> None:
    body = b'{"sku": "BENCH-1-S", "quantity": 1}'
    head = f"POST /carts HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    with start() as (url, process):
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.create_connection(address, timeout=30) as connection:
            connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
            os.kill(process, signal.SIGTERM)
            await_refusal(address)
            connection.sendall(body)
            assert connection.recv(1000).startswith(b"HTTP/1.1 201 ")


def await_refusal(address: tuple[str, int]) -> None:
    """Waits until nobody listens there any more."""
    for _ in range(1000):
        try:
            socket.create_connection(address, timeout=30).close()
        except ConnectionRefusedError:
            return
        time.sleep(0.01)
    raise AssertionError("It takes connections still.")


def test_signing_in_is_the_same(callers: Callers) -> None:
    email = callers.shop.register(name="Ada")
    ours, theirs = callers.both("users", "POST", "/login", json={"email": f" {email.upper()}", "password": PASSWORD})
    assert theirs.headers["cache-control"] == ours.headers["cache-control"]
    us, them = ours.json(), theirs.json()
    assert us.keys() == them.keys()
    assert (them["token_type"], them["expires_in"]) == (us["token_type"], us["expires_in"])
    assert timed(them["user"]) == timed(us["user"])
    tokens = [answer["access_token"] for answer in (us, them)]
    heads = [jwt.get_unverified_header(token) for token in tokens]
    assert [head["alg"] for head in heads] == ["EdDSA", "EdDSA"]
    assert heads[0].keys() == heads[1].keys()
    claims = [jwt.decode(token, options={"verify_signature": False}) for token in tokens]
    assert claims[0].keys() == claims[1].keys()
    assert all(claims[0][name] == claims[1][name] for name in ("iss", "aud", "sub", "roles"))
    assert [each["exp"] - each["iat"] for each in claims] == [900, 900]


def test_a_sign_in_that_fails_is_the_same_problem(callers: Callers) -> None:
    email = callers.shop.register()
    for body in ({"email": email, "password": "wrong password"}, {"email": "no@one.example", "password": PASSWORD}):
        assert callers.both("users", "POST", "/login", json=body)[1].status_code == 401
    for bad in ({"email": email}, {"email": 1, "password": PASSWORD}, {"email": email, "password": "x", "more": 1}):
        assert callers.both("users", "POST", "/login", json=bad)[1].status_code == 422
