"""Registering, signing in and out, and one's account."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.params import QueryParameter
from msgspec.structs import replace

from shopkit.errors import Unavailable
from storefront.backends.answers import Refused
from storefront.backends.users import User
from storefront.forms import Form, key_of
from storefront.merging import take_cart_along
from storefront.renewal import person_of
from storefront.visit import Visit, Visitor, local

Next = Annotated[str, QueryParameter(name="next")]


@get("/sign-in")
async def show_sign_in(visit: Visitor, next_path: Next = "") -> Response[str]:
    """The form to sign in."""
    if visit.session.person is not None:
        return visit.go(local(next_path, _home(visit)))
    return visit.page("sign_in.html", form=Form(), next=local(next_path, ""))


@post("/sign-in", status_code=200)
async def sign_in(visit: Visitor) -> Response[str]:
    """Signs in, and takes the guest's cart along."""
    fields = await visit.form()
    form = Form.typed(fields)
    try:
        await _sign_in(visit, str(fields.get("email", "")), str(fields.get("password", "")))
    except (Refused, Unavailable) as failure:
        _refuse(visit, form, failure)
        next_path = local(str(fields.get("next", "")), "")
        return visit.page("sign_in.html", status=_status(failure), form=form, next=next_path)
    return visit.go(local(str(fields.get("next", "")), _home(visit)))


@get("/register")
async def show_register(visit: Visitor, next_path: Next = "/account") -> Response[str]:
    """The form to make an account."""
    if visit.session.person is not None:
        return visit.go(local(next_path))
    return visit.page("register.html", form=Form(), next=local(next_path), same="")


@post("/register", status_code=200)
async def register(visit: Visitor) -> Response[str]:
    """Makes an account and signs in."""
    fields = await visit.form()
    form, next_path = Form.typed(fields), local(str(fields.get("next", "")))
    email, password, name = (str(fields.get(field, "")) for field in ("email", "password", "name"))
    key = key_of(str(fields.get("once", "")), email)
    try:
        await visit.front.users.register(email, password, name, address=visit.address, key=key)
        await _sign_in(visit, email, password)
    except (Refused, Unavailable) as failure:
        _refuse(visit, form, failure)
        # The account may be made already: sent again, the same form goes on from there.
        same = str(fields.get("once", "")) if isinstance(failure, Unavailable) else ""
        return visit.page("register.html", status=_status(failure), form=form, next=next_path, same=same)
    return visit.go(next_path)


@post("/sign-out", status_code=200)
async def sign_out(visit: Visitor) -> Response[str]:
    """Signs out here; the account's cart waits for the next sign-in."""
    await visit.form()
    person = visit.session.person
    if person is not None:
        # Should it fail: the tokens end by themselves, and this browser has forgotten them in any case.
        with suppress(Refused, Unavailable):
            await visit.front.users.logout(person.refresh_token)
        visit.sign_out()
        visit.note(visit.say("You are signed out."))
    return visit.go("/")


@get("/account")
async def show_account(visit: Visitor) -> Response[str]:
    """The account."""
    person = await visit.person()
    user = await visit.front.users.me(person.access_token)
    return _account(visit, user)


@post("/account/name", status_code=200)
async def change_name(visit: Visitor) -> Response[str]:
    """Changes one's name."""
    person, fields = await visit.person(), await visit.form()
    form = Form.typed(fields)
    try:
        user = await visit.front.users.rename(person.access_token, form.values.get("name", ""))
    except Refused as refused:
        return await _account_again(visit, refused, name_form=form)
    visit.keep(person=replace(person, name=user.name))
    visit.note(visit.say("Your name is saved."))
    return visit.go("/account")


@post("/account/password", status_code=200)
async def change_password(visit: Visitor) -> Response[str]:
    """Changes one's password."""
    person, fields = await visit.person(), await visit.form()
    current, new = str(fields.get("current_password", "")), str(fields.get("new_password", ""))
    try:
        await visit.front.users.change_password(person.access_token, current, new, address=visit.address)
    except Refused as refused:
        return await _account_again(visit, refused, password_form=Form())
    visit.note(visit.say("Your password is changed; everywhere else you are signed out within a quarter of an hour."))
    return visit.go("/account")


@get("/account/export")
async def export_account(visit: Visitor) -> Response[str]:
    """Everything held about the account, as a file."""
    person = await visit.person()
    content: dict[str, Any] = {"account": await visit.front.users.export(person.access_token)}
    try:
        cart = await visit.cart()
    except Unavailable:
        content["cart"] = visit.say("The cart could not be read just now.")
    else:
        content["cart"] = [{"sku": line.sku, "quantity": line.quantity} for line in cart.lines] if cart else []
    headers = {"Content-Disposition": 'attachment; filename="account.json"', "Cache-Control": "no-store"}
    text = json.dumps(content, ensure_ascii=False, indent=2)
    return visit.answer(Response(text, media_type="application/json", headers=headers))


@post("/account/delete", status_code=200)
async def delete_account(visit: Visitor) -> Response[str]:
    """Deletes the account."""
    person, fields = await visit.person(), await visit.form()
    try:
        await visit.front.users.remove(person.access_token, str(fields.get("password", "")), address=visit.address)
    except Refused as refused:
        if refused.status != 401 or refused.code == "invalid_credentials":
            return await _account_again(visit, refused, delete_form=Form())
        # The account may be gone: the call is repeated where its answer is lost.
        visit.sign_out()
        text = "You are signed out. If you can still sign in, your account is not deleted yet."
        visit.note(visit.say(text), kind="bad")
        return visit.go("/")
    visit.sign_out()
    visit.note(visit.say("Your account is deleted."))
    return visit.go("/")


def _home(visit: Visit) -> str:
    """Where those who sign in without a place to go to are at home."""
    person = visit.session.person
    return "/admin" if person and person.is_staff else "/account"


async def _sign_in(visit: Visit, email: str, password: str) -> None:
    device = visit.request.headers.get("user-agent", "")
    tokens = await visit.front.users.login(email, password, address=visit.address, device=device)
    visit.sign_in(person_of(tokens, visit.front.clock().timestamp()))
    try:
        await take_cart_along(visit)
        await visit.cart()
    except (Refused, Unavailable):
        # The sign-in stands, whatever becomes of the cart.
        return


def _account(visit: Visit, user: User, status: int = 200, **forms: Form) -> Response[str]:
    given: dict[str, Any] = {
        "name_form": Form({"name": user.name}),
        "password_form": Form(),
        "delete_form": Form(),
        **forms,
    }
    return visit.page("account.html", status=status, private=True, user=user, **given)


async def _account_again(visit: Visit, refused: Refused, **forms: Form) -> Response[str]:
    """The account with what was wrong about one of its forms."""
    if refused.status == 401 and refused.code != "invalid_credentials":
        raise refused
    for form in forms.values():
        _refuse(visit, form, refused)
    user = await visit.front.users.me((await visit.person()).access_token)
    return _account(visit, user, refused.status if refused.status != 401 else 422, **forms)


def _refuse(visit: Visit, form: Form, failure: Refused | Unavailable) -> None:
    if isinstance(failure, Unavailable):
        form.fault = visit.say("Accounts are not to be reached just now. Please try again in a moment.")
        return
    minutes = max(1, round(failure.retry_after / 60))
    words: Mapping[str, str] = {
        "invalid_credentials": visit.say("The mail address or the password is wrong."),
        "email_taken": visit.say("There is an account with this mail address already."),
        "rate_limited": visit.say("Too many attempts. Please wait %(minutes)s min and try again.", minutes=minutes),
    }
    form.refuse(failure.problem, lambda detail: _told(visit, detail), words, visit.say("This could not be done."))
    # Each of these has but one rule, and users tells it in its own words.
    if "email" in form.faults:
        form.faults["email"] = visit.say("Enter a mail address such as ada@example.com.")
    if "name" in form.faults:
        form.faults["name"] = visit.say("A name has at most 200 characters.")


def _told(visit: Visit, detail: str) -> str:
    """What users says of a password, in the visitor's language."""
    known = {
        "A password has at least 8 characters.": "A password has at least 8 characters.",
        "A password has at most 256 characters.": "A password has at most 256 characters.",
        "The password must not be the mail address.": "The password must not be the mail address.",
        "This password is one of the commonly used ones.": "This password is one that many people use.",
    }
    return visit.say(known.get(detail, "This password cannot be used."))


def _status(failure: Refused | Unavailable) -> int:
    """A refused form is 422 in the browser's eyes; 401 would ask for another kind of sign-in."""
    if isinstance(failure, Unavailable):
        return 503
    return failure.status if failure.status in {409, 429} else 422
