"""The shop as containers: a MongoDB of one and the three services, in a network of their own."""

import asyncio
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from shopdev.ports import free_port

from .standins import mongo

PORTS = {"users": 3000, "products": 3001, "carts": 3002}
# As a cluster runs them: nothing of the image can be written, and the process may do nothing special.
CONFINED = ("--read-only", "--tmpfs=/tmp", "--user=65532:65532", "--cap-drop=ALL", "--security-opt=no-new-privileges")
READY_SECONDS = 60


def docker(*arguments: str, timeout: float = 120) -> str:
    """What a docker command prints; AssertionError with its words where it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr or done.stdout}"
    return done.stdout.strip()


class Container:
    """A service in a container, to be used as `shopdev.clients.Process` is."""

    def __init__(self, name: str, image: str, network: str, **environment: str) -> None:
        self.name = name
        self.container = f"{network}-{name}"
        # Docker's own choice would be another after each start.
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        settings = [f"--env={key}={value}" for key, value in {"LOG_LEVEL": "warning", **environment}.items()]
        place = [f"--network={network}", f"--network-alias={name}", f"--publish=127.0.0.1:{port}:{PORTS[name]}"]
        docker("create", f"--name={self.container}", *place, *CONFINED, *settings, image)

    async def start(self, ready_seconds: float = READY_SECONDS) -> "Container":
        """Starts it and waits until it is ready."""
        docker("start", self.container)
        give_up = time.monotonic() + ready_seconds
        last_words = "it does not answer"
        async with httpx.AsyncClient(base_url=self.url) as client:
            while time.monotonic() < give_up:
                try:
                    answer = await client.get("/readyz")
                    if answer.status_code == 200:
                        return self
                    last_words = answer.text
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        raise AssertionError(f"{self.name} did not become ready: {last_words}\n{self.log()}")

    def command(self, *arguments: str) -> None:
        """Runs a command of the service, in its container."""
        docker("exec", self.container, "python3", "-m", self.name, *arguments)

    def kill(self) -> None:
        """kill -9."""
        docker("kill", self.container)

    def stop(self) -> None:
        """SIGTERM, and waits for the end."""
        docker("stop", "--time=30", self.container)

    def pause(self) -> None:
        """It hangs: connections are taken, and nothing is answered."""
        docker("pause", self.container)

    def resume(self) -> None:
        """It goes on where it was."""
        docker("unpause", self.container)

    def log(self) -> str:
        """What it logged last."""
        asked = subprocess.run(
            ["docker", "logs", "--tail=40", self.container], capture_output=True, text=True, timeout=60, check=False
        )
        return asked.stdout + asked.stderr


@contextmanager
def network() -> Iterator[str]:
    """A network of this test's own; what is in it is removed with it."""
    name = f"trolley-images-{secrets.token_hex(4)}"
    docker("network", "create", name)
    try:
        yield name
    finally:
        if inside := docker("ps", "--all", "--quiet", f"--filter=network={name}"):
            docker("rm", "--force", "--volumes", *inside.split())
        docker("network", "rm", name)


def start_mongo(network: str) -> str:
    """A replica set of one as `mongo` in the network; the URL without a database, for services."""
    port = free_port()
    place = [f"--network={network}", "--network-alias=mongo", f"--publish=127.0.0.1:{port}:27017"]
    options = ["--replSet", "trolley", "--wiredTigerCacheSizeGB", "0.25"]
    docker("run", "--detach", f"--name={network}-mongo", *place, mongo(), "mongod", *options)
    config = {"_id": "trolley", "members": [{"_id": 0, "host": "mongo:27017"}]}
    give_up = time.monotonic() + READY_SECONDS
    client: MongoClient[dict[str, object]] = MongoClient(
        f"mongodb://127.0.0.1:{port}/?directConnection=true", serverSelectionTimeoutMS=500
    )
    with client:
        while time.monotonic() < give_up:
            try:
                if client.admin.command("hello").get("isWritablePrimary"):
                    return "mongodb://mongo:27017/?replicaSet=trolley"
                client.admin.command("replSetInitiate", config)
            except PyMongoError:
                # It does not listen yet, or has been initiated and elects itself.
                pass
            time.sleep(0.1)
    raise AssertionError("The MongoDB in a container did not become ready.")


@contextmanager
def services(images: str) -> Iterator[dict[str, Container]]:
    """The three services of `images`, a name with NAME in the service's place, not started yet."""
    with ExitStack() as stack:
        place = stack.enter_context(network())
        address, _, options = start_mongo(place).partition("?")
        urls = {f"{name.upper()}_URL": f"http://{name}:{port}" for name, port in PORTS.items()}
        yield {
            name: Container(
                name, images.replace("NAME", name), place, STORE_URL=f"{address}shop_{name}?{options}",
                SHOP_ENV="production", **{key: url for key, url in urls.items() if not key.startswith(name.upper())},
            )
            for name in PORTS
        }  # fmt: skip
