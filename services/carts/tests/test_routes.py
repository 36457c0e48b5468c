"""The wire of carts: statuses, headers, bodies, problems."""

import httpx
import pytest

from shopdev.people import People

from .conftest import Guest, Products, new_guest, quantities


async def test_a_guest_gets_an_empty_cart_with_a_token_told_once(client: httpx.AsyncClient) -> None:
    answer = await client.post("/carts", json={})
    cart = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/carts/{cart['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert (cart["version"], cart["currency"], cart["subtotal"], cart["item_count"]) == (1, None, None, 0)
    assert len(cart["token"]) >= 22
    again = await client.get(f"/carts/{cart['id']}", headers={"Cart-Token": cart["token"]})
    assert again.status_code == 200
    assert "token" not in again.json()


async def test_the_prefix_leads_to_the_same_routes_and_stands_in_locations(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/carts", json={"sku": "A", "quantity": 2})
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/carts/{answer.json()['id']}"


async def test_a_cart_tells_its_lines_in_the_order_first_added_with_totals(client: httpx.AsyncClient) -> None:
    guest = await new_guest(client, ("B", 2), ("A", 1))
    cart = (await guest.add("B", 3)).json()
    assert [line["sku"] for line in cart["lines"]] == ["B", "A"]
    assert quantities(cart) == {"B": 5, "A": 1}
    assert cart["item_count"] == 6
    assert cart["subtotal"] == {"amount": 6000, "currency": "EUR"}
    assert cart["lines"][0] == {
        "sku": "B",
        "product_id": "id-of-B",
        "name": "The B",
        "options": {"size": "M"},
        "image_url": "/images/B.svg",
        "quantity": 5,
        "unit_price": {"amount": 1000, "currency": "EUR"},
        "added_price": {"amount": 1000, "currency": "EUR"},
        "total": {"amount": 5000, "currency": "EUR"},
        "available": None,
    }


async def test_posting_again_adds_to_the_cart_there_is(client: httpx.AsyncClient, people: People) -> None:
    guest = await new_guest(client, ("A", 1))
    answer = await client.post("/carts", json={"sku": "A", "quantity": 2}, headers=guest.headers)
    assert (answer.status_code, quantities(answer.json())) == (200, {"A": 3})
    assert "token" not in answer.json()
    bearer = people.bearer("user-1")
    first = await client.post("/carts", json={"sku": "B", "quantity": 1}, headers=bearer)
    assert first.status_code == 201
    assert "token" not in first.json()
    second = await client.post("/carts", json={"sku": "B", "quantity": 1}, headers=bearer)
    assert (second.status_code, second.json()["id"], quantities(second.json())) == (200, first.json()["id"], {"B": 2})
    mine = await client.get("/carts/current", headers=bearer)
    assert mine.json()["id"] == first.json()["id"]


async def test_a_token_that_opens_nothing_gets_a_new_cart(client: httpx.AsyncClient) -> None:
    answer = await client.post("/carts", json={}, headers={"Cart-Token": "of-a-cart-long-gone"})
    assert answer.status_code == 201
    assert answer.json()["token"]


async def test_lines_are_set_changed_together_and_removed(guest: Guest) -> None:
    assert quantities((await guest.set("A", 4)).json()) == {"A": 4}
    changes = [{"sku": "A", "delta": -1}, {"sku": "B", "quantity": 2}, {"sku": "C", "delta": 1}]
    assert quantities((await guest.call("PATCH", "/lines", json={"changes": changes})).json()) == {
        "A": 3,
        "B": 2,
        "C": 1,
    }
    removed = await guest.call("DELETE", "/lines/B")
    assert (removed.status_code, quantities(removed.json())) == (200, {"A": 3, "C": 1})
    again = await guest.call("DELETE", "/lines/B")
    assert (again.status_code, again.json()["version"]) == (200, removed.json()["version"])
    assert quantities((await guest.set("A", 0)).json()) == {"C": 1}


async def test_several_changes_are_all_made_or_none(guest: Guest) -> None:
    changes = [{"sku": "A", "delta": 1}, {"sku": "NONE", "delta": 1}]
    answer = await guest.call("PATCH", "/lines", json={"changes": changes})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_sku")
    assert answer.json()["errors"][0]["pointer"] == "#/changes/1/sku"
    assert quantities((await guest.get()).json()) == {}


async def test_an_emptied_cart_keeps_its_currency_and_takes_another(guest: Guest) -> None:
    await guest.add("A")
    emptied = (await guest.set("A", 0)).json()
    assert (emptied["currency"], emptied["subtotal"]) == ("EUR", {"amount": 0, "currency": "EUR"})
    assert (await guest.add("USD")).json()["currency"] == "USD"


@pytest.mark.parametrize(
    ("sku", "quantity", "status", "code"),
    [
        ("NONE", 1, 422, "unknown_sku"),
        ("GONE", 1, 422, "unknown_sku"),
        ("FEW", 4, 409, "insufficient_stock"),
        ("USD", 1, 409, "currency_mismatch"),
        ("A", 1000, 422, "quantity_limit"),
        ("A", 999, 422, "quantity_limit"),
    ],
)
async def test_what_cannot_be_added_is_named(
    client: httpx.AsyncClient, sku: str, quantity: int, status: int, code: str
) -> None:
    guest = await new_guest(client, ("A", 1))
    before = (await guest.get()).json()
    answer = await guest.add(sku, quantity)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await guest.get()).json() == before


async def test_too_little_stock_tells_how_many_there_are(guest: Guest) -> None:
    await guest.add("FEW", 2)
    answer = await guest.add("FEW", 2)
    assert (answer.status_code, answer.json()["available"], answer.json()["sku"]) == (409, 3, "FEW")
    assert (await guest.add("FEW", 1)).status_code == 200


async def test_the_101st_line_is_refused(client: httpx.AsyncClient, products: Products) -> None:
    for number in range(101):
        products.sell(f"L{number}")
    guest = await new_guest(client, *((f"L{number}", 1) for number in range(100)))
    answer = await guest.add("L100")
    assert (answer.status_code, answer.json()["code"]) == (409, "line_limit")
    assert (await guest.add("L99")).json()["item_count"] == 101


async def test_a_first_cart_of_101_products_is_refused_for_its_lines(
    client: httpx.AsyncClient, products: Products
) -> None:
    for number in range(101):
        products.sell(f"L{number}")
    lines = [{"sku": f"L{number}", "quantity": 1} for number in range(101)]
    answer = await client.post("/carts", json={"lines": lines})
    assert (answer.status_code, answer.json()["code"]) == (409, "line_limit")


async def test_a_signed_in_user_without_a_cart_of_their_own_uses_the_tokens(
    client: httpx.AsyncClient, people: People
) -> None:
    guest = await new_guest(client, ("A", 1))
    both = guest.headers | people.bearer("user")
    assert (await client.get("/carts/current", headers=both)).json()["id"] == guest.id
    added = await client.post("/carts", json={"sku": "A", "quantity": 1}, headers=both)
    assert (added.status_code, added.json()["id"], quantities(added.json())) == (200, guest.id, {"A": 2})


async def test_if_none_match_answers_304_until_something_is_new(client: httpx.AsyncClient, products: Products) -> None:
    guest = await new_guest(client, ("A", 1))
    first = await guest.get()
    assert first.headers["ETag"] == f'"{first.json()["version"]}"'
    known = {"If-None-Match": first.headers["ETag"]}
    unchanged = await guest.get(headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    products.sell("A", 1200)
    changed = await guest.get(headers=known)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


async def test_if_match_refuses_a_stale_change_with_the_cart_inside(
    client: httpx.AsyncClient, products: Products
) -> None:
    guest = await new_guest(client, ("A", 1))
    tag = (await guest.get()).headers["ETag"]
    assert (await guest.add("B", headers={"If-Match": tag})).status_code == 200
    for method, path, body in [
        ("POST", "/lines", {"sku": "A", "quantity": 1}),
        ("PUT", "/lines/A", {"quantity": 3}),
        ("PATCH", "/lines", {"changes": [{"sku": "A", "delta": 1}]}),
        ("DELETE", "/lines/A", None),
        ("POST", "/undo", {"version": 2}),
        ("DELETE", "", None),
    ]:
        answer = await guest.call(method, path, json=body, headers={"If-Match": tag})
        assert (answer.status_code, answer.json()["code"]) == (412, "version_conflict"), (method, path)
        assert quantities(answer.json()["current"]) == {"A": 1, "B": 1}
    products.sell("A", 1200)
    tag = (await guest.get()).headers["ETag"]
    assert "-" in tag
    assert (await guest.add("B", headers={"If-Match": tag})).status_code == 200


async def test_deleting_a_cart_may_be_repeated_by_its_holder_alone(client: httpx.AsyncClient) -> None:
    guest, other = await new_guest(client, ("A", 1)), await new_guest(client)
    assert (await client.delete(f"/carts/{guest.id}", headers=other.headers)).status_code == 404
    assert (await guest.call("DELETE")).status_code == 204
    assert (await guest.call("DELETE")).status_code == 204
    assert (await client.delete(f"/carts/{guest.id}", headers=other.headers)).status_code == 404
    assert (await guest.get()).status_code == 404
    assert (await guest.add("A")).status_code == 404


async def test_somebody_elses_an_expired_and_no_cart_are_the_same_404(
    client: httpx.AsyncClient, people: People, clock
) -> None:  # type: ignore[no-untyped-def]
    guest = await new_guest(client, ("A", 1))
    mine = (await client.post("/carts", json={}, headers=people.bearer("me"))).json()
    answers = [
        await client.get(f"/carts/{guest.id}"),
        await client.get(f"/carts/{guest.id}", headers={"Cart-Token": "wrong"}),
        await client.get(f"/carts/{mine['id']}", headers=guest.headers),
        await client.get(f"/carts/{mine['id']}", headers=people.bearer("somebody")),
        await client.get("/carts/01234567-89ab-7def-8123-456789abcdef", headers=guest.headers),
        await client.get("/carts/no-id-at-all", headers=guest.headers),
    ]
    clock.pass_(days=30)
    answers.append(await guest.get())
    assert {answer.status_code for answer in answers} == {404}
    assert {answer.json()["code"] for answer in answers} == {"not_found"}
    assert len({answer.json()["detail"] for answer in answers}) == 1
    assert (await client.get(f"/carts/{mine['id']}", headers=people.bearer("me"))).status_code == 200
