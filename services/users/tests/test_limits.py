"""The rules of limits, without I/O."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkit.errors import RateLimited
from users.limits import Bucket, Limit, network_of, registration_bucket, require_place, sign_in_buckets
from users.settings import Settings

MOMENT = datetime(2026, 5, 1, tzinfo=UTC)
BUCKET = Bucket.of(Limit("login", 10, timedelta(seconds=60)), "somebody")


def fill(bucket: Bucket, places: int, due: datetime | None = None, moment: datetime = MOMENT) -> datetime | None:
    for _ in range(places):
        due = require_place(bucket, due, moment)
    return due


def test_the_burst_and_not_one_more_is_let_through() -> None:
    due = fill(BUCKET, 10)
    with pytest.raises(RateLimited):
        require_place(BUCKET, due, MOMENT)


def test_one_place_comes_back_after_each_interval() -> None:
    due = fill(BUCKET, 10)
    with pytest.raises(RateLimited):
        require_place(BUCKET, due, MOMENT + timedelta(seconds=59.999))
    due = require_place(BUCKET, due, MOMENT + timedelta(seconds=60))
    with pytest.raises(RateLimited):
        require_place(BUCKET, due, MOMENT + timedelta(seconds=60))


def test_a_bucket_left_alone_holds_the_burst_again_but_no_more() -> None:
    moment = MOMENT + timedelta(days=1)
    due = fill(BUCKET, 10, fill(BUCKET, 10), moment)
    with pytest.raises(RateLimited):
        require_place(BUCKET, due, moment)


def test_a_refusal_says_how_long_to_wait() -> None:
    due = fill(BUCKET, 10)
    with pytest.raises(RateLimited) as caught:
        require_place(BUCKET, due, MOMENT + timedelta(seconds=20.5))
    assert caught.value.retry_after == 40
    assert caught.value.headers == {"RateLimit-Policy": '"login";q=10;w=600', "RateLimit": '"login";r=0;t=40'}


@given(st.lists(st.floats(0, 30), max_size=80))
def test_no_pace_gets_more_than_the_burst_and_the_steady_flow(pauses: list[float]) -> None:
    bucket = Bucket.of(Limit("login", 3, timedelta(seconds=10)), "x")
    moment, due, passed = MOMENT, None, 0
    for pause in pauses:
        moment += timedelta(seconds=pause)
        try:
            due = require_place(bucket, due, moment)
            passed += 1
        except RateLimited:
            pass
    assert passed <= 3 + (moment - MOMENT) / timedelta(seconds=10)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_a_network_is_what_one_household_has(address: str, network: str) -> None:
    assert network_of(address) == network


def test_sign_ins_are_limited_by_account_and_network_by_network_and_by_account() -> None:
    settings = Settings()
    mine = sign_in_buckets(settings, "ana@example.test", "192.0.2.1")
    elsewhere = sign_in_buckets(settings, "ana@example.test", "192.0.2.2")
    other = sign_in_buckets(settings, "bo@example.test", "192.0.2.1")
    assert [bucket.limit.burst for bucket in mine] == [10, 100, 100]
    assert [bucket.limit.interval.total_seconds() for bucket in mine] == [60, 5, 30]
    assert [a == b for a, b in zip(mine, elsewhere, strict=True)] == [False, False, True]
    assert [a == b for a, b in zip(mine, other, strict=True)] == [False, True, False]
    assert len({bucket.key for bucket in (*mine, registration_bucket(settings, "192.0.2.1"))}) == 4


def test_a_bucket_does_not_tell_whose_it_is() -> None:
    assert "ana" not in sign_in_buckets(Settings(), "ana@example.test", "192.0.2.1")[0].key
