"""Images that stand in for those that cannot be pulled: `python -m tests.images.standins [NAME...]` makes them.

Each has the name, the entry point and the user of the original, made from Debian's packages. One that was
pulled is left alone.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from shopdev.mongod import MongodUnavailable, find_mongod

SUITE = "bookworm"
BASE, MONGO, PROMETHEUS = "trolley-base:test", "mongo:8.0", "prom/prometheus:v3.14.0"
# Names the recipe that an image was made by; one without it was pulled.
LABEL = "trolley.standin"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
BUILD_SECONDS = 900
# Docker passes these to a build and keeps them out of the image.
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

MONGO_ENTRYPOINT = """#!/bin/sh
# Takes what the official image's entry point takes: `mongod --options`, or options alone.
set -eu
case "${1:-}" in ''|-*) set -- mongod "$@" ;; esac
[ -z "${MONGO_INITDB_ROOT_USERNAME:-}" ] || { echo "This stand-in makes no user: it has no mongosh." >&2; exit 2; }
if [ "$1" = mongod ]; then
    case " $* " in *" --bind_ip"*) ;; *) set -- "$@" --bind_ip_all ;; esac
    if [ "$(id -u)" = 0 ]; then
        chown -R 999:999 /data/db /data/configdb
        exec setpriv --reuid=999 --regid=999 --clear-groups "$@"
    fi
fi
exec "$@"
"""
MONGO_RECIPE = f"""FROM {BASE}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends libcurl4 && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 999 mongodb && useradd --uid 999 --gid 999 --home-dir /data/db --no-log-init mongodb \\
    && mkdir -p /data/db /data/configdb && chown 999:999 /data/db /data/configdb && chmod 1777 /data/db /data/configdb
COPY mongod docker-entrypoint.sh /usr/local/bin/
VOLUME /data/db /data/configdb
EXPOSE 27017
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["mongod"]
"""
PROMETHEUS_RECIPE = f"""FROM {BASE}
RUN apt-get update -q && apt-get install -y -q --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/* \\
    && mkdir -p /prometheus && chown -R nobody:nogroup /prometheus /etc/prometheus
USER nobody
WORKDIR /prometheus
VOLUME /prometheus
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
"""


class CannotBuild(Exception):
    """An image cannot be made here; the text says why, in one sentence."""


def base() -> str:
    """A Debian with Python and this machine's certificates, the BASE of images in tests; its name."""
    command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,ca-certificates"]
    # Builds ask the registries, which may be behind an authority of this machine's own.
    command += [f"--customize-hook=copy-in {CERTIFICATES} {CERTIFICATES.parent}", SUITE]
    recipe = hashlib.sha256("\0".join(command).encode() + CERTIFICATES.read_bytes()).hexdigest()[:16]
    if is_current(BASE, recipe):
        return BASE
    if shutil.which("mmdebstrap") is None:
        raise CannotBuild("mmdebstrap is not installed; tests/images/install.sh does it.")
    with tempfile.TemporaryDirectory() as folder:
        archive = f"{folder}/base.tar"
        run([*command, archive])
        variables = [f"ENV {name}={CERTIFICATES}" for name in ("PIP_CERT", "SSL_CERT_FILE")]
        changes = [f"--change={change}" for change in (f"LABEL {LABEL}={recipe}", *variables)]
        run(["docker", "import", *changes, archive, BASE])
    return BASE


def mongo() -> str:
    """MongoDB 6.0.5 as mongo:8.0; its name."""
    try:
        program = find_mongod()
    except MongodUnavailable as error:
        raise CannotBuild(str(error)) from error
    return built(MONGO, MONGO_RECIPE, {"docker-entrypoint.sh": MONGO_ENTRYPOINT}, program)


def prometheus() -> str:
    """Debian's Prometheus under the name of the official image; its name."""
    return built(PROMETHEUS, PROMETHEUS_RECIPE, {})


STANDINS: dict[str, Callable[[], str]] = {"base": base, "mongo": mongo, "prometheus": prometheus}


def built(image: str, recipe: str, scripts: dict[str, str], *programs: Path) -> str:
    """Builds `image` from the text of a Dockerfile and its files, unless it is there already; its name."""
    below = label_of(base())
    sizes = [f"{program.name} {program.stat().st_size}" for program in programs]
    key = hashlib.sha256("\0".join([below or "", recipe, *scripts.values(), *sizes]).encode()).hexdigest()[:16]
    if is_current(image, key):
        return image
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(recipe)
        for name, text in scripts.items():
            (context / name).write_text(text)
            (context / name).chmod(0o755)
        for program in programs:
            shutil.copy(program, context / program.name)
            (context / program.name).chmod(0o755)
        run(["docker", "build", "--quiet", f"--label={LABEL}={key}", *proxy_arguments(), f"--tag={image}", folder])
    return image


def is_current(image: str, recipe: str) -> bool:
    """Whether the image was made by this recipe, or is not ours to make."""
    label = label_of(image)
    return label is not None and label in ("", recipe)


def label_of(image: str) -> str | None:
    """The recipe an image was made by; "" for one that was pulled, None where there is none."""
    command = ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', image]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return None if asked.returncode else asked.stdout.strip()


def proxy_arguments() -> list[str]:
    """What makes a build use this machine's way out."""
    return [f"--build-arg={name}={os.environ[name]}" for name in PROXIES if name in os.environ]


def run(command: list[str]) -> str:
    """What a command prints; CannotBuild with its last words where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip()
        raise CannotBuild(f"{command[0]} {command[1]} failed: {words[-2000:]}")
    return done.stdout


def main() -> None:
    """The command line."""
    names = sys.argv[1:] or list(STANDINS)
    if unknown := [name for name in names if name not in STANDINS]:
        print(f"There is no stand-in {unknown[0]}; there are {', '.join(STANDINS)}.", file=sys.stderr)
        raise SystemExit(2)
    if shutil.which("docker") is None:
        print("docker is not installed; tests/images/install.sh does it.", file=sys.stderr)
        raise SystemExit(2)
    for name in names:
        try:
            print(STANDINS[name](), flush=True)
        except CannotBuild as error:
            print(error, file=sys.stderr)
            raise SystemExit(2) from error


if __name__ == "__main__":
    main()
