"""The users that MongoDB has to know: one for each service with rights on its own database alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from trolley.services import IN_A_ROW

AUTHENTICATION_FAILED = 18


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user that `source`, a database, knows. Roles as MongoDB writes them."""

    name: str
    source: str
    password: str
    roles: list[dict[str, str]]


def accounts(passwords: Mapping[str, str]) -> list[Account]:
    """Root, the services, and who makes backups: it reads what the services keep, and nothing else."""
    databases = [f"trolley_{name}" for name in IN_A_ROW]
    reads = [{"role": "read", "db": database} for database in databases]
    root = [{"role": "root", "db": "admin"}]
    own = [
        Account(name=name, source=database, password=passwords[name], roles=[{"role": "readWrite", "db": database}])
        for name, database in zip(IN_A_ROW, databases, strict=True)
    ]
    return [
        Account(name="root", source="admin", password=passwords["root"], roles=root),
        *own,
        Account(name="backup", source="admin", password=passwords["backup"], roles=reads),
    ]


def keep_account(client: MongoClient[dict[str, Any]], account: Account) -> str:
    """Makes the user, or makes it what it should be; says what was done."""
    database = client[account.source]
    title = f"User {account.name} of {account.source}"
    content: dict[str, Any] = {"pwd": account.password, "roles": account.roles, "writeConcern": {"w": "majority"}}
    found = database.command("usersInfo", account.name)["users"]
    if not found:
        # Where somebody else has just made it that is refused, and it is looked at again.
        database.command("createUser", account.name, **content)
        return f"{title} made."
    if _in_order(found[0]["roles"]) == _in_order(account.roles) and _signs_in(client, account):
        return f"{title} is there."
    database.command("updateUser", account.name, **content)
    return f"{title} changed: another password, or other rights."


def _in_order(roles: list[dict[str, str]]) -> list[tuple[str, str]]:
    return sorted((role["db"], role["role"]) for role in roles)


def _signs_in(client: MongoClient[dict[str, Any]], account: Account) -> bool:
    """Whether the primary takes the password; a write of the same would end what is signed in with it elsewhere."""
    host, port = client.primary or ("", 0)
    with MongoClient[dict[str, Any]](
        host,
        port,
        directConnection=True,
        username=account.name,
        password=account.password,
        authSource=account.source,
        serverSelectionTimeoutMS=client.options.server_selection_timeout * 1000,
    ) as own:
        try:
            own.admin.command("ping")
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            return False
    return True
