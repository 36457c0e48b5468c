"""The shop from end to end, as a client sees it who has read nothing but the contract."""

import re
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from .conftest import PASSWORD, Shop, bearer

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def until(
    ask: Callable[[], httpx.Response], fits: Callable[[httpx.Response], bool], seconds: float = 10
) -> httpx.Response:
    """The first answer that fits; fails with the last one when none came in time."""
    give_up = time.monotonic() + seconds
    while not fits(answer := ask()):
        assert time.monotonic() < give_up, answer.text
        time.sleep(0.05)
    return answer


def new_sku(name: str) -> str:
    """A SKU no other test has."""
    return f"{name}-{secrets.token_hex(4)}"


def product(sku: str, amount: int, stock: int | None, **more: Any) -> dict[str, Any]:
    return {
        "name": f"Product {sku}",
        "sku": sku,
        "price": {"amount": amount, "currency": "EUR"},
        "stock": stock,
        **more,
    }


def test_from_registration_to_a_merged_cart(shop: Shop) -> None:
    tea, cup = new_sku("TEA"), new_sku("CUP")
    registered = shop.users.post("/register", json={"email": "Ada@Example.com", "password": PASSWORD, "name": "Ada"})
    user = registered.json()
    assert registered.status_code == 201
    assert UUID7.fullmatch(user["id"])
    assert TIME.fullmatch(user["created_at"])
    assert (user["name"], user["roles"], user["version"]) == ("Ada", ["customer"], 1)
    taken = shop.users.post("/register", json={"email": " ada@example.COM ", "password": PASSWORD})
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")
    signed_in = shop.users.post("/login", json={"email": "ada@example.com", "password": PASSWORD}).json()
    assert (signed_in["token_type"], signed_in["expires_in"], signed_in["user"]["id"]) == ("Bearer", 900, user["id"])

    staff = shop.staff()
    refused = shop.products.post("/products", json=product(tea, 450, 3), headers=bearer(signed_in))
    assert refused.status_code == 403
    made = shop.products.post("/products", json=product(tea, 450, 3), headers=staff)
    assert made.status_code == 201
    assert shop.products.get(made.headers["Location"]).json() == made.json()
    second = product(cup, 1200, None, category="Kitchen")
    assert shop.products.post("/products", json=second, headers=staff).status_code == 201

    guest = shop.carts.post("/carts", json={"lines": [{"sku": tea, "quantity": 2}, {"sku": cup, "quantity": 1}]})
    assert guest.status_code == 201
    assert guest.json()["subtotal"] == {"amount": 2100, "currency": "EUR"}
    token = {"Cart-Token": guest.json()["token"]}
    few = shop.carts.post(f"/carts/{guest.json()['id']}/lines", json={"sku": tea, "quantity": 2}, headers=token)
    assert (few.status_code, few.json()["code"], few.json()["available"]) == (409, "insufficient_stock", 3)
    mine = shop.carts.post("/carts", json={"sku": cup, "quantity": 2}, headers=bearer(signed_in)).json()
    merged = shop.carts.post("/carts/merge", json={"mode": "sum"}, headers=bearer(signed_in) | token)
    report = {line["sku"]: (line["outcome"], line["result"]) for line in merged.json()["report"]}
    assert report == {tea: ("kept", 2), cup: ("summed", 3)}
    assert merged.json()["cart"]["id"] == mine["id"]
    assert shop.carts.get("/carts/current", headers=token).status_code == 404


def test_a_price_change_reaches_carts_within_a_second_as_a_notice(shop: Shop) -> None:
    tea = new_sku("TEA")
    staff = shop.staff()
    made = shop.products.post("/products", json=product(tea, 450, 9), headers=staff).json()
    guest = shop.carts.post("/carts", json={"sku": tea, "quantity": 2}).json()
    token = {"Cart-Token": guest["token"]}
    patch = {"price": {"amount": 500, "currency": "EUR"}}
    assert shop.products.patch(f"/products/{made['id']}", json=patch, headers=staff).status_code == 200
    seen = until(
        lambda: shop.carts.get("/carts/current", headers=token),
        lambda answer: bool(answer.json()["notices"]),
        seconds=1,
    )
    cart = seen.json()
    assert [(n["code"], n["old"]["amount"], n["new"]["amount"]) for n in cart["notices"]] == [
        ("price_changed", 450, 500)
    ]
    assert cart["subtotal"]["amount"] == 1000


def test_carts_live_on_while_products_and_users_are_killed(shop: Shop) -> None:
    tea, cup = new_sku("TEA"), new_sku("CUP")
    staff = shop.staff()
    for sku in (tea, cup):
        shop.products.post("/products", json=product(sku, 450, None), headers=staff)
    user = shop.register()
    mine = shop.carts.post("/carts", json={"sku": tea, "quantity": 1}, headers=bearer(user)).json()
    for name in ("products", "users"):
        shop.processes[name].kill()
    # A call that products was answering when it was killed may still come back.
    cart = until(
        lambda: shop.carts.get("/carts/current", headers=bearer(user)), lambda answer: bool(answer.json()["stale"])
    )
    assert (cart.status_code, cart.json()["item_count"]) == (200, 1)
    added = shop.carts.post(f"/carts/{mine['id']}/lines", json={"sku": tea, "quantity": 1}, headers=bearer(user))
    assert (added.status_code, added.json()["item_count"]) == (200, 2)
    unknown = shop.carts.post(f"/carts/{mine['id']}/lines", json={"sku": cup, "quantity": 1}, headers=bearer(user))
    assert (unknown.status_code, unknown.json()["code"]) == (503, "catalogue_unavailable")
    shop.restart("products")
    known = until(
        lambda: shop.carts.post(f"/carts/{mine['id']}/lines", json={"sku": cup, "quantity": 1}, headers=bearer(user)),
        lambda answer: answer.status_code == 200,
    )
    assert known.json()["stale"] is False
    shop.restart("users")


def test_kill_9_in_the_middle_of_1000_acknowledged_writes_loses_none(shop: Shop) -> None:
    tea = new_sku("TEA")
    staff = shop.staff()
    shop.products.post("/products", json=product(tea, 450, None), headers=staff)
    guests = [shop.carts.post("/carts", json={"sku": tea, "quantity": 1}).json() for _ in range(10)]
    acknowledged = {guest["id"]: 1 for guest in guests}

    def write(guest: dict[str, Any]) -> None:
        """Adds one after the other, across the kill, for as long as it is answered."""
        with httpx.Client(base_url=shop.carts.base_url, headers={"Cart-Token": guest["token"]}, timeout=20) as client:
            for _ in range(130):
                try:
                    answer = client.post(f"/carts/{guest['id']}/lines", json={"sku": tea, "quantity": 1})
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                acknowledged[guest["id"]] += 1
                if sum(acknowledged.values()) == 1000:
                    shop.processes["carts"].kill()

    with ThreadPoolExecutor(len(guests)) as pool:
        list(pool.map(write, guests))
    assert sum(acknowledged.values()) >= 1000
    shop.restart("carts")
    for guest in guests:
        cart = shop.carts.get(f"/carts/{guest['id']}", headers={"Cart-Token": guest["token"]}).json()
        # One more may have been written whose answer never came; never one less.
        assert cart["item_count"] - acknowledged[guest["id"]] in (0, 1)
        assert cart["version"] == cart["item_count"]


def test_50_buyers_racing_for_20_pieces_get_20(shop: Shop) -> None:
    rare = new_sku("RARE")
    staff = shop.staff()
    made = shop.products.post("/products", json=product(rare, 900, 20), headers=staff).json()

    def buy(_: int) -> int:
        change = {"changes": [{"sku": rare, "delta": -1}]}
        return shop.products.post("/stock", json=change, headers=staff).status_code

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(buy, range(50)))
    assert (outcomes.count(200), outcomes.count(409)) == (20, 30)
    assert shop.products.get(f"/products/{made['id']}").json()["variants"][0]["stock"] == 0


def test_two_registrations_of_one_address_give_one_account(shop: Shop) -> None:
    body = {"email": "twice@example.com", "password": PASSWORD}
    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(lambda _: shop.users.post("/register", json=body).status_code, range(2)))
    assert outcomes == [201, 409]


def test_rotated_keys_are_known_to_all_services_without_a_restart(shop: Shop) -> None:
    before = shop.register()
    assert shop.carts.get("/carts/current", headers=bearer(before)).status_code == 404
    shop.command("users", "rotate-keys", "--now")
    credentials = {"email": before["user"]["email"], "password": PASSWORD}
    after = until(
        lambda: shop.users.post("/login", json=credentials),
        lambda answer: header_of(answer.json()) != header_of(before),
        seconds=30,
    ).json()
    assert shop.users.get("/me", headers=bearer(after)).status_code == 200
    assert shop.carts.get("/carts/current", headers=bearer(after)).status_code == 404
    for service in (
        shop.users.get("/me", headers=bearer(before)),
        shop.carts.get("/carts/current", headers=bearer(before)),
    ):
        assert service.status_code == 401


def header_of(signed_in: dict[str, Any]) -> str:
    """The part of an access token that names its key."""
    return str(signed_in["access_token"]).partition(".")[0]
