"""What pages are made with: templates in each language, assets, the services, and the seal of session cookies."""

import gzip
import secrets
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from shopkit.values import Clock
from storefront.backends.carts import Carts
from storefront.backends.products import Catalogue
from storefront.backends.users import Users
from storefront.renewal import Renewal
from storefront.session import Cookies
from storefront.settings import Settings
from storefront.words import Words, load

MEDIA_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "LICENSE": "text/plain"}


# What every page says to the browser about trust, besides its policy.
TRUST = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Asset(NamedTuple):
    """A file that pages use, ready to be sent."""

    url: str
    media_type: str
    body: bytes
    zipped: bytes


class Compiled(BytecodeCache):
    """Templates are compiled once for all languages: a word's place in them is looked up when they are filled in."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Any]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._known.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key] = bucket.checksum, bucket.code


class Front:
    """All that is the same for every visitor."""

    def __init__(self, settings: Settings, users: Users, catalogue: Catalogue, carts: Carts, clock: Clock) -> None:
        self.settings = settings
        self.users = users
        self.catalogue = catalogue
        self.carts = carts
        self.clock = clock
        self.renewal = Renewal(users, clock)
        self.cookies = Cookies(settings.session_secret, is_secure=settings.shop_env == "production")
        self.languages = load()
        self.assets = _assets()
        self._environments = {tag: self._environment(words) for tag, words in self.languages.items()}
        self.headers = {"Content-Security-Policy": _policy(settings.image_hosts), **TRUST}

    def render(self, words: Words, template: str, context: dict[str, Any]) -> str:
        """A page in one language."""
        return self._environments[words.tag].get_template(template).render(context)

    def asset_url(self, name: str) -> str:
        """Where browsers find a file; the address changes with the file, so they may keep it for ever."""
        return self.assets[name].url

    def _environment(self, words: Words) -> Environment:
        environment = Environment(
            loader=PackageLoader("storefront"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            bytecode_cache=_compiled(),
            extensions=["jinja2.ext.i18n"],
        )
        environment.install_gettext_translations(words.texts, newstyle=True)  # type: ignore[attr-defined]
        environment.filters |= {"money": words.money, "number": words.number, "date": words.date, "options": _options}
        environment.globals |= {
            "shop_name": self.settings.shop_name,
            "language": words.tag,
            "languages": [(tag, each.own_name) for tag, each in self.languages.items()],
            "asset": self.asset_url,
            "once": lambda: secrets.token_urlsafe(12),
        }
        return environment


@cache
def _compiled() -> Compiled:
    return Compiled()


def _options(options: dict[str, str]) -> str:
    return ", ".join(options.values())


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


@cache
def _assets() -> dict[str, Asset]:
    return {name: _asset(name, file) for name, file in _files(files("storefront").joinpath("static"))}


def _asset(name: str, file: Traversable) -> Asset:
    body = file.read_bytes()
    media_type = MEDIA_TYPES.get(name.rpartition(".")[2], "application/octet-stream")
    return Asset(f"/static/{sha256(body).hexdigest()[:12]}/{name}", media_type, body, gzip.compress(body, mtime=0))


def _policy(image_hosts: tuple[str, ...]) -> str:
    """The Content-Security-Policy: nothing but our own files, and pictures from where the shop's owner allows."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            " ".join(("img-src 'self' data:", *image_hosts)),
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    )
