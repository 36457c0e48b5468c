"""What can be set from the environment."""

import dataclasses

from shopkit.settings import StoredSettings, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(StoredSettings):
    """The settings of the users service."""

    store_url: str = setting(
        "where the data lives: sqlite:///PATH or mongodb://HOST/DATABASE", "sqlite:///.data/users.db"
    )
    port: int = setting("port to listen on", 3000)
    issuer: str = setting("issuer of access tokens, the same text in every service", "https://users.trolley.example")
    session_days: int = setting("days after its last use that a sign-in ends by itself", 30)
    hash_workers: int = setting("passwords hashed at once, 19 MiB each; 0: two for each processor", 0)
    hash_queue: int = setting("passwords that may wait to be hashed; more are told 503; 0: eight for each worker", 0)
    login_burst: int = setting("failed sign-ins at once for one account from one network", 10)
    login_interval_seconds: int = setting("seconds after which one more of those is allowed", 60)
    login_network_burst: int = setting("failed sign-ins at once from one network; one more each 5 s", 100)
    login_account_burst: int = setting(
        "failed sign-ins at once for one account from everywhere; one more each 30 s", 100
    )
    register_burst: int = setting("registrations at once from one network", 200)
    register_interval_seconds: int = setting("seconds after which one more of those is allowed", 2)

    def faults(self) -> list[str]:
        """As for every service; and what must be at least 1."""
        least = {name: 0 if name.startswith("hash_") else 1 for name in NUMBERS}
        values = dataclasses.asdict(self)
        return super().faults() + [
            f"{name.upper()} must be at least {bound}, not {values[name]}"
            for name, bound in least.items()
            if values[name] < bound
        ]


NUMBERS = (
    "session_days",
    "hash_workers",
    "hash_queue",
    "login_burst",
    "login_interval_seconds",
    "login_network_burst",
    "login_account_burst",
    "register_burst",
    "register_interval_seconds",
)
