"""The routes: read the request, act, answer."""

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from litestar.types import ControllerRouterHandler
from msgspec import UNSET

from shopkit.errors import RateLimited, Unauthenticated
from shopkit.idempotency import IdempotencyInFlight, IdempotencyKeyReused, Remember, once
from shopkit.problems import raises
from shopkit.requests import KEYED, TAGGED, ShopRequest, signed_in
from shopkit.values import Clock
from users.account import Address, EmailTaken, InvalidCredentials, User, renamed, require_good_password, with_password
from users.counts import Counts, counted
from users.passwords import Passwords, common_passwords
from users.races import until_kept
from users.register import Registration
from users.schemas import (
    ExportOut,
    Jwk,
    KeySetOut,
    LoginIn,
    PasswordIn,
    RefreshIn,
    RegisterIn,
    RemovalIn,
    SessionOut,
    TokensOut,
    UserOut,
    UserPatch,
)
from users.session import Device, TokenReused
from users.sign_in import SignIn
from users.signing import Keyring
from users.store import UserStore

Store = NamedDependency[SkipValidation[UserStore]]
Register = NamedDependency[SkipValidation[Registration]]
Desk = NamedDependency[SkipValidation[SignIn]]
Hashes = NamedDependency[SkipValidation[Passwords]]
Keys = NamedDependency[SkipValidation[Keyring]]
Tally = NamedDependency[SkipValidation[Counts]]
Time = NamedDependency[SkipValidation[Clock]]

SECRET = {"Cache-Control": "no-store"}
# A browser may keep what is about its user, but asks each time whether it is still so.
PERSONAL = {"Cache-Control": "private, no-cache"}
ELSEWHERE = "The carts service holds the cart of this user id. The products service holds nothing about users."


@post(
    "/register",
    opt=KEYED,
    responses=raises(EmailTaken, RateLimited, IdempotencyInFlight, IdempotencyKeyReused),
    summary="Make an account",
)
async def register(
    request: ShopRequest, data: JSONBody[RegisterIn], registration: Register, store: Store, counts: Tally, clock: Time
) -> Response[UserOut]:
    """Makes a customer's account. The mail address must not have one yet, however it is written."""

    async def work(remember: Remember) -> Response[UserOut]:
        with counted(counts.registrations):
            user = await registration.draft(data.email, data.password, data.name, request.address)
            headers = {"Location": request.location("/me")}
            answer = request.answer(UserOut.of(user), status=201, tag=str(user.version), headers=headers)
            await store.add(user, remember(answer))
            return answer

    return await once(request, store, clock, f"anonymous {request.address}", work)


@post("/login", status_code=200, responses=raises(InvalidCredentials, RateLimited), summary="Sign in")
async def login(request: ShopRequest, data: JSONBody[LoginIn], sign_in: Desk) -> Response[TokensOut]:
    """Opens a session. The answer, and the time it takes, are the same for a wrong password and an unknown address."""
    device = Device(request.headers.get("user-agent", ""), request.address)
    tokens = TokensOut.of(await sign_in.login(data.email, data.password, device))
    return request.answer(tokens, headers=SECRET)


@post(
    "/token/refresh",
    status_code=200,
    responses=raises(TokenReused, Unauthenticated),
    summary="Get the next tokens of a sign-in",
)
async def refresh_token(request: ShopRequest, data: JSONBody[RefreshIn], sign_in: Desk) -> Response[TokensOut]:
    """Each refresh token works once; using one again ends its sign-in, because it is in two hands."""
    return request.answer(TokensOut.of(await sign_in.refresh(data.refresh_token)), headers=SECRET)


@post("/logout", status_code=204, responses=raises(Unauthenticated), summary="Sign out")
async def logout(data: JSONBody[RefreshIn], sign_in: Desk) -> None:
    """Ends the session of this refresh token; ending it again is no fault."""
    await sign_in.logout(data.refresh_token)


@get("/me", before_request=signed_in, opt=TAGGED, summary="The caller")
async def show_me(request: ShopRequest, store: Store) -> Response[UserOut]:
    """The caller's account."""
    return answer_user(request, await account_of(request, store))


@patch("/me", before_request=signed_in, opt=TAGGED, summary="Change the caller's name")
async def change_me(
    request: ShopRequest, data: JSONBody[UserPatch], store: Store, counts: Tally, clock: Time
) -> Response[UserOut]:
    """Changes what is named, as a JSON Merge Patch."""

    async def change() -> Response[UserOut]:
        user = await account_of(request, store)
        require_version(request, user)
        changed = user if data.name is UNSET else renamed(user, data.name, clock())
        if changed is not user:
            await store.save(changed)
        return answer_user(request, changed)

    return await until_kept(change, counts)


@post(
    "/me/password",
    status_code=204,
    before_request=signed_in,
    opt=TAGGED,
    responses=raises(Unauthenticated, InvalidCredentials, RateLimited),
    summary="Change the password",
)
async def change_password(
    request: ShopRequest,
    data: JSONBody[PasswordIn],
    store: Store,
    sign_in: Desk,
    passwords: Hashes,
    counts: Tally,
    clock: Time,
) -> None:
    """Ends all other sessions of the account. Wrong passwords count as failed sign-ins."""

    async def change() -> None:
        user = await account_of(request, store)
        require_version(request, user)
        address = Address(user.email, user.email_key)
        password = require_good_password(data.new_password, address, common_passwords(), "#/new_password")
        await sign_in.confirm(user, user.email_key, data.current_password, request.address)
        changed = with_password(user, await passwords.hash(password), clock())
        await store.save_password(changed, request.caller.session)

    await until_kept(change, counts)


@get("/me/export", before_request=signed_in, summary="Everything held about the caller")
async def export_me(request: ShopRequest, store: Store) -> Response[ExportOut]:
    """The account and its open sessions, and where else something may be held."""
    user = await account_of(request, store)
    sessions = [SessionOut.of(session) for session in await store.open_sessions(user.id)]
    return request.answer(ExportOut(UserOut.of(user), sessions, ELSEWHERE), headers=SECRET)


@delete(
    "/me",
    status_code=204,
    before_request=signed_in,
    opt=TAGGED,
    responses=raises(Unauthenticated, InvalidCredentials, RateLimited),
    summary="Delete the account",
)
async def remove_me(
    request: ShopRequest, data: JSONBody[RemovalIn], store: Store, sign_in: Desk, counts: Tally
) -> None:
    """Forgets the account and its sessions; the mail address is free again."""

    async def change() -> None:
        user = await account_of(request, store)
        require_version(request, user)
        await sign_in.confirm(user, user.email_key, data.password, request.address)
        await store.remove(user)

    await until_kept(change, counts)


@get("/.well-known/jwks.json", summary="The public keys of access tokens")
async def show_keys(request: ShopRequest, keyring: Keys) -> Response[KeySetOut]:
    """The keys whose tokens are good now; after a rotation the former one stays until its last token has expired."""
    keys = msgspec.convert(await keyring.key_set(), list[Jwk])
    return request.answer(KeySetOut(keys), headers={"Cache-Control": "public, max-age=300"})


async def account_of(request: ShopRequest, store: UserStore) -> User:
    """The caller's account; Unauthenticated if it has been deleted since the token was given out."""
    user = await store.find(request.caller.id)
    if user is None:
        raise Unauthenticated("The account of this access token is gone.")
    return user


def require_version(request: ShopRequest, user: User) -> None:
    """If-Match."""
    request.require_version(user.version, current=UserOut.of(user))


def answer_user(request: ShopRequest, user: User) -> Response[UserOut]:
    """A user, with its tag."""
    return request.answer(UserOut.of(user), tag=str(user.version), headers=PERSONAL)


HANDLERS: list[ControllerRouterHandler] = [
    register,
    login,
    refresh_token,
    logout,
    show_me,
    change_me,
    change_password,
    export_me,
    remove_me,
    show_keys,
]
