"""`trolley secrets`: what a cluster needs, and nothing that was there before."""

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509

NAMES = ["mongodb", "users", "products", "carts", "storefront", "backup", "grafana", "shop-tls"]
HOSTS = "mongodb-0.mongodb:27017,mongodb-1.mongodb:27017,mongodb-2.mongodb:27017"


def trolley(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trolley", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def printed(folder: Path, *options: str) -> list[dict[str, Any]]:
    run = trolley(folder, "secrets", *options)
    assert (run.returncode, run.stderr, list(folder.iterdir())) == (0, "", [])
    items: list[dict[str, Any]] = json.loads(run.stdout)["items"]
    return items


def texts(items: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """What the secrets hold, by their names."""
    return {
        item["metadata"]["name"]: {key: base64.b64decode(value).decode() for key, value in item["data"].items()}
        for item in items
        if item["kind"] == "Secret"
    }


def test_the_namespace_comes_first_and_everything_is_in_it(tmp_path: Path) -> None:
    namespace, *others = printed(tmp_path, "--namespace", "shop-2")
    assert (namespace["kind"], namespace["metadata"]["name"]) == ("Namespace", "shop-2")
    assert [item["metadata"]["name"] for item in others] == NAMES
    assert {item["metadata"]["namespace"] for item in others} == {"shop-2"}
    assert {item["metadata"]["labels"]["app.kubernetes.io/part-of"] for item in [namespace, *others]} == {"trolley"}


def test_each_service_signs_in_with_its_own_password_at_its_own_database(tmp_path: Path) -> None:
    found = texts(printed(tmp_path))
    keys = found["mongodb"]
    for name in ("users", "products", "carts"):
        password = keys[f"{name}-password"]
        url = f"mongodb://{name}:{password}@{HOSTS}/trolley_{name}?replicaSet=trolley&authSource=trolley_{name}"
        assert found[name] == {"STORE_URL": url}
    backup = f"mongodb://backup:{keys['backup-password']}@{HOSTS}/?replicaSet=trolley&authSource=admin"
    assert found["backup"] == {"MONGODB_URL": backup}
    passwords = [value for key, value in keys.items() if key != "keyfile"] + [found["grafana"]["admin-password"]]
    assert len(set(passwords)) == len(passwords) == 6
    assert all(len(password) >= 32 and password.replace("-", "").replace("_", "").isalnum() for password in passwords)
    assert len(base64.b64decode(keys["keyfile"], validate=True)) >= 6
    assert len(keys["keyfile"]) <= 1024
    assert all(urlsplit(found[name]["STORE_URL"]).username == name for name in ("users", "products", "carts"))


def test_nothing_is_printed_twice(tmp_path: Path) -> None:
    first, second = texts(printed(tmp_path)), texts(printed(tmp_path))
    assert all(first[name][key] != second[name][key] for name in first for key in first[name])


def test_the_certificate_is_for_both_hosts_and_a_year(tmp_path: Path) -> None:
    pair = texts(printed(tmp_path, "--host", "shop.example.com"))["shop-tls"]
    certificate = x509.load_pem_x509_certificate(pair["tls.crt"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example.com", "grafana.shop.example.com"]
    assert 364 <= (certificate.not_valid_after_utc - datetime.now(UTC)).days <= 365
    certificate.verify_directly_issued_by(certificate)
    assert "shop-tls" not in texts(printed(tmp_path, "--without-tls"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--namespace", "My shop"), "--namespace"),
        (("--namespace", "a.b"), "--namespace"),
        (("--namespace", "a" * 64), "--namespace"),
        (("--namespace", "shop\n"), "--namespace"),
        (("--host", "-shop"), "--host"),
        (("--host", "shop..example"), "--host"),
        (("--host", "https://shop"), "--host"),
        (("--host", ".".join(["a" * 60] * 4) + ".example"), "--host"),
    ],
)
def test_what_is_no_name_is_refused_in_one_sentence(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    run = trolley(tmp_path, "secrets", *options)
    assert (run.returncode, run.stdout, len(run.stderr.splitlines())) == (2, "", 1)
    assert said in run.stderr
