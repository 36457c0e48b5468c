"""Login, refresh and logout on the wire."""

import asyncio
import statistics
from time import perf_counter

import httpx
import jwt
import pytest

from shopdev.clients import client_of
from users.app import create_app
from users.passwords import Passwords
from users.settings import Settings

from .conftest import PASSWORD, StoppedClock, Visitor


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_a_login_answers_tokens_and_the_user(ana: Visitor, clock: StoppedClock) -> None:
    answer = await ana.try_password(PASSWORD)
    tokens = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token", "user"}
    assert (tokens["token_type"], tokens["expires_in"], tokens["user"]["email"]) == ("Bearer", 900, ana.email)


async def test_an_access_token_says_what_the_contract_says(ana: Visitor, clock: StoppedClock) -> None:
    token = ana.tokens["access_token"]
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    keys = (await ana.client.get("/.well-known/jwks.json")).json()["keys"]
    issued = int(clock().timestamp())
    assert (header["alg"], header["typ"], header["kid"]) == ("EdDSA", "at+jwt", keys[0]["kid"])
    assert (claims["iss"], claims["aud"]) == ("https://users.trolley.example", "trolley")
    assert (claims["sub"], claims["roles"]) == (ana.tokens["user"]["id"], ["customer"])
    assert (claims["iat"], claims["exp"]) == (issued, issued + 900)
    following = jwt.decode((await ana.login()).tokens["access_token"], options={"verify_signature": False})
    assert claims["jti"] != following["jti"]


@pytest.mark.parametrize("email", ["ANA@example.test", "  ana@EXAMPLE.test "])
async def test_the_address_may_be_written_otherwise(ana: Visitor, email: str) -> None:
    await Visitor(ana.client, email).login()


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(ana: Visitor) -> None:
    wrong = await ana.try_password("something else")
    unknown = await Visitor(ana.client, "nobody@example.test").try_password(PASSWORD)
    malformed = await Visitor(ana.client, "no address").try_password(PASSWORD)
    assert problem(wrong) == (401, "invalid_credentials")
    for answer in (unknown, malformed):
        same = {**answer.json(), "instance": wrong.json()["instance"]}
        assert (answer.status_code, same) == (401, wrong.json())
        assert set(answer.headers) == set(wrong.headers)


async def test_a_wrong_password_and_an_unknown_address_take_the_same_time(
    ana: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    matches = Passwords._matches

    def watched(self: Passwords, password_hash: str, password: str) -> bool:
        verified.append(password_hash.rpartition("$")[0].rpartition("$")[0])
        return matches(self, password_hash, password)

    monkeypatch.setattr(Passwords, "_matches", watched)
    times: dict[str, list[float]] = {"ana@example.test": [], "nobody@example.test": []}
    for _ in range(9):
        for email, taken in times.items():
            started = perf_counter()
            await Visitor(ana.client, email).try_password("something else")
            taken.append(perf_counter() - started)
    # One hash each, made with the same parameters; the clock says so too, as far as a busy machine lets it.
    assert len(verified) == 18
    assert set(verified) == {"$argon2id$v=19$m=19456,t=2,p=1"}
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert 0.5 < known / unknown < 2


@pytest.mark.parametrize("email", [{"$gt": ""}, {"$ne": None}, ["ana@example.test"], None, 1])
async def test_operators_are_no_address(ana: Visitor, email: object) -> None:
    answer = await ana.client.post("/login", json={"email": email, "password": PASSWORD})
    assert problem(answer) == (422, "invalid_request")


async def test_ten_wrong_passwords_are_all_one_network_gets(ana: Visitor, clock: StoppedClock) -> None:
    answers = [await ana.try_password("wrong") for _ in range(10)]
    assert [problem(answer) for answer in answers] == [(401, "invalid_credentials")] * 10
    refused = await ana.try_password(PASSWORD)
    assert problem(refused) == (429, "rate_limited")
    assert refused.headers["retry-after"] == "60"
    assert refused.headers["ratelimit-policy"] == '"login";q=10;w=600'
    assert refused.headers["ratelimit"] == '"login";r=0;t=60'
    clock.forward(seconds=60)
    assert (await ana.try_password(PASSWORD)).status_code == 200


async def test_right_passwords_take_no_places(ana: Visitor) -> None:
    for _ in range(12):
        assert (await ana.try_password(PASSWORD)).status_code == 200


async def test_50_guesses_at_once_on_two_replicas_do_not_slip_through(store_url: str, clock: StoppedClock) -> None:
    settings = Settings(store_url=store_url, log_level="error", trusted_proxies=("127.0.0.1",))
    apps = [create_app(settings, clock=clock) for _ in range(2)]
    async with client_of(apps[0]) as one, client_of(apps[1]) as other:
        ana = await Visitor(one, "ana@example.test").register()

        async def guess(client: httpx.AsyncClient, password: str, address: str) -> int:
            body = {"email": ana.email, "password": password}
            return (await client.post("/login", json=body, headers={"X-Forwarded-For": address})).status_code

        guesses = [guess((one, other)[n % 2], f"guess {n}", "198.51.100.1") for n in range(50)]
        statuses = await asyncio.gather(*guesses)
        assert (statuses.count(401), statuses.count(429)) == (10, 40)
        # Whoever guesses shuts out only the network the guesses come from.
        assert await guess(one, PASSWORD, "198.51.100.1") == 429
        assert await guess(one, PASSWORD, "198.51.100.2") == 200


async def test_one_network_cannot_try_many_accounts(sqlite_url: str, clock: StoppedClock) -> None:
    app = create_app(Settings(store_url=sqlite_url, login_network_burst=3, log_level="error"), clock=clock)
    async with client_of(app) as client:
        answers = [await Visitor(client, f"p{n}@example.test").try_password(PASSWORD) for n in range(4)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert answers[3].headers["ratelimit-policy"] == '"login-network";q=3;w=15'


async def test_many_networks_cannot_try_one_account(sqlite_url: str, clock: StoppedClock) -> None:
    settings = Settings(
        store_url=sqlite_url, login_account_burst=3, log_level="error", trusted_proxies=("127.0.0.0/8",)
    )
    async with client_of(create_app(settings, clock=clock)) as client:
        body = {"email": "ana@example.test", "password": PASSWORD}
        sources = [{"X-Forwarded-For": f"198.51.100.{n}"} for n in range(4)]
        answers = [await client.post("/login", json=body, headers=source) for source in sources]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
        assert answers[3].headers["ratelimit-policy"] == '"login-account";q=3;w=90'


async def test_too_many_passwords_at_once_are_told_to_come_back(sqlite_url: str, clock: StoppedClock) -> None:
    settings = Settings(store_url=sqlite_url, hash_workers=1, hash_queue=1, login_burst=3, log_level="error")
    async with client_of(create_app(settings, clock=clock)) as client:
        ana = await Visitor(client, "ana@example.test").register()
        answers = await asyncio.gather(*(ana.try_password("wrong") for _ in range(3)))
        assert sorted(map(problem, answers)) == [(401, "invalid_credentials")] * 2 + [(503, "unavailable")]
        assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)
        # Who was not let in has not guessed: the place is free again.
        assert problem(await ana.try_password("wrong")) == (401, "invalid_credentials")
        assert problem(await ana.try_password("wrong")) == (429, "rate_limited")


async def test_a_hash_of_other_days_is_made_anew_at_sign_in(
    ana: Visitor, sqlite_url: str, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("users.passwords.ROUNDS", 3)
    async with client_of(create_app(Settings(store_url=sqlite_url, log_level="error"), clock=clock)) as later:
        again = await Visitor(later, ana.email).login()
        assert again.tokens["user"]["version"] == 2
        assert (await again.login()).tokens["user"]["version"] == 2


async def test_a_refresh_token_works_once(ana: Visitor) -> None:
    answer = await ana.refresh()
    tokens = answer.json()
    assert answer.status_code == 200
    assert set(tokens) == set(ana.tokens)
    assert tokens["refresh_token"] != ana.tokens["refresh_token"]
    assert answer.headers["cache-control"] == "no-store"
    assert problem(await ana.refresh()) == (401, "token_reused")


async def test_a_used_token_ends_the_whole_family_and_no_other(ana: Visitor) -> None:
    other = await Visitor(ana.client, ana.email).login()
    following = (await ana.refresh()).json()["refresh_token"]
    assert problem(await ana.refresh()) == (401, "token_reused")
    assert problem(await ana.refresh(following)) == (401, "token_reused")
    assert (await other.refresh()).status_code == 200


async def test_of_20_uses_at_once_one_wins_and_the_family_ends(store_url: str, clock: StoppedClock) -> None:
    settings = Settings(store_url=store_url, log_level="error")
    apps = [create_app(settings, clock=clock) for _ in range(2)]
    async with client_of(apps[0]) as one, client_of(apps[1]) as other:
        ana = await Visitor(one, "ana@example.test").register()
        token = ana.tokens["refresh_token"]
        calls = [(one, other)[n % 2].post("/token/refresh", json={"refresh_token": token}) for n in range(20)]
        answers = await asyncio.gather(*calls)
        assert sorted(map(problem, answers)) == [(200, "")] + [(401, "token_reused")] * 19
        winner = next(answer.json()["refresh_token"] for answer in answers if answer.status_code == 200)
        assert problem(await ana.refresh(winner)) == (401, "token_reused")


async def test_what_was_never_a_token_of_ours_is_just_not_good(ana: Visitor) -> None:
    family, secret, turn = ana.tokens["refresh_token"].split(".")
    forged = ["x", "..", f"{family}.{turn}.{secret}", f"{family}.{secret}x.{turn}", f"x{family}.{secret}.{turn}"]
    for token in forged:
        assert problem(await ana.refresh(token)) == (401, "unauthenticated")
        answer = await ana.client.post("/logout", json={"refresh_token": token})
        assert problem(answer) == (401, "unauthenticated")
    assert (await ana.refresh()).status_code == 200


async def test_a_session_ends_30_days_after_its_last_use(ana: Visitor, clock: StoppedClock) -> None:
    clock.forward(days=29)
    ana.tokens = (await ana.refresh()).json()
    clock.forward(days=29)
    ana.tokens = (await ana.refresh()).json()
    clock.forward(days=30)
    assert problem(await ana.refresh()) == (401, "unauthenticated")


async def test_a_logout_ends_the_family_and_may_be_repeated(ana: Visitor) -> None:
    used = ana.tokens["refresh_token"]
    following = (await ana.refresh()).json()["refresh_token"]
    # Any token of the family says which one is meant.
    for token in (used, following, following):
        answer = await ana.client.post("/logout", json={"refresh_token": token})
        assert (answer.status_code, answer.content) == (204, b"")
    for token in (used, following):
        assert problem(await ana.refresh(token)) == (401, "unauthenticated")


async def test_sign_ins_and_refreshes_are_counted(ana: Visitor) -> None:
    await ana.try_password("wrong")
    await ana.refresh()
    await ana.refresh()
    text = (await ana.client.get("/metrics")).text
    for line in (
        'sign_ins_total{outcome="ok"} 1.0',
        'sign_ins_total{outcome="invalid_credentials"} 1.0',
        'tokens_refreshed_total{outcome="ok"} 1.0',
        'tokens_refreshed_total{outcome="token_reused"} 1.0',
        "password_hashes_waiting 0.0",
        "conflicts_retried_total 0.0",
    ):
        assert line in text


async def test_logs_hold_no_secret_and_no_address(
    ana: Visitor, sqlite_url: str, clock: StoppedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with client_of(create_app(Settings(store_url=sqlite_url, log_level="debug"), clock=clock)) as client:
        bo = await Visitor(client, "bo@example.test").register()
        await bo.try_password("wrong password")
        await bo.refresh()
        await bo.call("GET", "/me/export")
    logged = capsys.readouterr().out
    assert '"route":"/login"' in logged
    for secret in ("bo@example", PASSWORD, "wrong password", *bo.tokens["refresh_token"].split("."), "eyJ", "argon2"):
        assert secret not in logged
