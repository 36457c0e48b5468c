"""What the storefront is told from outside."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from shopkit.settings import ServiceSettings, setting

SECRET_SHORTEST = 32


@dataclass(frozen=True, kw_only=True)
class Settings(ServiceSettings):
    """Environment variables of the same names in capitals."""

    port: int = setting("port to listen on", 8080)
    users_url: str = setting("the users service, for accounts and sign-in", "http://127.0.0.1:3000")
    products_url: str = setting("the products service, for the catalogue and its pictures", "http://127.0.0.1:3001")
    carts_url: str = setting("the carts service", "http://127.0.0.1:3002")
    session_secret: tuple[str, ...] = setting(
        "what session cookies are encrypted with, 32 characters or more; of several, split by commas, the first seals"
    )
    call_timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=60_000)] = setting(
        "how long the services together may take for a shopper's page", 900
    )
    shop_name: str = setting("what the shop is called", "Trolley")
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z")] = setting(
        "the currency of new products and of price filters, ISO 4217", "EUR"
    )
    image_hosts: tuple[str, ...] = setting("web addresses that pictures may come from besides this one", ())

    def faults(self) -> list[str]:
        """As above."""
        found = super().faults()
        if not self.session_secret or any(len(secret) < SECRET_SHORTEST for secret in self.session_secret):
            found.append(f"SESSION_SECRET: each secret must have at least {SECRET_SHORTEST} characters")
        return found
