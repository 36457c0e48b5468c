"""What the carts service is told from outside."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from shopkit.settings import StoredSettings, setting


@dataclass(frozen=True, kw_only=True)
class Settings(StoredSettings):
    """Environment variables of the same names in capitals."""

    store_url: str = setting("where carts live: sqlite:///PATH or mongodb://HOST/DATABASE", "sqlite:///.data/carts.db")
    port: int = setting("port to listen on", 3002)
    users_url: str = setting("the users service, for the keys that sign access tokens", "http://127.0.0.1:3000")
    products_url: str = setting("the products service, for prices and stock", "http://127.0.0.1:3001")
    issuer: str = setting("who must have issued access tokens", "https://users.trolley.example")
    catalogue_fresh_ms: Annotated[int, msgspec.Meta(ge=0)] = setting(
        "while the feed does not tell, how long a price or stock once seen counts as the present one; 0: not at all", 0
    )
    remembered_mib: Annotated[int, msgspec.Meta(ge=0)] = setting(
        "how many MiB of carts that were seen lately are remembered, so that they need not be read and encoded again",
        64,
    )
