"""compose.yaml as it is used: a project of its own, its containers by the names of their services."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shopdev.fixtures import require

from .containers import PORTS, Container, docker

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 900


def program() -> list[str]:
    """Docker's plugin, or else the program of its own, whatever its version; skips where there is neither."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            asked = subprocess.run([*command, "version"], capture_output=True, timeout=60, check=False)
            if asked.returncode == 0:
                return command
    require("docker", "docker compose is not installed; tests/images/install.sh does it")
    raise AssertionError


class Project:
    """A project of compose.yaml. `settings` are its variables: ports, the tag of images."""

    def __init__(self, name: str, settings: Mapping[str, str]) -> None:
        self.name = name
        self._program = program()
        kept = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
        self._environment = {**kept, **settings, "COMPOSE_PROJECT_NAME": name}

    def run(self, *arguments: str) -> tuple[str, str]:
        """What a command prints on stdout and stderr; AssertionError with its words where it fails."""
        done = subprocess.run(
            [*self._program, *arguments], cwd=ROOT, env=self._environment,
            capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {(done.stderr or done.stdout)[-4000:]}\n{self.logs()}"
        return done.stdout, done.stderr

    def logs(self) -> str:
        """What all containers said last."""
        shown = subprocess.run(
            [*self._program, "logs", "--tail=20"], cwd=ROOT, env=self._environment,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return shown.stdout[-8000:]

    def container(self, service: str) -> str:
        """The id of the service's container, also of one that has ended."""
        return container_of(self.name, service)

    def inspect(self, service: str) -> dict[str, Any]:
        """What Docker knows of the container."""
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.container(service)))
        return found[0]

    def python(self, service: str, code: str) -> str:
        """What the code prints when it is run in the service's container, as that service's user."""
        return docker("exec", self.container(service), "python3", "-c", code)


def container_of(project: str, service: str) -> str:
    """The id of the one container that the service has."""
    labels = {"project": project, "service": service}
    filters = [f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items()]
    found = docker("ps", "--all", "--quiet", *filters).split()
    assert len(found) == 1, f"{service} of {project} has {len(found)} containers"
    return found[0]


class Composed(Container):
    """A service of a project, to be used as other containers are."""

    def __init__(self, project: str, name: str) -> None:
        self.name = name
        self.container = container_of(project, name)
        self.url = f"http://{docker('port', self.container, f'{PORTS[name]}/tcp').splitlines()[0]}"

    def command(self, *arguments: str) -> None:
        """Runs a command of the service beside it, with its secrets, as the guide says."""
        docker("exec", self.container, "python3", "-m", "shopserver.told", "/secrets", self.name, *arguments)


def attached(project: str) -> dict[str, Composed]:
    """The services of a project that runs already."""
    return {name: Composed(project, name) for name in PORTS}
