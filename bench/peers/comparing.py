"""Doing the same at the shop and at a peer, and comparing what they say; an AssertionError tells where they differ."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import httpx

from shopdev.shop import Shop


class Callers:
    """The shop and a peer; `ours` is a client for the shop's services, `copy` brings its catalogue to the peer."""

    def __init__(self, shop: Shop, copy: Callable[[], None], ours: httpx.Client, peer: httpx.Client) -> None:
        self.shop = shop
        self._copy = copy
        self.ours = ours
        self.peer = peer

    def add(self, items: Sequence[dict[str, Any]]) -> None:
        """Products, or changes to them, at both."""
        self.shop.add(items)
        self._copy()

    def both(self, service: str, method: str, path: str, **content: Any) -> tuple[httpx.Response, httpx.Response]:
        """The shop's answer and the peer's, of the same status and, if they are problems, about the same."""
        ours = self.ours.request(method, self.shop[service].url + path, **content)
        theirs = self.peer.request(method, path, **content)
        same_status(ours, theirs)
        return ours, theirs


def same_status(ours: httpx.Response, theirs: httpx.Response) -> None:
    """The same status and kind of body; of problems, the same problem."""
    assert theirs.status_code == ours.status_code, (ours.text, theirs.text)
    assert theirs.headers["content-type"].removesuffix("; charset=utf-8") == ours.headers["content-type"]
    assert theirs.headers["x-request-id"]
    if ours.is_error:
        problem = theirs.json()
        assert problem["instance"] == theirs.headers["x-request-id"]
        assert told(problem) == told(ours.json()), (ours.text, theirs.text)
        assert theirs.headers.get("www-authenticate") == ours.headers.get("www-authenticate")


def told(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem but for its instance and, where it is about the form of the input, the libraries' words for it."""
    bare = {name: value for name, value in problem.items() if name != "instance"}
    if bare["code"] == "invalid_request":
        bare["errors"] = [fault["pointer"] for fault in bare.get("errors", [])]
        del bare["detail"]
    return bare


def timed(record: dict[str, Any]) -> dict[str, Any]:
    """A product with its times as times: how many zeros they end in differs."""
    times = {name: datetime.fromisoformat(record[name]) for name in ("created_at", "updated_at")}
    return record | times


def bare(cart: dict[str, Any]) -> dict[str, Any]:
    """A cart without what differs between any two carts."""
    aside = ("id", "token", "created_at", "updated_at", "expires_at")
    life = datetime.fromisoformat(cart["expires_at"]) - datetime.fromisoformat(cart["updated_at"])
    return {name: value for name, value in cart.items() if name not in aside} | {"life": life}


class TwoCarts:
    """A cart at the shop and one at the peer, to which the same is done."""

    def __init__(self, callers: Callers, body: object) -> None:
        self.callers = callers
        made = callers.both("carts", "POST", "/carts", json=body)
        assert made[0].status_code == 201, made[0].text
        self.carts = [answer.json() for answer in made]
        assert bare(self.carts[1]) == bare(self.carts[0]), self.carts
        for answer, cart in zip(made, self.carts, strict=True):
            assert answer.headers["location"] == f"/carts/{cart['id']}"
            assert len(cart["token"]) >= 22

    def call(self, method: str, path: str = "", whole: str = "", **content: Any) -> httpx.Response:
        """The answer that both give; `whole` is a path in place of the cart's own."""
        clients = ((self.callers.ours, self.callers.shop["carts"].url), (self.callers.peer, ""))
        answers: list[httpx.Response] = []
        for (client, url), cart in zip(clients, self.carts, strict=True):
            headers = {"Cart-Token": cart["token"]} | content.get("headers", {})
            answers.append(
                client.request(method, url + (whole or f"/carts/{cart['id']}{path}"), **content | {"headers": headers})
            )
        same_status(*answers)
        if answers[0].is_success:
            assert bare(answers[1].json()) == bare(answers[0].json()), [answer.text for answer in answers]
        return answers[1]

    def add(self, sku: str, quantity: int) -> httpx.Response:
        """So many more."""
        return self.call("POST", "/lines", json={"sku": sku, "quantity": quantity})

    def send(self, text: str, media_type: str) -> httpx.Response:
        """A body that need not be JSON."""
        return self.call("POST", "/lines", content=text, headers={"Content-Type": media_type})

    def set(self, sku: str, quantity: int) -> httpx.Response:
        """So many."""
        return self.call("PUT", f"/lines/{sku}", json={"quantity": quantity})
