"""`trolley secrets`: everything secret that the shop needs in a cluster, as objects of Kubernetes."""

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trolley.preparing import KEY_FILE, USERS
from trolley.services import IN_A_ROW as SERVICES

MEMBERS = ",".join(f"mongodb-{number}.mongodb:27017" for number in range(3))
REPLICA_SET = "trolley"
PASSWORD_BYTES = 24
# In base64 1,008 characters without padding; mongod takes 1,024.
KEY_BYTES = 756
VALID = timedelta(days=365)
# Clocks of clients may be behind.
VALID_BEFORE = timedelta(minutes=5)

Object = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for. Both are valid names; `with_tls` is for a certificate that nobody vouches for."""

    namespace: str
    host: str
    with_tls: bool


def as_json(wanted: Wanted, now: datetime) -> str:
    """A List for `kubectl create -f -`: the namespace, then the secrets, random anew with each call."""
    items = [_object(wanted, "Namespace", wanted.namespace), *_secrets(wanted)]
    if wanted.with_tls:
        items.append(_tls(wanted, now))
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2)


def _secrets(wanted: Wanted) -> list[Object]:
    passwords = {name: password() for name in USERS}
    members = {KEY_FILE: key_file()} | {f"{name}-password": passwords[name] for name in USERS}
    reached = addresses(passwords, MEMBERS)
    return [
        _secret(wanted, "mongodb", members),
        *(_secret(wanted, name, reached[name]) for name in SERVICES),
        _secret(wanted, "storefront", {"SESSION_SECRET": session_secret()}),
        _secret(wanted, "backup", reached["backup"]),
        _secret(wanted, "grafana", {"admin-password": password()}),
    ]


def password() -> str:
    """A new one, of letters that need no escape in a URL."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def session_secret() -> str:
    """A new one of the storefront."""
    return secrets.token_urlsafe(32)


def key_file() -> str:
    """A new one for the members."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def addresses(passwords: Mapping[str, str], members: str) -> dict[str, dict[str, str]]:
    """By whom it is for, the variable that says how the store is reached; members are HOST:PORT, split by commas."""
    urls = {name: mongodb_url(name, passwords[name], members, f"trolley_{name}") for name in SERVICES}
    backup = mongodb_url("backup", passwords["backup"], members, "admin", database="")
    return {name: {"STORE_URL": url} for name, url in urls.items()} | {"backup": {"MONGODB_URL": backup}}


def mongodb_url(user: str, password: str, members: str, source: str, database: str | None = None) -> str:
    """How the user reaches the replica set; `source` is the database that knows the user."""
    path = source if database is None else database
    return f"mongodb://{user}:{password}@{members}/{path}?replicaSet={REPLICA_SET}&authSource={source}"


def _tls(wanted: Wanted, now: datetime) -> Object:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trolley, for trying out")])
    hosts = [x509.DNSName(wanted.host), x509.DNSName(f"grafana.{wanted.host}")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - VALID_BEFORE)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pair = {"tls.crt": certificate.public_bytes(serialization.Encoding.PEM).decode(), "tls.key": private.decode()}
    return _secret(wanted, "shop-tls", pair, "kubernetes.io/tls")


def _secret(wanted: Wanted, name: str, texts: dict[str, str], type: str = "Opaque") -> Object:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return _object(wanted, "Secret", name) | {"type": type, "data": data}


def _object(wanted: Wanted, kind: str, name: str) -> Object:
    metadata: Object = {"name": name, "labels": {"app.kubernetes.io/part-of": "trolley"}}
    if kind != "Namespace":
        metadata["namespace"] = wanted.namespace
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}
