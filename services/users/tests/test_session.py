"""The rules of sessions, without I/O."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from shopkit.errors import Unauthenticated
from users.session import Device, Session, TokenReused, new_session, parse_token, require_owner, turned

MOMENT = datetime(2026, 5, 1, tzinfo=UTC)
MONTH = timedelta(days=30)
DEVICE = Device("curl/8", "192.0.2.1")


def ended(session: Session, ending: str) -> Session:
    return msgspec.structs.replace(session, ended=ending)


def test_a_token_is_read_as_it_was_written() -> None:
    _, token = new_session("u", DEVICE, MOMENT, MONTH)
    assert parse_token(str(token)) == token


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c.d", "...."])
def test_what_has_not_three_parts_is_no_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        parse_token(text)


def test_secrets_have_192_bits_and_only_their_hashes_are_kept() -> None:
    session, token = new_session("u", DEVICE, MOMENT, MONTH)
    assert min(len(token.secret), len(token.turn)) == 32
    kept = repr(session)
    assert token.secret not in kept
    assert token.turn not in kept


def test_a_long_user_agent_is_cut() -> None:
    session, _ = new_session("u", Device("x" * 5000, ""), MOMENT, MONTH)
    assert len(session.user_agent) == 200


def test_each_use_changes_the_turn_and_moves_the_end() -> None:
    session, token = new_session("u", DEVICE, MOMENT, MONTH)
    later = MOMENT + timedelta(days=29)
    used, following = turned(session, token, later, MONTH)
    assert (used.last_used_at, used.expires_at, used.created_at) == (later, later + MONTH, MOMENT)
    assert following.turn != token.turn
    assert following.secret == token.secret
    assert turned(used, following, later, MONTH)[0].turn_hash != used.turn_hash


def test_a_token_that_had_its_turn_is_reuse() -> None:
    session, token = new_session("u", DEVICE, MOMENT, MONTH)
    used, _ = turned(session, token, MOMENT, MONTH)
    with pytest.raises(TokenReused):
        turned(used, token, MOMENT, MONTH)


def test_every_token_of_a_session_that_ended_by_reuse_is_reuse() -> None:
    session, token = new_session("u", DEVICE, MOMENT, MONTH)
    with pytest.raises(TokenReused):
        turned(ended(session, "reused"), token, MOMENT, MONTH)


def test_a_token_of_a_closed_session_is_just_not_good() -> None:
    session, token = new_session("u", DEVICE, MOMENT, MONTH)
    used, _ = turned(session, token, MOMENT, MONTH)
    for old in (session, used):
        with pytest.raises(Unauthenticated) as caught:
            turned(ended(old, "closed"), token, MOMENT, MONTH)
        assert caught.value.code == "unauthenticated"


def test_only_the_secret_opens_a_session_and_only_until_it_expires() -> None:
    session, token = new_session("u", DEVICE, MOMENT, MONTH)
    last = session.expires_at - timedelta(milliseconds=1)
    assert require_owner(session, token, last) is session
    for found, shown, moment in (
        (None, token, MOMENT),
        (session, token._replace(secret="x" * 32), MOMENT),
        (session, token, session.expires_at),
    ):
        with pytest.raises(Unauthenticated) as caught:
            require_owner(found, shown, moment)
        assert caught.value.code == "unauthenticated"
