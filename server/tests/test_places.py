"""Who gets a place; the rules as the edge uses them are tested with it."""

import pytest

from shopserver.places import REFUSAL_SECONDS, REFUSALS_PER_SECOND, Places


def test_one_alone_may_have_all_but_an_eighth() -> None:
    places = Places(64)
    assert sum(places.take("greedy") for _ in range(100)) == 56
    assert [places.take(other) for other in range(9)] == [True] * 8 + [False]
    assert places.taken == 64
    for other in range(8):
        places.leave(other)
    assert places.take("late")


def test_who_asks_a_little_more_than_once_is_served_beside_one_who_takes_all() -> None:
    places = Places(64)
    assert sum(places.take("greedy") for _ in range(100)) == 56
    assert [places.take("polite") for _ in range(5)] == [True] * 4 + [False]
    assert not places.take("greedy")
    assert places.take("third")


def test_shares_shrink_with_the_callers_at_work_and_grow_again() -> None:
    places = Places(8)
    for caller in ("a", "a", "a", "a", "b"):
        assert places.take(caller)
    assert not places.take("a")
    places.leave("b")
    assert places.take("a")


def test_what_is_always_taken_needs_no_room() -> None:
    places = Places(1)
    assert places.take("a")
    assert not places.take("b")
    assert places.take("b", always=True)
    assert places.taken == 2


@pytest.mark.parametrize("waiting", [1, 10, 3000])
def test_refusals_are_late_and_not_more_than_so_many_a_second(waiting: int) -> None:
    places = Places(1, clock=lambda: 1000.0)
    delays = [places.refusal_delay() for _ in range(waiting)]
    assert delays[0] == pytest.approx(REFUSAL_SECONDS)
    assert delays[-1] == pytest.approx(REFUSAL_SECONDS + (waiting - 1) / REFUSALS_PER_SECOND)
