"""Settings come from the environment, are read once, and all their faults are told together."""

import argparse
import dataclasses
import os
import sys
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Any, Literal, NoReturn, TypeVar, get_type_hints

import msgspec


def setting(help_text: str, default: Any = dataclasses.MISSING) -> Any:
    """A field of a settings class; its environment variable is the field's name in capitals."""
    return dataclasses.field(default=default, metadata={"help": help_text})


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What every service needs to know. Durations say their unit in their name."""

    host: str = setting("address to listen on", "127.0.0.1")
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = setting("port to listen on")
    shop_env: Literal["development", "production"] = setting("production refuses embedded storage", "development")
    log_level: Literal["debug", "info", "warning", "error"] = setting("least level that is logged", "info")
    log_format: Literal["json", "text"] = setting("one JSON object or one readable line an event", "json")
    max_in_flight: Annotated[int, msgspec.Meta(ge=1)] = setting("requests at work at once; more are told 503", 256)
    request_timeout_ms: Annotated[int, msgspec.Meta(ge=1)] = setting("longest time a request may take", 10_000)
    linger_seconds: Annotated[int, msgspec.Meta(ge=0, le=10)] = setting("how long all is served after SIGTERM", 0)
    trusted_proxies: tuple[str, ...] = setting("networks whose X-Forwarded-For is believed, split by commas", ())

    def faults(self) -> list[str]:
        """What is wrong although each value alone could be read; subclasses add their own to these."""
        found = list[str]()
        for network in self.trusted_proxies:
            try:
                ip_network(network, strict=False)
            except ValueError as error:
                found.append(f"TRUSTED_PROXIES: {error}")
        return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredSettings(ServiceSettings):
    """What a service with a store needs to know besides."""

    store_url: str = setting("where the data lives: sqlite:///PATH or mongodb://HOST/DATABASE")

    def faults(self) -> list[str]:
        """As above."""
        found = super().faults()
        scheme = self.store_url.partition(":")[0]
        if scheme not in {"sqlite", "mongodb", "mongodb+srv"}:
            found.append(f"STORE_URL must start with sqlite:/// or mongodb://, not {scheme}:")
        if scheme == "sqlite" and self.shop_env == "production":
            found.append("STORE_URL must be a mongodb:// address where SHOP_ENV=production: replicas share one store")
        return found


Settings = TypeVar("Settings", bound=ServiceSettings)


def read(cls: type[Settings], environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings of class `cls` from the environment; a sentence for each fault on stderr and exit code 2."""
    faults, missing = list[str](), list[str]()
    values: dict[str, Any] = {}
    # The bounds above hold too where a service names such a setting again to give it a default.
    hints = {**get_type_hints(cls, include_extras=True), **get_type_hints(ServiceSettings, include_extras=True)}
    for field in dataclasses.fields(cls):
        name, kind = field.name.upper(), hints[field.name]
        if name in environ:
            text: Any = environ[name]
            if kind == tuple[str, ...]:
                text = tuple(part.strip() for part in text.split(",") if part.strip())
            try:
                values[field.name] = msgspec.convert(text, kind, strict=False)
            except msgspec.ValidationError as error:
                (missing if field.default is dataclasses.MISSING else faults).append(f"{name}: {error}")
        elif field.default is dataclasses.MISSING:
            missing.append(f"{name} is missing: {field.metadata['help']}")
    settings = None if missing else cls(**values)
    faults += missing if settings is None else settings.faults()
    if settings is None or faults:
        fail(*faults)
    return settings


def fail(*sentences: str) -> NoReturn:
    """End a command that was used wrongly: the sentences on stderr, exit code 2."""
    print("\n".join(sentences), file=sys.stderr)
    raise SystemExit(2)


class Arguments(argparse.ArgumentParser):
    """A service's command line. Wrong use gets one sentence and exit code 2; `--help` lists the settings."""

    @classmethod
    def of(cls, name: str, description: str, settings: type[ServiceSettings]) -> "Arguments":
        """The command line of the service `name`."""
        rows = [f"  {f.name.upper():<28}{f.metadata['help']} ({f.default!r})" for f in dataclasses.fields(settings)]
        epilog = "\n".join(["settings, from the environment:", *rows])
        form = argparse.RawDescriptionHelpFormatter
        return cls(f"python -m {name}", description=description, epilog=epilog, formatter_class=form)

    def error(self, message: str) -> NoReturn:
        fail(f"{message[0].upper()}{message[1:]}; see --help.")
