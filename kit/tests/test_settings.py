"""Settings: read once, all their faults told together, and exit code 2 for whoever starts a service wrongly."""

import dataclasses

import pytest

from shopkit.settings import Arguments, StoredSettings, read, setting

SQLITE = "sqlite:///.data/tiny.db"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TinySettings(StoredSettings):
    store_url: str = setting("where things live", SQLITE)
    port: int = setting("port to listen on", 3999)
    issuer_url: str = setting("who signs tokens")
    share: float = setting("how much is kept", 0.5)

    def faults(self) -> list[str]:
        return [*super().faults(), *([] if self.share <= 1 else [f"SHARE must be at most 1, not {self.share}"])]


def told(capsys: pytest.CaptureFixture[str], cls: type[StoredSettings], **environ: str) -> list[str]:
    """The sentences on stderr of a start that is refused."""
    with pytest.raises(SystemExit) as ended:
        read(cls, environ)
    assert ended.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.splitlines()


def test_defaults_hold_for_what_is_not_set() -> None:
    settings = read(TinySettings, {"ISSUER_URL": "http://users", "HOME": "/root", "UNHEARD_OF": "1"})
    assert settings == TinySettings(issuer_url="http://users")
    assert (settings.store_url, settings.port, settings.host, settings.shop_env) == (
        SQLITE,
        3999,
        "127.0.0.1",
        "development",
    )


def test_texts_become_what_the_fields_are() -> None:
    proxies = " 10.0.0.0/8, ::1 ,"
    environ = {"ISSUER_URL": "x", "PORT": "80", "SHARE": "0.25", "LOG_LEVEL": "error", "TRUSTED_PROXIES": proxies}
    settings = read(TinySettings, environ)
    assert (settings.port, settings.share, settings.log_level) == (80, 0.25, "error")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1")
    assert read(TinySettings, environ | {"TRUSTED_PROXIES": ""}).trusted_proxies == ()


def test_all_faults_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    sentences = told(capsys, TinySettings, PORT="many", LOG_LEVEL="loud", MAX_IN_FLIGHT="1.5")
    assert [sentence.split(" ")[0].rstrip(":") for sentence in sentences] == [
        "PORT",
        "LOG_LEVEL",
        "MAX_IN_FLIGHT",
        "ISSUER_URL",
    ]
    assert sentences[-1] == "ISSUER_URL is missing: who signs tokens"


def test_faults_that_need_a_second_look_are_told_with_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"ISSUER_URL": "x", "SHARE": "2", "STORE_URL": "postgres://db/things", "PORT": "0", "LOG_FORMAT": "xml"}
    sentences = told(capsys, TinySettings, **environ)
    assert {sentence.split(" ")[0].rstrip(":") for sentence in sentences} == set(environ) - {"ISSUER_URL"}


def test_a_needed_setting_that_cannot_be_read_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    (sentence,) = told(capsys, StoredSettings, STORE_URL=SQLITE, PORT="many")
    assert sentence.startswith("PORT: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "0"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("MAX_IN_FLIGHT", "0"),
        ("REQUEST_TIMEOUT_MS", "0"),
        ("LINGER_SECONDS", "-1"),
        ("LINGER_SECONDS", "11"),
        ("LINGER_SECONDS", "a while"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,the one in front"),
    ],
)
def test_what_makes_no_sense_is_refused(capsys: pytest.CaptureFixture[str], name: str, text: str) -> None:
    (sentence,) = told(capsys, TinySettings, **{"ISSUER_URL": "x", name: text})
    assert sentence.startswith(f"{name}: ")


def test_production_refuses_embedded_storage(capsys: pytest.CaptureFixture[str]) -> None:
    (sentence,) = told(capsys, TinySettings, ISSUER_URL="x", SHOP_ENV="production")
    assert "SHOP_ENV=production" in sentence
    mongo = {"ISSUER_URL": "x", "SHOP_ENV": "production", "STORE_URL": "mongodb://db/tiny"}
    assert read(TinySettings, mongo).shop_env == "production"


@pytest.mark.parametrize("url", ["postgres://db/things", "things.db", "", "SQLITE:///x.db"])
def test_only_stores_we_have_can_be_named(capsys: pytest.CaptureFixture[str], url: str) -> None:
    (sentence,) = told(capsys, TinySettings, ISSUER_URL="x", STORE_URL=url)
    assert sentence.startswith("STORE_URL must")


def test_settings_do_not_change_once_read() -> None:
    settings = read(TinySettings, {"ISSUER_URL": "x"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Arguments.of("tiny", "Things.", TinySettings).parse_args(["--help"])
    assert ended.value.code == 0
    output = capsys.readouterr().out
    for field in dataclasses.fields(TinySettings):
        assert f"  {field.name.upper()} " in output
        assert field.metadata["help"] in output


def test_wrong_use_is_told_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        Arguments.of("tiny", "Things.", TinySettings).parse_args(["--loud"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "Unrecognized arguments: --loud; see --help.\n"
