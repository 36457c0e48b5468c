"""What the products service is told from outside."""

from dataclasses import dataclass

from shopkit.settings import StoredSettings, setting


@dataclass(frozen=True, kw_only=True)
class Settings(StoredSettings):
    """Environment variables of the same names in capitals."""

    store_url: str = setting(
        "where products live: sqlite:///PATH or mongodb://HOST/DATABASE", "sqlite:///.data/products.db"
    )
    port: int = setting("port to listen on", 3001)
    users_url: str = setting("the users service, for the keys that sign access tokens", "http://127.0.0.1:3000")
    issuer: str = setting("who must have issued access tokens", "https://users.trolley.example")
    images_dir: str = setting("folder whose pictures are served under /images; empty for none", "")
    view_dir: str = setting("folder of the read view, of this replica alone; empty: made anew at each start", "")
