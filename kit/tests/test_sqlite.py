"""SQLite as a store: what is acknowledged is durable, and one failure takes back nothing but itself."""

import asyncio
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkit.errors import Unavailable
from shopkit.idempotency import KEPT, Replay, ReplayExists
from shopkit.metrics import Metrics
from shopkit.sqlite import (
    BATCH_BYTES_MAX,
    REPLAYS,
    Sqlite,
    find_replay,
    from_milliseconds,
    is_duplicate,
    keep_replay,
    to_milliseconds,
)

SCHEMA = "CREATE TABLE things (name TEXT PRIMARY KEY) WITHOUT ROWID"
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class NameTaken(Exception):
    pass


def adding(name: str) -> Callable[[sqlite3.Connection], str]:
    def work(connection: sqlite3.Connection) -> str:
        try:
            connection.execute("INSERT INTO things VALUES (?)", (name,))
        except sqlite3.IntegrityError as error:
            raise NameTaken(is_duplicate(error, "things.name"), is_duplicate(error, "things.size")) from error
        return name

    return work


def names(database: Sqlite) -> list[str]:
    return [name for (name,) in database.read("names", "SELECT name FROM things ORDER BY name")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "store.db"


@pytest.fixture
async def database(path: Path, metrics: Metrics) -> AsyncIterator[Sqlite]:
    opened = Sqlite(str(path), [REPLAYS, SCHEMA], metrics)
    await opened.prepare()
    yield opened
    await opened.close()


async def test_what_was_acknowledged_is_there_after_a_reopening(path: Path, metrics: Metrics) -> None:
    for name in ("a", "b"):
        database = Sqlite(str(path), [REPLAYS, SCHEMA], metrics)
        await database.prepare()
        assert await database.write("add", adding(name)) == name
        await database.close()
    database = Sqlite(str(path), [REPLAYS, SCHEMA], metrics)
    await database.prepare()
    assert names(database) == ["a", "b"]
    await database.close()


async def test_closing_commits_what_waits(path: Path, metrics: Metrics) -> None:
    database = Sqlite(str(path), [REPLAYS, SCHEMA], metrics)
    await database.prepare()
    writes = [asyncio.create_task(database.write("add", adding(str(n)))) for n in range(5)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writes)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (5,)
    connection.close()


async def test_six_hundred_writes_at_once_share_few_commits(database: Sqlite) -> None:
    commits: list[str] = []
    assert database._writer is not None
    database._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    done = await asyncio.gather(*(database.write("add", adding(f"{n:03}")) for n in range(600)))
    assert names(database) == sorted(done) == [f"{n:03}" for n in range(600)]
    assert len(commits) == 3


async def test_large_writes_share_no_commit_that_would_be_too_large(database: Sqlite) -> None:
    commits: list[str] = []
    assert database._writer is not None
    database._writer.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    sizes = [BATCH_BYTES_MAX // 2] * 4 + [BATCH_BYTES_MAX * 2, 1]
    await asyncio.gather(*(database.write("add", adding(str(n)), size) for n, size in enumerate(sizes)))
    assert names(database) == list("012345")
    assert len(commits) == 4


async def test_a_failing_write_takes_back_only_itself(database: Sqlite) -> None:
    def fails_half_way(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO things VALUES ('half')")
        raise KeyError("changed its mind")

    works = [adding("a"), fails_half_way, adding("b"), adding("a"), adding("c")]
    outcomes = await asyncio.gather(*(database.write("add", work) for work in works), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [str, KeyError, str, NameTaken, str]
    assert repr(outcomes[3]) == "NameTaken(True, False)"
    assert names(database) == ["a", "b", "c"]


async def test_a_caller_that_leaves_loses_neither_its_write_nor_others(database: Sqlite) -> None:
    hold, entered = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        entered.set()
        assert hold.wait(10)
        connection.execute("INSERT INTO things VALUES ('slow')")

    left = asyncio.create_task(database.write("slow", slow))
    await asyncio.to_thread(entered.wait, 10)
    also_left = asyncio.create_task(database.write("add", adding("queued")))
    stays = asyncio.create_task(database.write("add", adding("stays")))
    await asyncio.sleep(0)
    left.cancel()
    also_left.cancel()
    hold.set()
    assert await stays == "stays"
    for task in (left, also_left):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert names(database) == ["queued", "slow", "stays"]


async def test_a_write_is_answered_only_when_others_can_read_it(database: Sqlite, path: Path) -> None:
    other = sqlite3.connect(path)
    for n in range(20):
        await database.write("add", adding(f"{n:02}"))
        assert other.execute("SELECT count(*) FROM things").fetchone() == (n + 1,)
    other.close()


async def test_a_lock_held_too_long_is_unavailable_and_passes(database: Sqlite, path: Path) -> None:
    assert database._writer is not None
    database._writer.execute("PRAGMA busy_timeout = 20")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(*(database.write("add", adding(n)) for n in "ab"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    other.execute("ROLLBACK")
    other.close()
    assert await database.write("add", adding("a")) == "a"
    assert names(database) == ["a"]


async def test_two_replicas_write_side_by_side(database: Sqlite, path: Path, metrics: Metrics) -> None:
    other = Sqlite(str(path), [REPLAYS, SCHEMA], metrics)
    await other.prepare()
    pairs = (("a", database), ("b", other))
    writes = [store.write("add", adding(f"{who}{n}")) for n in range(50) for who, store in pairs]
    assert len(set(await asyncio.gather(*writes))) == 100
    assert names(database) == names(other)
    await other.close()


async def test_a_scan_sees_what_is_written_and_does_not_hold_up_the_loop(database: Sqlite) -> None:
    await database.write("add", adding("a"))
    hold = threading.Event()

    def long_one(connection: sqlite3.Connection) -> list[tuple[str]]:
        assert hold.wait(10)
        return connection.execute("SELECT name FROM things").fetchall()

    scan = asyncio.create_task(database.scan("long", long_one))
    await database.write("add", adding("b"))
    hold.set()
    assert await scan == [("a",), ("b",)]


async def test_only_its_owner_may_read_the_files(database: Sqlite, path: Path) -> None:
    await database.write("add", adding("a"))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm"), 0o600)


async def test_nothing_is_opened_before_it_is_prepared(path: Path, metrics: Metrics) -> None:
    database = Sqlite(str(path), [REPLAYS, SCHEMA], metrics)
    assert not path.parent.exists()
    with pytest.raises(Unavailable):
        database.read("names", "SELECT name FROM things")
    with pytest.raises(Unavailable):
        await database.write("add", adding("a"))
    await database.close()


async def test_a_file_that_cannot_be_opened_is_unavailable_until_it_can(path: Path, metrics: Metrics) -> None:
    path.parent.write_text("a file where the folder should be")
    database = Sqlite(str(path), [REPLAYS, SCHEMA], metrics)
    with pytest.raises(Unavailable):
        await database.prepare()
    path.parent.unlink()
    await database.prepare()
    await database.ping()
    path.unlink()
    with pytest.raises(Unavailable, match="gone"):
        await database.ping()
    await database.close()


async def test_migrations_run_once_each_and_in_order(path: Path, metrics: Metrics) -> None:
    scripts = ["CREATE TABLE log (step INTEGER)", "INSERT INTO log VALUES (2)", "INSERT INTO log VALUES (3)"]
    for known in (1, 2, 2, 3):
        database = Sqlite(str(path), scripts[:known], metrics)
        await database.prepare()
        assert database.read("log", "SELECT step FROM log") == [(n,) for n in range(2, known + 1)]
        await database.close()


@pytest.mark.parametrize("attempt", range(8))
async def test_replicas_that_start_at_once_run_each_migration_once(path: Path, metrics: Metrics, attempt: int) -> None:
    scripts = [
        "CREATE TABLE IF NOT EXISTS log (step INTEGER)",
        "INSERT INTO log VALUES (2)",
        "INSERT INTO log VALUES (3)",
    ]
    replicas = [Sqlite(str(path), scripts, metrics) for _ in range(4)]
    await asyncio.gather(*(replica.prepare() for replica in replicas))
    assert replicas[0].read("log", "SELECT step FROM log ORDER BY step") == [(2,), (3,)]
    assert replicas[0].read("count", "SELECT count(*) FROM migrations") == [(3,)]
    for replica in replicas:
        await replica.close()


async def test_a_failing_migration_leaves_nothing_behind(path: Path, metrics: Metrics) -> None:
    broken = "CREATE TABLE more (n INTEGER); INSERT INTO more VALUES (1); INSERT INTO nowhere VALUES (1)"
    with pytest.raises(Unavailable, match="nowhere"):
        await Sqlite(str(path), [SCHEMA, broken], metrics).prepare()
    database = Sqlite(str(path), [SCHEMA, "CREATE TABLE more (n INTEGER)"], metrics)
    await database.prepare()
    assert database.read("more", "SELECT n FROM more") == []
    await database.close()


async def test_a_migration_may_hold_a_trigger(path: Path, metrics: Metrics) -> None:
    trigger = "CREATE TRIGGER twice AFTER INSERT ON things BEGIN INSERT INTO seen VALUES (new.name); SELECT 1; END"
    database = Sqlite(str(path), [f"{SCHEMA}; CREATE TABLE seen (name TEXT); {trigger};"], metrics)
    await database.prepare()
    await database.write("add", adding("a"))
    assert database.read("seen", "SELECT name FROM seen") == [("a",)]
    await database.close()


async def test_an_answer_is_kept_once_and_found_until_it_expires(database: Sqlite) -> None:
    replay = Replay("id", "print", b"sealed", MOMENT + KEPT)

    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT OR IGNORE INTO things VALUES ('effect')")
        keep_replay(connection, replay)

    await database.write("keep", work)
    await database.write("undo", lambda connection: connection.execute("DELETE FROM things") and None)
    with pytest.raises(ReplayExists):
        await database.write("keep", work)
    assert names(database) == []
    assert find_replay(database, "id", MOMENT + KEPT - timedelta(milliseconds=1)) == replay
    assert find_replay(database, "id", MOMENT + KEPT) is None


async def test_an_expired_answer_stands_in_nobodys_way(database: Sqlite) -> None:
    for moment in (MOMENT, MOMENT + KEPT):
        replay = Replay("id", "print", b"sealed", moment + KEPT)
        await database.write("keep", lambda connection, kept=replay: keep_replay(connection, kept))  # type: ignore[misc]
    assert find_replay(database, "id", MOMENT + KEPT) == replay


def test_times_survive_as_milliseconds() -> None:
    moment = MOMENT.replace(microsecond=987_000)
    assert from_milliseconds(to_milliseconds(moment)) == moment
