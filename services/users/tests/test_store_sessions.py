"""The contract of sessions, limits and keys: what `users.store` promises, of every store, races included."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from shopkit.errors import RateLimited, RecordChanged
from shopkit.metrics import Metrics
from users.account import User, renamed, with_password
from users.limits import Bucket, Limit
from users.session import Device, RefreshToken, Session, new_session, turned
from users.signing import new_key
from users.store import UserStore
from users.stores import open_store

MONTH = timedelta(days=30)
DEVICE = Device("curl/8", "192.0.2.1")
TIGHT = Bucket.of(Limit("login", 3, timedelta(seconds=60)), "ana", "192.0.2.1")
WIDE = Bucket.of(Limit("login-network", 5, timedelta(seconds=5)), "192.0.2.1")

Opened = tuple[Session, RefreshToken]
OpenSession = Callable[[User], Opened]


async def count(error: type[Exception], *calls: Any) -> int:
    """How many of the calls, made at once, raised that; the others must have succeeded."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    unexpected = [result for result in results if isinstance(result, Exception) and not isinstance(result, error)]
    assert unexpected == []
    return sum(isinstance(result, error) for result in results)


@pytest.fixture
async def ana(store: UserStore, make_user: Callable[[str], User]) -> User:
    user = make_user("ana@example.test")
    await store.add(user)
    return user


@pytest.fixture
async def other_replica(store: UserStore, store_url: str, clock: Callable[[], datetime]) -> AsyncIterator[UserStore]:
    opened = open_store(store_url, Metrics("users", "test"), clock)
    await opened.prepare()
    yield opened
    await opened.close()


def opened(user: User) -> Opened:
    return new_session(user.id, DEVICE, user.created_at, MONTH)


async def test_a_session_comes_back_as_kept(store: UserStore, ana: User) -> None:
    session, _ = new_session(ana.id, Device("$\U0001f642'\"", "2001:db8::1"), ana.created_at, MONTH)
    await store.add_session(session, ana)
    assert await store.find_session(session.id) == session
    assert await store.open_sessions(ana.id) == [session]


async def test_an_expired_session_is_gone(store: UserStore, ana: User, clock: Any) -> None:
    session, _ = opened(ana)
    await store.add_session(session, ana)
    clock.moment = session.expires_at - timedelta(milliseconds=1)
    assert await store.find_session(session.id) == session
    clock.moment = session.expires_at
    assert await store.find_session(session.id) is None
    assert await store.open_sessions(ana.id) == []


async def test_an_account_that_changed_meanwhile_opens_no_session(store: UserStore, ana: User) -> None:
    session, _ = opened(ana)
    await store.save(renamed(ana, "Ana", ana.created_at))
    with pytest.raises(RecordChanged):
        await store.add_session(session, ana)
    assert await store.find_session(session.id) is None


async def test_a_removed_account_opens_no_session_and_leaves_none(store: UserStore, ana: User) -> None:
    session, _ = opened(ana)
    await store.add_session(session, ana)
    await store.remove(ana)
    assert await store.find_session(session.id) is None
    with pytest.raises(RecordChanged):
        await store.add_session(opened(ana)[0], ana)


async def test_sign_ins_at_once_all_succeed(store: UserStore, ana: User) -> None:
    sessions = [opened(ana)[0] for _ in range(10)]
    await asyncio.gather(*(store.add_session(session, ana) for session in sessions))
    assert await store.open_sessions(ana.id) == sorted(sessions, key=lambda session: session.id)


async def test_no_session_outlives_a_password_that_changes_at_that_moment(store: UserStore, ana: User) -> None:
    for _ in range(5):
        changed = with_password(ana, "other", ana.created_at)
        sessions = [opened(ana)[0] for _ in range(5)]
        calls = [store.add_session(session, ana) for session in sessions]
        await asyncio.gather(*calls[:2], store.save_password(changed, None), *calls[2:], return_exceptions=True)
        ana = changed
        assert await store.find(ana.id) == ana
        assert await store.open_sessions(ana.id) == []


async def test_a_new_password_closes_all_sessions_but_the_one_named(
    store: UserStore, ana: User, make_user: Callable[[str], User]
) -> None:
    bo = make_user("bo@example.test")
    await store.add(bo)
    (mine, _), (other, _), (reused, _), (foreign, _) = opened(ana), opened(ana), opened(ana), opened(bo)
    for session, user in ((mine, ana), (other, ana), (reused, ana), (foreign, bo)):
        await store.add_session(session, user)
    await store.end_session(reused.id, "reused")
    await store.save_password(with_password(ana, "other", ana.created_at), mine.id)
    endings = [(await found(store, session)).ended for session in (mine, other, reused, foreign)]
    assert endings == [None, "closed", "reused", None]


async def found(store: UserStore, session: Session) -> Session:
    kept = await store.find_session(session.id)
    assert kept is not None
    return kept


async def test_a_password_that_cannot_be_saved_closes_nothing(store: UserStore, ana: User) -> None:
    session, _ = opened(ana)
    await store.add_session(session, ana)
    await store.save(renamed(ana, "Ana", ana.created_at))
    with pytest.raises(RecordChanged):
        await store.save_password(with_password(ana, "other", ana.created_at), None)
    assert (await found(store, session)).ended is None


async def test_a_session_is_turned_by_one_of_20_at_once(store: UserStore, other_replica: UserStore, ana: User) -> None:
    session, token = opened(ana)
    await store.add_session(session, ana)
    uses = [turned(session, token, ana.created_at, MONTH)[0] for _ in range(20)]
    calls = [(store, other_replica)[n % 2].turn_session(use, session.turn_hash) for n, use in enumerate(uses)]
    assert await count(RecordChanged, *calls) == 19
    assert (await found(store, session)) in uses


async def test_an_ended_or_missing_session_is_not_turned(store: UserStore, ana: User) -> None:
    session, token = opened(ana)
    used, _ = turned(session, token, ana.created_at, MONTH)
    with pytest.raises(RecordChanged):
        await store.turn_session(used, session.turn_hash)
    await store.add_session(session, ana)
    await store.end_session(session.id, "closed")
    with pytest.raises(RecordChanged):
        await store.turn_session(used, session.turn_hash)


async def test_a_session_ends_once_and_stays_ended_that_way(store: UserStore, ana: User) -> None:
    session, _ = opened(ana)
    await store.end_session(session.id, "closed")
    await store.add_session(session, ana)
    await store.end_session(session.id, "closed")
    await store.end_session(session.id, "reused")
    assert (await found(store, session)).ended == "closed"
    assert await store.open_sessions(ana.id) == []


async def test_50_guesses_on_two_replicas_at_once_get_the_burst(
    store: UserStore, other_replica: UserStore, clock: Any
) -> None:
    calls = [(store, other_replica)[n % 2].take([TIGHT], clock()) for n in range(50)]
    assert await count(RateLimited, *calls) == 47
    clock.forward(seconds=60)
    assert await count(RateLimited, *(store.take([TIGHT], clock()) for _ in range(5))) == 4


async def test_a_refusal_takes_no_place_anywhere(store: UserStore, clock: Any) -> None:
    for _ in range(3):
        await store.take([TIGHT], clock())
    for _ in range(10):
        with pytest.raises(RateLimited) as caught:
            await store.take([WIDE, TIGHT], clock())
        assert caught.value.retry_after == 60
    assert await count(RateLimited, *(store.take([WIDE], clock()) for _ in range(6))) == 1


async def test_a_place_given_back_can_be_taken_again(store: UserStore, clock: Any) -> None:
    for _ in range(20):
        await store.take([WIDE, TIGHT], clock())
        await store.give_back([WIDE, TIGHT])
    assert await count(RateLimited, *(store.take([TIGHT], clock()) for _ in range(4))) == 1
    clock.forward(days=1)
    await store.give_back([TIGHT])
    assert await count(RateLimited, *(store.take([TIGHT], clock()) for _ in range(5))) == 2


async def test_keys_come_in_the_order_of_their_numbers(store: UserStore, clock: Any) -> None:
    keys = [new_key(number, clock()) for number in range(1, 13)]
    for key in reversed(keys):
        await store.add_key(key)
    assert await store.signing_keys() == keys
    await store.drop_keys(before=11)
    assert await store.signing_keys() == keys[10:]


async def test_of_two_first_keys_one_is_kept(store: UserStore, other_replica: UserStore, clock: Any) -> None:
    keys = [new_key(1, clock()) for _ in range(10)]
    calls = [(store, other_replica)[n % 2].add_key(key) for n, key in enumerate(keys)]
    assert await count(RecordChanged, *calls) == 9
    assert (await store.signing_keys())[0] in keys
