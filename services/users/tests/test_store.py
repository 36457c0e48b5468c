"""The contract of accounts: what `users.store` promises, of every store, races included."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from shopkit.errors import RecordChanged, Unavailable
from shopkit.idempotency import Replay, ReplayExists
from shopkit.metrics import Metrics
from users.account import EmailTaken, User, granted, renamed, with_password
from users.store import UserStore
from users.stores import open_store

MakeUser = Callable[[str], User]


async def outcomes(*calls: object) -> list[str]:
    """How each of the calls ended that were made at once: ok, or the name of what was raised."""
    results = await asyncio.gather(*calls, return_exceptions=True)  # type: ignore[call-overload]
    return sorted("ok" if result is None else type(result).__name__ for result in results)


async def test_a_user_comes_back_as_kept(store: UserStore, make_user: MakeUser) -> None:
    user = msgspec.structs.replace(make_user("ana@example.test"), name="$set.\U0001f642 \"'; DROP", roles=("a", "b"))
    await store.add(user)
    assert await store.find(user.id) == user
    assert await store.find_by_address("ana@example.test") == user


@pytest.mark.parametrize("text", ["nobody", "", '{"$gt": ""}', "$ne", "' OR 1=1 --", "x" * 2000])
async def test_what_is_not_there_is_none(store: UserStore, make_user: MakeUser, text: str) -> None:
    await store.add(make_user("ana@example.test"))
    assert await store.find(text) is None
    assert await store.find_by_address(text) is None
    assert await store.find_session(text) is None


async def test_an_address_has_one_account(store: UserStore, make_user: MakeUser) -> None:
    first = make_user("ana@example.test")
    await store.add(first)
    with pytest.raises(EmailTaken):
        await store.add(make_user("ANA@example.test"))
    assert await store.find_by_address("ana@example.test") == first


async def test_of_20_registrations_of_one_address_at_once_one_wins(store: UserStore, make_user: MakeUser) -> None:
    users = [make_user("ana@example.test") for _ in range(20)]
    assert await outcomes(*map(store.add, users)) == ["EmailTaken"] * 19 + ["ok"]
    kept = [user for user in users if await store.find(user.id)]
    assert [await store.find_by_address("ana@example.test")] == kept


async def test_registrations_with_a_key_race_as_well(
    store: UserStore, make_user: MakeUser, clock: Callable[..., object]
) -> None:
    moment = make_user("x@example.test").created_at + timedelta(hours=1)
    calls = [store.add(make_user("ana@example.test"), Replay(f"{n}", "f", b"a", moment)) for n in range(10)]
    assert await outcomes(*calls) == ["EmailTaken"] * 9 + ["ok"]
    assert len([n for n in range(10) if await store.find_replay(f"{n}")]) == 1


async def test_an_answer_is_kept_with_its_account_or_not_at_all(store: UserStore, make_user: MakeUser) -> None:
    ana, bo = make_user("ana@example.test"), make_user("bo@example.test")
    replay = Replay("key", "fingerprint", b"\x00answer", ana.created_at + timedelta(hours=24))
    await store.add(ana, replay)
    assert await store.find_replay("key") == replay
    with pytest.raises(ReplayExists):
        await store.add(bo, replay)
    assert await store.find(bo.id) is None
    with pytest.raises(EmailTaken):
        await store.add(make_user("ana@example.test"), msgspec.structs.replace(replay, id="other"))
    assert await store.find_replay("other") is None


async def test_an_expired_answer_is_forgotten(store: UserStore, make_user: MakeUser) -> None:
    ana = make_user("ana@example.test")
    await store.add(ana, Replay("key", "fingerprint", b"answer", ana.created_at))
    assert await store.find_replay("key") is None


async def test_a_change_is_kept(store: UserStore, make_user: MakeUser) -> None:
    user = make_user("ana@example.test")
    await store.add(user)
    changed = granted(renamed(user, "Ana", user.created_at), "staff", user.created_at)
    with pytest.raises(RecordChanged):
        await store.save(changed)
    await store.save(renamed(user, "Ana", user.created_at))
    await store.save(changed)
    assert await store.find(user.id) == changed
    assert await store.find_by_address("ana@example.test") == changed


async def test_of_20_changes_of_one_version_one_wins(store: UserStore, make_user: MakeUser) -> None:
    user = make_user("ana@example.test")
    await store.add(user)
    calls = [store.save(renamed(user, f"Ana {n}", user.created_at)) for n in range(20)]
    assert await outcomes(*calls) == ["RecordChanged"] * 19 + ["ok"]


async def test_20_writers_that_try_again_lose_nothing(store: UserStore, make_user: MakeUser) -> None:
    user = make_user("ana@example.test")
    await store.add(user)

    async def append(letter: str) -> None:
        while True:
            found = await store.find(user.id)
            assert found is not None
            try:
                return await store.save(renamed(found, found.name + letter, found.updated_at))
            except RecordChanged:
                pass

    await asyncio.gather(*(append(letter) for letter in "abcdefghijklmnopqrst"))
    found = await store.find(user.id)
    assert found is not None
    assert (sorted(found.name), found.version) == (list("abcdefghijklmnopqrst"), 21)


async def test_a_user_that_is_not_there_cannot_be_changed_or_removed(store: UserStore, make_user: MakeUser) -> None:
    user = make_user("ana@example.test")
    for call in (
        store.save(renamed(user, "Ana", user.created_at)),
        store.save_password(with_password(user, "hash", user.created_at), None),
        store.remove(user),
    ):
        with pytest.raises(RecordChanged):
            await call


async def test_a_removed_user_is_gone_and_the_address_is_free(store: UserStore, make_user: MakeUser) -> None:
    user = make_user("ana@example.test")
    await store.add(user)
    with pytest.raises(RecordChanged):
        await store.remove(renamed(user, "Ana", user.created_at))
    await store.remove(user)
    assert await store.find(user.id) is None
    assert await store.find_by_address("ana@example.test") is None
    await store.add(make_user("ana@example.test"))


async def test_a_store_keeps_all_of_it_when_closed(
    store: UserStore, store_url: str, make_user: MakeUser, clock: Callable[..., object]
) -> None:
    user = make_user("ana@example.test")
    await store.add(user)
    await store.close()
    again = open_store(store_url, Metrics("users", "again"), clock)  # type: ignore[arg-type]
    await again.prepare()
    assert await again.find(user.id) == user
    await again.close()


async def test_two_replicas_prepare_one_database_at_once(store_url: str, make_user: MakeUser) -> None:
    user = make_user("ana@example.test")
    replicas = [open_store(store_url, Metrics("users", "test"), lambda: user.created_at) for _ in range(2)]
    await asyncio.gather(*(replica.prepare() for replica in replicas))
    await asyncio.gather(*(replica.ping() for replica in replicas))
    await replicas[0].add(user)
    assert await replicas[1].find(user.id) == user
    for replica in replicas:
        await replica.close()


@pytest.mark.parametrize("url", ["sqlite:////dev/null/users.db", "mongodb://127.0.0.1:9/users"])
async def test_a_store_that_cannot_be_had_says_so(url: str, make_user: MakeUser) -> None:
    user = make_user("ana@example.test")
    store = open_store(url, Metrics("users", "test"), lambda: user.created_at)
    for call in (store.find, store.find_by_address, store.find_session):
        with pytest.raises(Unavailable):
            await call("x")
    with pytest.raises(Unavailable):
        await store.prepare() if url.startswith("sqlite") else await store.ping()
    with pytest.raises(Unavailable):
        await store.add(user)
    await store.close()
