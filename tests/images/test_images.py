"""What an image holds, how it says so, and that it runs confined."""

import json
import subprocess
import time
from typing import Any

import httpx
import pytest

from shopdev.ports import free_port

from .conftest import OURS, ROOT, TARGETS
from .containers import CONFINED, PORTS, docker

ALL_PORTS = {**PORTS, "storefront": 8080}
# What those of our own that are no service are imported as.
IMPORTED = {"server": "shopserver", "kit": "shopkit", "files": "shopfiles", "launcher": "trolley"}
MEGABYTE = 1_000_000
# What a service may add to its base, which a node that has the base must pull.
LIMIT = 60 * MEGABYTE


def inspect(image: str) -> dict[str, Any]:
    """What Docker says of an image."""
    found: list[dict[str, Any]] = json.loads(docker("image", "inspect", image))
    return found[0]


def python(image: str, code: str) -> str:
    """What a piece of Python prints in the image."""
    return docker("run", "--rm", *CONFINED, "--network=none", "--entrypoint=python3", image, "-c", code)


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_it_is_and_how_it_runs(images: dict[str, str], revision: str, target: str) -> None:
    config = inspect(images[target])["Config"]
    module = "trolley" if target == "tools" else target
    assert config["User"] == "65532:65532"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["python3", "-m", module]
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    assert (environment["PYTHONDONTWRITEBYTECODE"], environment["PYTHONUNBUFFERED"]) == ("1", "1")
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["title"] == f"trolley-{target}"
    assert labels["revision"] == revision
    assert {"version", "created"} <= labels.keys()
    if target != "tools":
        assert f"{ALL_PORTS[target]}/tcp" in config["ExposedPorts"]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_holds_the_kit_its_own_package_and_nothing_else_of_ours(images: dict[str, str], target: str) -> None:
    code = "import os; print(*sorted(n for n in os.listdir('/app') if os.path.isdir('/app/' + n)))"
    folders = {
        name for name in python(images[target], code).split() if not name.endswith((".dist-info", "__pycache__"))
    }
    assert folders == {IMPORTED.get(name, name) for name in OURS[target]}
    walk = "for top in ('/app', '/needs') for folder, below, files in os.walk(top) for name in below + files"
    code = f"import os; print(*(folder + '/' + name {walk}), sep='\\n')"
    paths = python(images[target], code).splitlines()
    assert paths
    strange = [path for path in paths if "/tests/" in path or "shopdev" in path or path.endswith((".c", ".pyx"))]
    assert strange == []
    assert not [path for path in paths if path.startswith(("/needs/pytest", "/needs/hypothesis", "/needs/pip/"))]


@pytest.mark.parametrize("target", TARGETS)
def test_every_module_has_bytecode_that_no_time_makes_stale(images: dict[str, str], target: str) -> None:
    code = """
import importlib.util, pathlib
bad = []
for top in ("/app", "/needs"):
    for source in pathlib.Path(top).rglob("*.py"):
        made = pathlib.Path(importlib.util.cache_from_source(str(source)))
        flags = int.from_bytes(made.read_bytes()[4:8], "little") if made.exists() else None
        if flags != 1:
            bad.append((str(source), flags))
print(bad)
"""
    # 1: a hash instead of a time, and never compared.
    assert python(images[target], code) == "[]"


@pytest.mark.parametrize("target", sorted(ALL_PORTS))
def test_a_service_runs_confined_and_ends_with_0_on_sigterm(images: dict[str, str], target: str) -> None:
    port = free_port()
    name = f"trolley-images-confined-{target}-{port}"
    published = f"--publish=127.0.0.1:{port}:{ALL_PORTS[target]}"
    # In development each keeps its data in files; of these it is told a place that can be written.
    settings = ["--env=STORE_URL=sqlite:////tmp/store.db"] if target in PORTS else [f"--env=SESSION_SECRET={'s' * 32}"]
    docker("run", "--detach", f"--name={name}", published, *CONFINED, *settings, images[target])
    try:
        give_up = time.monotonic() + 60
        while True:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.TransportError:
                assert docker("inspect", "--format={{.State.Running}}", name) == "true", "it has ended"
                assert time.monotonic() < give_up, "it does not answer"
                time.sleep(0.2)
        assert answer.status_code == 200
        assert docker("exec", name, "python3", "-c", "import os; print(os.getuid(), os.getgid())") == "65532 65532"
        docker("exec", name, *inspect(images[target])["Config"]["Healthcheck"]["Test"][1:])
        docker("stop", "--time=25", name)
        assert docker("inspect", "--format={{.State.ExitCode}}", name) == "0"
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False)


@pytest.mark.parametrize("target", TARGETS)
def test_a_wrong_argument_gets_one_sentence_and_exit_code_2(images: dict[str, str], target: str) -> None:
    command = ["docker", "run", "--rm", *CONFINED, "--network=none", images[target], "--no-such-option"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("target", sorted(ALL_PORTS))
def test_a_service_adds_at_most_60_megabytes_to_its_base(images: dict[str, str], base_image: str, target: str) -> None:
    added = inspect(images[target])["Size"] - inspect(base_image)["Size"]
    assert 0 < added <= LIMIT, f"{target} adds {added / MEGABYTE:.1f} MB"


def test_nothing_but_sources_and_locks_is_sent_to_the_builder() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert rules.index("*") < min(rules.index(rule) for rule in rules if rule.startswith("!"))
    assert "**/tests" in rules
