"""One request of one visitor: their session, their language, the services on their behalf, and the page they get."""

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote

from litestar import Request, Response
from litestar.datastructures import URL
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.params import SkipValidation
from msgspec.structs import replace

from shopkit import deadline
from shopkit.errors import BrokenRequest, Forbidden, Unavailable
from storefront.backends.answers import Problem, Refused, bearer
from storefront.backends.carts import Cart, Opener
from storefront.forms import masked, require_token
from storefront.front import Front
from storefront.renewal import MARGIN_SECONDS
from storefront.session import LIFE_SECONDS, Note, Person, Session, new_session
from storefront.words import choose

HTML = "text/html"
# What has a meaning in an address; of what is left, only letters, digits and "_.-~" may stand there as they are.
ADDRESS_MARKS = "/?#[]@!$&'()*+,;=:%"
# The cart's own header, as the wire contract has it.
CART_TOKEN = "Cart-Token"  # noqa: S105
Answer = TypeVar("Answer", bound=Response[Any])


class SignInNeeded(Exception):
    """This page is for people who are signed in; `path` is where they wanted to go."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Visit:
    """The session changes by `keep`, and goes back to the browser with the answer if it did."""

    def __init__(self, request: Request[Any, Any, Any], front: Front) -> None:
        self.request = request
        self.front = front
        self._given = front.cookies.read(request.cookies)
        self.session: Session = self._given or new_session()
        self.words = choose(front.languages, self.session.language, request.headers.get("accept-language", ""))
        self.is_partial = request.headers.get("hx-request") == "true"
        self.address = request.client.host if request.client else ""
        self._start_calls()

    def _start_calls(self) -> None:
        """From now on, the services together have so long: two that hang keep nobody waiting twice."""
        deadline.start(self.front.settings.call_timeout_ms / 1000)

    @property
    def path(self) -> str:
        """Where the visitor is, with the query: a page that can be asked for, also where a form is answered."""
        url = self.request.url
        if self.request.method != "GET":
            url = URL(self.request.headers.get("referer", "/"))
        return (url.path or "/") + (f"?{url.query}" if url.query else "")

    def keep(self, **changes: Any) -> None:
        """Changes the session."""
        self.session = replace(self.session, **changes)

    def say(self, text: str, **facts: object) -> str:
        """A text in the visitor's language."""
        return self.words.say(text, **facts)

    def note(self, text: str, *, kind: str = "good", undo: int = 0) -> None:
        """Something to tell on the next page."""
        self.keep(notes=(*self.session.notes, Note(text, kind, undo)))

    async def form(self) -> Mapping[str, Any]:
        """The fields that a page of ours sent; FormExpired where it was not ours."""
        content = await self.typed()
        # However long the form was on its way.
        self._start_calls()
        site = self.request.headers.get("sec-fetch-site", "")
        require_token(self.session.csrf, str(content.get("csrf", "")), site)
        return content

    async def typed(self) -> Mapping[str, Any]:
        """The same from any page; of a name that is there twice, the last. BrokenRequest where it is no text."""
        if self.request.content_type[0] == RequestEncodingType.URL_ENCODED:
            # The framework would keep what it has parsed, passwords too, for as long as it runs.
            typed = (await self.request.body()).decode("latin-1")
            try:
                return dict(parse_qsl(typed, keep_blank_values=True, errors="strict"))
            except UnicodeDecodeError as error:
                raise BrokenRequest("The form is not in UTF-8.") from error
        try:
            content = await self.request.form()
        except UnicodeDecodeError as error:
            raise BrokenRequest("The form is not in UTF-8.") from error
        return {name: content[name] for name in content}

    async def person(self, seconds: int = MARGIN_SECONDS) -> Person:
        """Who is signed in, with an access token that is good for so long from now; SignInNeeded for everyone else."""
        person = self.session.person
        if person is None:
            raise SignInNeeded(self._way_back())
        if self.front.renewal.is_due(person, seconds):
            person = await self._renewed(person)
        return person

    def require_staff(self) -> None:
        """SignInNeeded for a guest, Forbidden for a customer."""
        if self.session.person is None:
            raise SignInNeeded(self._way_back())
        if not self.session.person.is_staff:
            raise Forbidden

    def _way_back(self) -> str:
        """Where to go on after signing in; what a form held is not sent again."""
        if self.request.method == "GET":
            return self.path
        return "/admin" if self.request.url.path.startswith("/admin") else "/account"

    async def _renewed(self, person: Person) -> Person:
        try:
            renewed = await self.front.renewal.renew(person)
        except Refused as refused:
            if refused.status not in {400, 401, 422}:
                raise Unavailable from refused
            self.sign_out()
            self.note(self.say("You were signed out. Please sign in again."), kind="bad")
            raise SignInNeeded(self._way_back()) from refused
        self.keep(person=renewed)
        return renewed

    def sign_in(self, person: Person) -> None:
        """The session is this person's from now on; its form token changes, for it may be known to another."""
        self.keep(person=person, csrf=new_session().csrf)

    def sign_out(self) -> None:
        """Nothing of the person is left in the session."""
        self.session = replace(new_session(), language=self.session.language, notes=self.session.notes)

    async def opener(self) -> Opener | None:
        """What opens the visitor's cart; None for a guest who has none yet."""
        if self.session.person is not None:
            return bearer((await self.person()).access_token)
        return {CART_TOKEN: self.session.cart_token} if self.session.cart_token else None

    async def cart(self, seconds: float = 0) -> Cart | None:
        """The visitor's cart; None where there is none (any more). `seconds`: at most so long, 0 for as long as any."""
        opener = await self.opener()
        if opener is None:
            return None
        try:
            cart = await self.front.carts.current(opener, seconds)
        except Refused as refused:
            if refused.status != 404:
                raise
            if self.session.person is None:
                self.forget_cart()
            # A guest's cart that still waits to be joined with that of who has signed in is kept.
            self.keep(item_count=0)
            return None
        self.keep(item_count=cart.item_count)
        return cart

    def forget_cart(self) -> None:
        """The cart is gone; the next one is a new one."""
        self.keep(cart_token="", item_count=0, visitor=new_session().visitor)

    def page(self, template: str, *, status: int = 200, private: bool = False, **context: Any) -> Response[str]:
        """A page; it tells the notes that wait, once. With `private`, browsers keep no copy."""
        notes = self.session.notes
        if notes:
            self.keep(notes=())
        text = self.front.render(self.words, template, {**self._common(), "notes": notes, "status": status, **context})
        headers = {"Cache-Control": "no-store" if private else "private, no-cache"}
        return self.answer(Response(text, status_code=status, media_type=HTML, headers=headers))

    def go(self, path: str) -> Response[str]:
        """On to another page: a reload or the back button will not send the form again."""
        path = quote(path, safe=ADDRESS_MARKS)
        if self.is_partial:
            return self.answer(Response("", headers={"HX-Redirect": path}))
        return self.answer(
            Response("", status_code=303, headers={"Location": path, "Cache-Control": "no-store"}, media_type=HTML)
        )

    def _common(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "person": self.session.person,
            "item_count": self.session.item_count,
            "csrf": lambda: masked(self.session.csrf),
            "hx": self.is_partial,
        }

    def answer(self, response: Answer) -> Answer:
        """Any response, with the session if it changed."""
        response.headers.update(self.front.headers)
        response.headers["Vary"] = "Accept-Language, Cookie, HX-Request"
        cookies = self.front.cookies
        for name, text in cookies.changed(self._given, self.session).items():
            life = LIFE_SECONDS if text else 0
            response.set_cookie(name, text, life, path="/", httponly=True, secure=cookies.is_secure, samesite="lax")
        return response


# How routes name their visit.
Visitor = NamedDependency[SkipValidation[Visit]]


def local(path: str, home: str = "/account") -> str:
    """The path, if it leads to a page of ours; else `home`."""
    is_local = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_local else home


def problem_text(visit: Visit, problem: Problem) -> str:
    """A refusal in words for people, in their language."""
    facts = {"available": problem.available, "sku": problem.sku}
    known = {
        "insufficient_stock": "Only %(available)s left in stock.",
        "quantity_limit": "At most 999 of one product fit into a cart.",
        "line_limit": "A cart holds at most 100 different products.",
        "currency_mismatch": "All products in a cart must be in one currency.",
        "unknown_sku": "This product is no longer sold.",
        "catalogue_unavailable": "The catalogue is not answering just now. Please try again in a moment.",
        "cannot_undo": "This can no longer be undone.",
        "cart_busy": "Your cart is being changed elsewhere. Please try again.",
        "idempotency_in_flight": "We are still working on this. Please wait a moment.",
    }
    return visit.say(known.get(problem.code, "This could not be done."), **facts)
