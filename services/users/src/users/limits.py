"""Limits on attempts: buckets that let a burst through and then fill again at a steady pace.

The algorithm is GCRA: a bucket is one time, `due`, at which it would be full again. Taking a place moves it forward by
one interval; a place is refused where that would lead further into the future than the whole burst. A bucket whose
`due` has passed is the same as none, so an old one can be dropped at any time.
"""

import math
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

from shopkit.errors import RateLimited
from users.settings import Settings


class Limit(NamedTuple):
    """`burst` attempts at once, then one more each `interval`."""

    name: str
    burst: int
    interval: timedelta


class Bucket(NamedTuple):
    """What is limited: one account, one network, or the two together. The key tells nobody which."""

    key: str
    limit: Limit

    @classmethod
    def of(cls, limit: Limit, *whose: str) -> "Bucket":
        """The bucket of `limit` for whomever the texts name."""
        return cls(sha256("\n".join((limit.name, *whose)).encode()).hexdigest(), limit)


def due_after(bucket: Bucket, due: datetime | None, moment: datetime) -> datetime:
    """When the bucket would be full again if a place were taken now."""
    return max(due or moment, moment) + bucket.limit.interval


def latest_due(bucket: Bucket, moment: datetime) -> datetime:
    """How far `due_after` may lead."""
    return moment + bucket.limit.burst * bucket.limit.interval


def require_place(bucket: Bucket, due: datetime | None, moment: datetime) -> datetime:
    """The bucket's new `due` once a place is taken; RateLimited, saying how long to wait, if there is none."""
    taken, latest = due_after(bucket, due, moment), latest_due(bucket, moment)
    if taken <= latest:
        return taken
    name, burst, interval = bucket.limit
    seconds = math.ceil((taken - latest).total_seconds())
    window = math.ceil((burst * interval).total_seconds())
    # As in draft-ietf-httpapi-ratelimit-headers.
    headers = {"RateLimit-Policy": f'"{name}";q={burst};w={window}', "RateLimit": f'"{name}";r=0;t={seconds}'}
    raise RateLimited(retry_after=seconds, headers=headers)


def sign_in_buckets(settings: Settings, email_key: str, address: str) -> tuple[Bucket, ...]:
    """What an attempt to sign in needs places in.

    The tightest limit is on an account from one network, so that nobody can shut out somebody who is elsewhere; the
    other two bound what one network can try on all accounts, and all networks on one account.
    """
    network = network_of(address)
    pair = Limit("login", settings.login_burst, timedelta(seconds=settings.login_interval_seconds))
    one_network = Limit("login-network", settings.login_network_burst, timedelta(seconds=5))
    one_account = Limit("login-account", settings.login_account_burst, timedelta(seconds=30))
    return (
        Bucket.of(pair, email_key, network),
        Bucket.of(one_network, network),
        Bucket.of(one_account, email_key),
    )


def registration_bucket(settings: Settings, address: str) -> Bucket:
    """What a registration needs a place in."""
    limit = Limit("register", settings.register_burst, timedelta(seconds=settings.register_interval_seconds))
    return Bucket.of(limit, network_of(address))


def network_of(address: str) -> str:
    """What one household has: an IPv4 address, or the /64 that an IPv6 address is in."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)
