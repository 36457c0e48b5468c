# mypy: disable-error-code="import-not-found, untyped-decorator"
"""MongoDB: one pool of connections, and the collections."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

Document = dict[str, Any]
Collection = AsyncCollection[Document]


@dataclass(frozen=True)
class Database:
    """The copy of the shop's catalogue and its accounts, which are only read, and what is this service's own."""

    client: AsyncMongoClient[Document]
    products: Collection
    users: Collection
    carts: Collection
    sessions: Collection


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connects, and makes the indexes: a token opens one cart; MongoDB drops each when it expires."""
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        os.environ["MONGODB_URL"],
        appname="fastapi",
        maxPoolSize=50,
        serverSelectionTimeoutMS=2000,
        w="majority",
        journal=True,
        tz_aware=True,
    )
    async with client:
        own = client[os.environ.get("OWN_DATABASE", "trolley_fastapi")]
        database = Database(
            client,
            client[os.environ.get("PRODUCTS_DATABASE", "trolley_products")]["products"],
            client[os.environ.get("USERS_DATABASE", "trolley_users")]["users"],
            own["carts"],
            own["sessions"],
        )
        await database.carts.create_index("token_hash", unique=True)
        await database.carts.create_index("expires_at", expireAfterSeconds=0)
        await database.sessions.create_index("expires_at", expireAfterSeconds=0)
        app.state.database = database
        yield


async def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


Opened = Annotated[Database, Depends(_database)]
