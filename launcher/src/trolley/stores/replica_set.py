"""Members that run with a key file become one replica set that knows the shop's users.

Everything is looked at before it is changed, so it may be repeated, and two may run at once: what the other has done
meanwhile counts as done.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from trolley.preparing import NotPrepared, Passwords
from trolley.stores.accounts import accounts, keep_account

Document = dict[str, Any]
Client = MongoClient[Document]
Say = Callable[[str], None]
T = TypeVar("T")

POLL_SECONDS = 0.5
CALL_MS = 3000
# What is long on a slow disk: an index of users, a majority that has to write.
LONG_CALL_MS = 20_000
AUTHENTICATION_FAILED, ALREADY_INITIALIZED, NO_REPLICATION, NOT_YET_INITIALIZED = 18, 23, 76, 94
# Somebody else is changing the same, a member is not there yet, or the primary has gone: it is looked at again.
PASSING = frozenset({6, 7, 64, 74, 79, 89, 91, 93, 94, 103, 109, 112, 189, 10107, 11600, 11602, 13435, 13436, 51003})


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be done; `until` is by time.monotonic()."""

    members: Sequence[str]
    replica_set: str
    passwords: Passwords
    until: float
    say: Say

    def client(self, hosts: Sequence[str], **options: Any) -> Client:
        """Signed in with the key file, as the members are among themselves.

        The exception that lets in anyone while there is no user holds on the member's own machine alone.
        """
        return MongoClient(
            [*hosts],
            username="__system",
            password=self.passwords.key,
            authSource="local",
            authMechanism="SCRAM-SHA-256",
            appname="prepare",
            serverSelectionTimeoutMS=CALL_MS,
            connectTimeoutMS=CALL_MS,
            socketTimeoutMS=LONG_CALL_MS,
            **options,
        )

    def wait(self, reason: str) -> None:
        """A moment; NotPrepared with the reason where there is no time left."""
        if time.monotonic() + POLL_SECONDS > self.until:
            raise NotPrepared(reason)
        time.sleep(POLL_SECONDS)


def prepare(members: Sequence[str], replica_set: str, passwords: Passwords, seconds: float, say: Say = print) -> None:
    """All of it within about so many seconds, each step told in a line; NotPrepared."""
    until = time.monotonic() + seconds
    job = Job(members=members, replica_set=replica_set, passwords=passwords, until=until, say=say)
    initiate(job)
    with job.client(members, replicaSet=replica_set) as client:
        attempt(job, lambda: wait_for_primary(client), "has no primary yet")
        attempt(job, lambda: require_majority(job, client), "does not take the default write concern")
        while missing := attempt(job, lambda: missing_members(job, client), "does not tell its members"):
            attempt(job, partial(add_member, job, client, missing[0]), f"does not take {missing[0]}")
        for account in accounts(passwords.of):
            say(attempt(job, partial(keep_account, client, account), f"does not take user {account.name}"))
    say(f"Replica set {replica_set} is ready.")


def attempt(job: Job, work: Callable[[], T], fault: str) -> T:
    """What `work` returns, tried again while that may help; NotPrepared with `fault` of the replica set."""
    while True:
        try:
            return work()
        except PyMongoError as error:
            reason = f"Replica set {job.replica_set} {fault}: {words(error)}."
            if isinstance(error, OperationFailure) and error.code not in PASSING:
                raise NotPrepared(reason) from error
            job.wait(reason)


def words(error: PyMongoError) -> str:
    """What went wrong in a line, without the whole answer of the server."""
    text = (
        (error.details or {}).get("errmsg")
        if isinstance(error, OperationFailure)
        else str(error).split(", Timeout:")[0]
    )
    return " ".join(str(text).split()).rstrip(".")


def initiate(job: Job) -> None:
    """Waits until one member is of the replica set or all answer; then makes it of them."""
    told: set[str] = set()
    while True:
        silent = {}
        for member in job.members:
            try:
                is_initiated = look_at(job, member)
            except PyMongoError as error:
                silent[member] = words(error)
                continue
            if member not in told:
                job.say(f"{member} answers.")
                told.add(member)
            # One that has a set may have data: another made of those that have none would pass it over.
            if is_initiated:
                return
        if silent:
            job.wait(" ".join(f"{member} does not answer: {why}." for member, why in silent.items()))
        elif attempt(job, lambda: make_set(job), "cannot be made"):
            job.say(f"Replica set {job.replica_set} made of {', '.join(job.members)}.")
            return


def look_at(job: Job, member: str) -> bool:
    """Whether it is of the replica set already; NotPrepared where it never will be."""
    with job.client([member], directConnection=True) as client:
        try:
            found = client.admin.command("replSetGetStatus")["set"]
        except OperationFailure as error:
            if error.code == NOT_YET_INITIALIZED:
                return False
            if error.code == AUTHENTICATION_FAILED:
                raise NotPrepared(f"{member} refuses the key file: it runs with another one, or with none.") from error
            if error.code == NO_REPLICATION:
                raise NotPrepared(f"{member} runs without --replSet {job.replica_set}.") from error
            raise
    if found != job.replica_set:
        raise NotPrepared(f"{member} is of the replica set {found}, not of {job.replica_set}.")
    return True


def make_set(job: Job) -> bool:
    """Whether it was made here, and not by somebody else meanwhile."""
    # All the same: one that is preferred would cost another election each time it comes back.
    members = [{"_id": number, "host": host, "priority": 1} for number, host in enumerate(job.members)]
    with job.client(job.members[:1], directConnection=True) as client:
        try:
            client.admin.command("replSetInitiate", {"_id": job.replica_set, "members": members})
        except OperationFailure as error:
            if error.code != ALREADY_INITIALIZED:
                raise
            return False
    return True


def wait_for_primary(client: Client) -> None:
    """PyMongoError as long as there is none."""
    client.admin.command("ping")


def require_majority(job: Job, client: Client) -> None:
    """Writes that say nothing else are acknowledged by a majority, whatever members there will be."""
    found = client.admin.command("getDefaultRWConcern")
    wanted = {"w": "majority"}
    if found.get("defaultWriteConcernSource") != "global" or found["defaultWriteConcern"].get("w") != "majority":
        client.admin.command("setDefaultRWConcern", 1, defaultWriteConcern=wanted, writeConcern=wanted)
        job.say("Default write concern set to majority.")


def missing_members(job: Job, client: Client) -> list[str]:
    """Those that the replica set does not know yet."""
    known = {member["host"] for member in client.admin.command("replSetGetConfig")["config"]["members"]}
    return [member for member in job.members if member not in known]


def add_member(job: Job, client: Client, host: str) -> None:
    """Adds one; MongoDB takes one at a time, and lets it vote once it has all data."""
    config = client.admin.command("replSetGetConfig")["config"]
    members = config["members"]
    if host in {member["host"] for member in members}:
        return
    number = 1 + max(member["_id"] for member in members)
    members.append({"_id": number, "host": host, "priority": 1})
    # Of two that add at once the other's configuration is refused: the number of its version is taken.
    client.admin.command("replSetReconfig", config | {"version": config["version"] + 1})
    job.say(f"{host} added to replica set {job.replica_set}.")
