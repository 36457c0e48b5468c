"""Failures as pages: in plain words, in the visitor's language, with what still works."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from litestar import Request, Response

from shopkit import errors, problems
from shopkit.errors import ShopError
from storefront.backends.answers import Refused
from storefront.forms import FormExpired
from storefront.front import Front
from storefront.visit import HTML, SignInNeeded, Visit, problem_text


def words_for(visit: Visit, error: ShopError) -> tuple[str, str]:
    """A heading and a sentence for a failure."""
    say = visit.say
    match error:
        case FormExpired():
            return say("This form is out of date"), say("Go back, reload the page and send it again.")
        case errors.NotFound():
            return say("There is nothing here"), say("The page may have moved, or the product is no longer sold.")
        case errors.Unavailable() | errors.DeadlineExceeded():
            return say("This part of the shop is not answering just now"), say(
                "Nothing of yours is lost. Please try again in a moment."
            )
        case errors.Internal():
            return say("Something went wrong on our side"), say("It has been noted. Please try again.")
        case errors.Forbidden():
            return say("This page is for staff"), say("Sign in with a staff account to see it.")
        case errors.MethodNotAllowed():
            return say("This cannot be opened by itself"), say(
                "It is where a form is sent to; begin at the first page."
            )
        case errors.TooLarge():
            return say("This is too much at once"), say("Please send less.")
        case errors.RateLimited():
            return say("Too many attempts"), say("Please wait a moment and try again.")
        case _:
            return say("This could not be done"), say("Please go back and try again.")


def writer(front: Front) -> Callable[[ShopError, Any], tuple[dict[str, str], bytes]]:
    """Writes a failure as the answer to a request."""

    def write(error: ShopError, scope: Any) -> tuple[dict[str, str], bytes]:
        visit = scope["state"].get("visit") or Visit(Request(scope), front)
        heading, words = words_for(visit, error)
        status = problems.status_of(type(error))
        template = "_fault.html" if visit.is_partial else "fault.html"
        page = visit.page(template, status=status, heading=heading, words=words, retry=status >= 500)
        headers = {
            "Content-Type": f"{HTML}; charset=utf-8",
            "Cache-Control": "no-store",
            **front.headers,
            **problems.headers_of(error),
        }
        headers.pop("WWW-Authenticate", None)
        # What the session has come to so far holds: tokens that were renewed, and the form token of this very page.
        # Names of headers know no case, so that each of the two cookies can be told.
        texts = (cookie.to_header(header="") for cookie in page.cookies)
        headers |= dict(zip(("set-cookie", "Set-Cookie"), texts, strict=False))
        if visit.is_partial:
            # The rest of the page stays as it is; what went wrong is told where notes are.
            headers |= {"HX-Retarget": "#notes", "HX-Reswap": "innerHTML", "HX-Reselect": ".note"}
        return headers, str(page.content).encode()

    return write


def ask_to_sign_in(request: Request[Any, Any, Any], needed: Exception) -> Response[str]:
    """To the sign-in page, and back again afterwards."""
    assert isinstance(needed, SignInNeeded)
    visit: Visit = request.scope["state"]["visit"]
    return visit.go(f"/sign-in?next={quote(needed.path)}")


def tell_refusal(request: Request[Any, Any, Any], refused: Exception) -> Response[str]:
    """A refusal that no page expected: a token that is good no more, a record that is gone, or our own mistake."""
    assert isinstance(refused, Refused)
    visit: Visit = request.scope["state"]["visit"]
    if refused.status == 401:
        visit.sign_out()
        visit.note(visit.say("You were signed out. Please sign in again."), kind="bad")
        return visit.go("/sign-in")
    kind = problems.KIND_OF_STATUS.get(refused.status, errors.Internal)
    if refused.status >= 500:
        kind = errors.Unavailable
    raise kind(problem_text(visit, refused.problem)) from refused
