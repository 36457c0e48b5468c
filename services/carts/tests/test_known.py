"""What counts as present: races between the feed and answers to questions, and how long what was told is trusted."""

import pytest

from carts.cart import Facts
from carts.known import KEPT_MAX, LAG_SECONDS, PRESENT_SECONDS, SETTLE_SECONDS, TRUST_SECONDS, Change, KnownFacts, Seen
from shopkit.values import Money


class Feed:
    """Facts that a feed keeps up to date, on a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.known = KnownFacts(lambda: self.now)
        self.known.begin_anew(self.now)
        self.pass_(SETTLE_SECONDS)

    def pass_(self, seconds: float) -> None:
        """So much time passes, and the feed tells that nothing has changed."""
        self.now += seconds
        self.tell()

    def tell(self, *changes: tuple[str, int, str]) -> None:
        """The feed tells of (product, version, SKUs)."""
        self.known.hear([Change(of, version, skus.split()) for of, version, skus in changes], self.now)

    def see(self, version: int, product: str = "P", sku: str = "A", asked: float | None = None, price: int = 0) -> None:
        """A question after the SKU was answered by that version of the product, whose price is the version."""
        seen = Seen(version, facts(product, price or version))
        self.known.see([sku], {sku: seen}, self.now if asked is None else asked)

    def present(self, sku: str = "A") -> Facts | None:
        found = self.known.find_present([sku], self.now)
        return found[sku] if found else None

    def price(self, sku: str = "A") -> int | None:
        """The present price; None where it has to be asked for."""
        found = self.present(sku)
        return found.price.amount if found else None

    def last(self, sku: str = "A") -> int | None:
        found = self.known.last_seen([sku])[sku]
        return found.price.amount if found else None


def facts(product: str, price: int) -> Facts:
    return Facts(product, "Tea", {"size": "M"}, None, Money(price, "EUR"), 5, for_sale=True)


@pytest.fixture
def feed() -> Feed:
    return Feed()


def test_what_was_seen_is_present_until_it_changes(feed: Feed) -> None:
    assert feed.price() is None
    feed.see(1)
    feed.see(7, "Q", "B")
    feed.pass_(5)
    assert feed.price() == 1
    feed.tell(("P", 2, "A"))
    assert (feed.price(), feed.last(), feed.price("B")) == (None, 1, 7)
    feed.see(2)
    assert feed.price() == 2


def test_all_of_several_skus_are_present_or_have_to_be_asked_for(feed: Feed) -> None:
    feed.see(1)
    assert feed.known.find_present(["A", "B"], feed.now) is None
    feed.see(2, "Q", "B")
    assert feed.known.find_present(["A", "B"], feed.now) == {"A": facts("P", 1), "B": facts("Q", 2)}


def test_an_answer_that_was_on_its_way_when_the_change_was_told_is_not_present(feed: Feed) -> None:
    asked = feed.now
    feed.pass_(0.01)
    feed.tell(("P", 2, "A"))
    feed.see(1, asked=asked)
    assert (feed.price(), feed.last()) == (None, 1)


def test_an_answer_of_a_replica_that_lags_is_not_present(feed: Feed) -> None:
    feed.tell(("P", 2, "A"))
    feed.pass_(LAG_SECONDS / 2)
    feed.see(1)
    assert feed.price() is None
    feed.see(2)
    assert feed.price() == 2


def test_a_replica_that_lags_takes_nobody_back_behind_what_was_seen(feed: Feed) -> None:
    feed.see(3)
    feed.tell(("P", 3, "A"))
    assert feed.price() == 3
    feed.see(2)
    assert (feed.price(), feed.last()) == (3, 3)
    feed.tell(("P", 4, "A"))
    feed.see(2)
    assert (feed.price(), feed.last()) == (None, 3)


def test_a_replica_that_is_ahead_of_the_feed_is_believed_and_its_change_forgets_nothing(feed: Feed) -> None:
    feed.see(5)
    feed.tell(("P", 4, "A"), ("P", 5, "A"))
    assert feed.price() == 5
    feed.tell(("P", 6, "A"))
    assert feed.price() is None


def test_an_answer_that_comes_late_does_not_undo_a_later_one(feed: Feed) -> None:
    asked = feed.now
    feed.pass_(0.1)
    feed.see(1)
    feed.known.see(["A"], {}, asked)
    assert feed.price() == 1


def test_a_sku_that_moves_to_another_product_is_not_present_as_it_was(feed: Feed) -> None:
    feed.see(5)
    asked = feed.now
    # The product that gave it up is told with what it had; the order of both does not matter.
    feed.tell(("Q", 2, "A C"))
    assert feed.price() is None
    feed.see(5, asked=asked)
    feed.tell(("P", 6, "A B"))
    assert feed.price() is None
    feed.see(5, asked=asked)
    assert feed.price() is None
    feed.see(2, "Q")
    assert feed.price() == 2


def test_that_there_is_no_such_sku_is_never_present(feed: Feed) -> None:
    feed.known.see(["A"], {}, feed.now)
    assert (feed.price(), feed.known.last_seen(["A", "B"])) == (None, {"A": None})
    feed.see(1)
    feed.known.see(["A"], {}, feed.now)
    assert feed.price() is None


def test_nothing_is_trusted_for_longer_than_the_feed_said_it_was_complete(feed: Feed) -> None:
    feed.see(1)
    feed.now += TRUST_SECONDS - 0.001
    assert feed.price() == 1
    feed.now += 0.002
    assert feed.price() is None
    feed.known.hear([], feed.now - TRUST_SECONDS - 0.001)
    assert feed.price() is None
    feed.known.hear([], float("-inf"))
    assert (feed.price(), feed.known.age() > TRUST_SECONDS) == (None, True)
    # What has changed in between is told with the next answer, so what was seen before is present again.
    feed.tell()
    assert (feed.price(), feed.known.age()) == (1, 0)


def test_while_the_feed_fails_nothing_is_present(feed: Feed) -> None:
    feed.see(1)
    feed.known.distrust()
    assert feed.price() is None
    feed.tell()
    assert feed.price() == 1


def test_when_changes_may_have_been_missed_all_is_forgotten_and_asked_again_until_it_has_settled(feed: Feed) -> None:
    feed.see(9)
    feed.known.begin_anew(feed.now)
    feed.tell()
    assert feed.price() is None
    asked = feed.now
    feed.see(9)
    assert feed.price() is None
    feed.pass_(SETTLE_SECONDS)
    feed.see(9, asked=asked)
    assert feed.price() is None
    feed.see(9)
    assert feed.price() == 9
    # A catalogue that was brought back from a copy counts from a lower version.
    feed.known.begin_anew(feed.now)
    feed.pass_(SETTLE_SECONDS)
    feed.see(4)
    assert feed.price() == 4


def test_whatever_the_feed_says_nothing_is_present_for_ever(feed: Feed) -> None:
    feed.see(1)
    feed.pass_(PRESENT_SECONDS / 2)
    feed.see(1, "Q", "B")
    feed.see(1, "R", "C")
    feed.pass_(PRESENT_SECONDS / 2 - 1)
    feed.see(1, "Q", "B")
    feed.pass_(2)
    assert [feed.price(sku) for sku in "ABC"] == [None, 1, 1]
    feed.pass_(PRESENT_SECONDS / 2)
    assert [feed.price(sku) for sku in "ABC"] == [None, 1, None]


def test_what_has_not_changed_stays_the_same_object(feed: Feed) -> None:
    feed.see(1, price=7)
    first = feed.present()
    feed.pass_(1)
    feed.tell(("P", 2, "A"))
    feed.see(2, price=7)
    assert feed.present() is first
    feed.tell(("P", 3, "A"))
    feed.see(3, price=8)
    assert feed.price() == 8


def test_only_so_many_skus_are_kept(feed: Feed) -> None:
    skus = [f"S-{number}" for number in range(KEPT_MAX + 1)]
    feed.known.see(skus, {sku: Seen(1, facts(sku, 1)) for sku in skus}, feed.now)
    assert [feed.price(skus[0]), feed.price(skus[1]), feed.price(skus[-1])] == [None, 1, 1]
    assert feed.known.last_seen(skus[:2]) == {skus[1]: facts(skus[1], 1)}
