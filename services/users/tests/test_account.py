"""The rules of accounts, without I/O."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkit.errors import InvalidRequest
from users.account import (
    address_key,
    granted,
    new_user,
    normal_password,
    parse_address,
    renamed,
    require_good_password,
    revoked,
    with_password,
)
from users.passwords import common_passwords

MOMENT = datetime(2026, 5, 1, tzinfo=UTC)
LATER = datetime(2026, 5, 2, tzinfo=UTC)
ANA = parse_address("ana@example.test")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ana@example.test", "  Ana@EXAMPLE.Test\t"),
        ("jose\u0301@example.test", "JOS\u00c9@example.test"),
        ("ana@b\u00fccher.example", "ana@xn--bcher-kva.example"),
        ("ana@B\u00dcCHER.example", "ana@bu\u0308cher.example"),
        ("stra\u00dfe@example.test", "STRASSE@example.test"),
    ],
)
def test_addresses_that_look_alike_have_one_key(one: str, other: str) -> None:
    assert parse_address(one).key == parse_address(other).key


@pytest.mark.parametrize(
    ("one", "other"),
    [("ana@example.test", "anna@example.test"), ("a.b@example.test", "ab@example.test"), ("a@x.test", "a+1@x.test")],
)
def test_other_addresses_have_another_key(one: str, other: str) -> None:
    assert parse_address(one).key != parse_address(other).key


def test_an_address_is_kept_as_typed_but_trimmed_and_composed() -> None:
    assert parse_address("  Jose\u0301@Example.Test ").text == "Jos\u00e9@Example.Test"


@pytest.mark.parametrize(
    "accepted", ["a@example", "o'hara+shop@sub.example.test", "用户@例え.テスト", "ana@shop.example"]
)
def test_unusual_addresses_are_accepted(accepted: str) -> None:
    assert parse_address(accepted).text == accepted


NO_ADDRESSES = [
    *("", " ", "ana", "@example.test", "ana@", "ana@@example.test", "ana@example..test", "ana@localhost"),
    *("ana smith@example.test", "ana@exa mple.test", "a\u0000na@example.test", "ana\n@example.test"),
    *("Ana <ana@example.test>", "ana@example.test, bo@example.test", "ana@[127.0.0.1]", '"a b"@example.test'),
    f"{'a' * 288}@example.test",
]


@pytest.mark.parametrize("refused", NO_ADDRESSES)
def test_what_is_no_address_is_refused_at_its_pointer(refused: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_address(refused)
    assert [fault.pointer for fault in caught.value.errors] == ["#/email"]


def test_an_address_has_at_most_254_characters() -> None:
    domain = ".".join(["d" * 60] * 3) + ".test"
    longest = f"{'a' * (254 - len(domain) - 1)}@{domain}"
    assert len(longest) == 254
    assert parse_address(longest).text == longest
    with pytest.raises(InvalidRequest):
        parse_address(f"a{longest}")


@given(st.text(max_size=300))
def test_any_text_at_all_has_a_key_to_sign_in_with(text: str) -> None:
    assert address_key(text) == address_key(f" {text} ")


def good(password: str) -> str:
    return require_good_password(password, ANA, common_passwords(), "#/password")


@pytest.mark.parametrize(
    "accepted", ["tr0mb0ne", "x" * 256, " leading and trailing ", "пароль-из-слов", "日本語の合言葉です"]
)
def test_good_passwords_are_hashed_as_typed(accepted: str) -> None:
    assert good(accepted) == accepted


@pytest.mark.parametrize(
    "refused",
    ["", "tr0mb0n", "x" * 257, "password", "PassWord", "12345678", "ANA@example.test", "trustno1"],
)
def test_bad_passwords_are_refused_at_their_pointer(refused: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        good(refused)
    assert [fault.pointer for fault in caught.value.errors] == ["#/password"]


def test_characters_are_counted_after_composing_them() -> None:
    assert good("e\u0301" * 256) == "\u00e9" * 256
    with pytest.raises(InvalidRequest):
        good("e\u0301" * 7)


def test_a_password_is_the_same_however_it_was_composed() -> None:
    assert normal_password("cafe\u0301 au lait") == normal_password("caf\u00e9 au lait")


def test_ten_thousand_common_passwords_are_known_and_no_header_among_them() -> None:
    assert len(common_passwords()) == 10_000
    assert not any(word.startswith("#") or len(word) < 8 or word != word.lower() for word in common_passwords())


def test_a_new_user_is_a_customer_at_version_one() -> None:
    user = new_user(ANA, None, "hash", MOMENT)
    assert (user.roles, user.version, user.name) == (("customer",), 1, "")
    assert user.created_at == user.updated_at == MOMENT


def test_every_change_makes_the_next_version_and_none_makes_none() -> None:
    user = new_user(ANA, "Ana", "hash", MOMENT)
    changed = renamed(user, " Zoe\u0308 ", LATER)
    assert (changed.name, changed.version, changed.updated_at) == ("Zo\u00eb", 2, LATER)
    assert renamed(user, "Ana ", LATER) is user
    assert renamed(user, None, LATER).name == ""
    assert with_password(user, "other", LATER).version == 2


def test_a_role_is_granted_and_revoked_once() -> None:
    user = new_user(ANA, None, "hash", MOMENT)
    promoted = granted(user, "staff", LATER)
    assert (promoted.roles, promoted.version) == (("customer", "staff"), 2)
    assert granted(promoted, "staff", LATER) is promoted
    assert revoked(promoted, "staff", LATER).roles == ("customer",)
    assert revoked(user, "staff", LATER) is user
