"""The one way in: everything is put together here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from logging import getLogger

from shopkit.meta import About
from shopkit.metrics import Metrics
from shopkit.service import Application, service
from shopkit.tokens import Verifier
from shopkit.values import Clock, now
from shopkit.watch import StoreWatch
from users.counts import Counts
from users.passwords import Passwords
from users.register import Registration
from users.routes import HANDLERS
from users.settings import Settings
from users.sign_in import SignIn
from users.signing import Keyring
from users.stores import open_store

NAME = "users"
DESCRIPTION = "Accounts, sign-in and access tokens."
LINKS = {"register": "/register", "login": "/login", "me": "/me", "keys": "/.well-known/jwks.json"}


def create_app(settings: Settings, *, clock: Clock = now) -> Application:
    """The users service. Nothing is opened before the application's lifespan begins."""
    about = About(NAME, version("trolley-users"), DESCRIPTION, LINKS)
    metrics = Metrics(NAME, about.version)
    counts = Counts(metrics)
    store = open_store(settings.store_url, metrics, clock)
    passwords = Passwords(metrics, workers=settings.hash_workers, queue=settings.hash_queue)
    keyring = Keyring(store, settings.issuer, clock)
    watch = StoreWatch(store, getLogger(NAME))

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with watch:
            yield
        passwords.close()

    return service(
        about,
        settings,
        HANDLERS,
        metrics=metrics,
        verifier=Verifier(keyring.public_keys, settings.issuer, lambda: clock().timestamp()),
        collaborators={
            "store": store,
            "registration": Registration(settings, store, passwords, clock),
            "sign_in": SignIn(settings, store, passwords, keyring, counts, clock),
            "passwords": passwords,
            "keyring": keyring,
            "counts": counts,
            "clock": clock,
        },
        checks={"store": watch.check},
        lifespan=lifespan,
    )
