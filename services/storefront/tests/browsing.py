"""A visitor without JavaScript: reads pages, follows links, fills in forms and keeps cookies."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx

from shopdev.shop import PASSWORD

SILENT = {"script", "style", "template", "title", "option"}
VOID = {"input", "img", "br", "hr", "meta", "link", "source", "wbr", "area", "col"}
Attributes = dict[str, str]


@dataclass
class Form:
    """A form of a page, with what it would send as it stands; `buttons` as (name, value)."""

    action: str
    attributes: Attributes
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class Page(HTMLParser):
    """An answer as a person sees it: `text`, `links` by their text and `forms`; and all `elements`."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.response = response
        self.status = response.status_code
        self.url = str(response.url)
        self.path = response.url.raw_path.decode()
        self.html = response.text
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.elements: list[tuple[str, Attributes]] = []
        self._elsewhere: list[tuple[str, Attributes]] = []
        self._open: list[str] = []
        self._by_id: dict[str, list[str]] = {}
        self._inside: list[str] = []
        self._parts: list[str] = []
        self._form: Form | None = None
        self._select = ""
        self._area: list[str] | None = None
        self._link: tuple[str, list[str]] | None = None
        self.feed(self.html)
        self.close()
        for tag, has in self._elsewhere:
            owner = next((form for form in self.forms if form.attributes.get("id") == has["form"]), None)
            assert owner, f"{tag} {has} on {self.path} belongs to no form."
            self._field(owner, tag, has)

    @property
    def text(self) -> str:
        """All that can be read, with single spaces."""
        return re.sub(r"\s+", " ", " ".join(self._parts)).strip()

    def form(self, action: str) -> Form:
        """The first form that is sent to this path."""
        found = [form for form in self.forms if form.action.partition("?")[0] == action]
        assert found, f"No form for {action} on {self.path}; there are {[form.action for form in self.forms]}."
        return found[0]

    def element(self, **wanted: str) -> Attributes:
        """The attributes of the first element that has these."""
        names = {name.rstrip("_").replace("_", "-"): value for name, value in wanted.items()}
        found = [has for _, has in self.elements if all(has.get(name) == value for name, value in names.items())]
        assert found, f"Nothing on {self.path} has {names}."
        return found[0]

    def described(self, name: str) -> str:
        """What stands beside the field of this name when it is wrong; AssertionError where nothing does."""
        entry = self.element(name=name, aria_invalid="true")
        ids = entry["aria-describedby"].split()
        return " ".join(self._text_of(each) for each in ids)

    def _text_of(self, element_id: str) -> str:
        assert element_id in self._by_id, f"Nothing on {self.path} has the id {element_id}."
        return " ".join("".join(self._by_id[element_id]).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        self.elements.append((tag, has))
        if tag not in VOID:
            self._open.append(tag)
            self._inside.append(has.get("id", ""))
            self._by_id.setdefault(has.get("id", ""), [])
        if tag == "form":
            self._form = Form(has.get("action", self.path), has)
            self.forms.append(self._form)
        elif tag == "a" and "href" in has:
            self._link = (has["href"], [])
        if "form" in has:
            self._elsewhere.append((tag, has))
        elif self._form is not None:
            self._field(self._form, tag, has)

    def _field(self, form: Form, tag: str, has: Attributes) -> None:
        name, kind = has.get("name", ""), has.get("type", "")
        if tag == "button" or kind == "submit":
            form.buttons.append((name, has.get("value", "")))
        elif tag == "select":
            self._select = name
        elif tag == "option" and ("selected" in has or self._select not in form.fields):
            form.fields[self._select] = has.get("value", "")
        elif tag == "textarea":
            form.fields[name], self._area = "", []
        elif tag == "input" and name and (kind not in {"radio", "checkbox"} or "checked" in has):
            form.fields[name] = has.get("value", "on" if kind == "checkbox" else "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "a" and self._link is not None:
            address, words = self._link
            self.links.setdefault(" ".join("".join(words).split()), address)
            self._link = None
        elif tag == "textarea" and self._area is not None and self._form is not None:
            last = list(self._form.fields)[-1]
            self._form.fields[last], self._area = "".join(self._area).removeprefix("\n"), None
        if tag in self._open:
            while self._open.pop() != tag:
                self._inside.pop()
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area.append(data)
        if not SILENT & set(self._open):
            self._parts.append(data)
            for element_id in self._inside:
                self._by_id[element_id].append(data)
            if self._link is not None:
                self._link[1].append(data)


class Shopper:
    """One browser."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **headers: str) -> Page:
        """The page at `path`, after any redirects."""
        return Page(await self.client.get(path, headers=_names(headers), follow_redirects=True))

    async def fill(self, page: Page, action: str, **typed: str) -> Page:
        """Sends the page's first form for `action` with what was typed; the page that follows."""
        return Page(await self.send(page, action, follow_redirects=True, **typed))

    async def send(self, page: Page, action: str, *, follow_redirects: bool = False, **typed: Any) -> httpx.Response:
        """As `fill`, with the plain answer."""
        form = page.form(action)
        content = form.fields | typed
        return await self.client.post(form.action, data=content, follow_redirects=follow_redirects)

    async def sign_in(self, email: str, password: str = PASSWORD) -> Page:
        """Signs in on the page that is there for it."""
        return await self.fill(await self.get("/sign-in"), "/sign-in", email=email, password=password)

    async def add(self, slug: str, **typed: str) -> Page:
        """Puts a product into the cart from its page."""
        return await self.fill(await self.get(f"/p/{slug}"), "/cart/add", **typed)


def lines_of(cart: Page) -> dict[str, int]:
    """How many of each SKU the forms of a cart's page would send."""
    prefix = "/cart/lines/"
    numbers = [form for form in cart.forms if form.action.startswith(prefix) and "quantity" in form.fields]
    # Beside the field that says how many stands a button that removes, which is a form of its own that sends 0.
    shown = [form for form in numbers if form.fields["quantity"] != "0"]
    return {form.action.removeprefix(prefix): int(form.fields["quantity"]) for form in shown}


def _names(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
