"""compose.yaml: `docker compose up` alone makes a shop, and nothing is lost by going down, coming up or a kill -9."""

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import yaml

from shopdev.ports import free_port

from .composed import ROOT, Project
from .containers import docker
from .standins import CannotBuild, mongo, prometheus, proxy_arguments
from .test_registry import run_suite

# Of this process alone: another run beside it removes its own.
TAG = f"compose-test-{os.getpid()}"
OWN = ("secrets", "prepare", "users", "products", "carts", "storefront", "sample")
STORED = ("users", "products", "carts")
PASSWORD = "correct horse battery staple"
PUBLISHED = ("USERS", "PRODUCTS", "CARTS", "STOREFRONT", "PROMETHEUS", "GRAFANA")

Clients = dict[str, httpx.Client]


def new_project() -> Project:
    ports = {f"{name}_PORT": str(free_port()) for name in PUBLISHED}
    return Project(f"compose-{secrets.token_hex(4)}", {**ports, "TAG": TAG, "BASE": "trolley-base:test"})


@pytest.fixture(scope="module")
def shop(base_image: str) -> Iterator[Project]:
    """The shop as compose.yaml builds and starts it, with Prometheus; Grafana's image cannot be had everywhere."""
    assert base_image == "trolley-base:test"
    try:
        mongo()
        prometheus()
    except CannotBuild as error:
        pytest.fail(str(error))
    project = new_project()
    try:
        project.run("build", *build_arguments())
        project.run("up", "--detach")
        until(lambda: project.inspect("sample")["State"]["Status"] == "exited")
        project.run("up", "--detach", "prometheus")
        yield project
    finally:
        project.run("--profile", "monitoring", "--profile", "backup", "down", "--volumes", "--timeout", "30")
        subprocess.run(["docker", "rmi", *(f"trolley/{name}:{TAG}" for name in (*STORED, "storefront", "tools"))],
                       capture_output=True, timeout=120, check=False)  # fmt: skip


def build_arguments() -> list[str]:
    """What makes a build find packages from this machine."""
    found = [argument.removeprefix("--build-arg=") for argument in proxy_arguments()]
    if index := os.environ.get("PIP_INDEX_URL"):
        found.append(f"PIP_INDEX_URL={index}")
    return [part for argument in found for part in ("--build-arg", argument)]


def until(fits: Callable[[], bool], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not fits():
        assert time.monotonic() < give_up, "it did not come about in time"
        time.sleep(0.2)


def address(project: Project, service: str, port: int) -> str:
    return f"http://{docker('port', project.container(service), f'{port}/tcp').splitlines()[0]}"


@pytest.fixture(scope="module")
def clients(shop: Project) -> Iterator[Clients]:
    """One for each service that is published; addresses stay the same however often it goes down and up."""
    ports = {"users": 3000, "products": 3001, "carts": 3002, "storefront": 8080}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(httpx.Client(base_url=address(shop, name, port), timeout=20))
            for name, port in ports.items()
        }


def services_of(project: Project) -> dict[str, dict[str, Any]]:
    printed, complaints = project.run("--profile", "monitoring", "--profile", "backup", "config")
    assert complaints == ""
    services: dict[str, dict[str, Any]] = yaml.safe_load(printed)["services"]
    return services


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.usefixtures("base_image")
def test_the_file_is_taken_without_a_complaint_and_confines_everything() -> None:
    services = services_of(new_project())
    assert set(services) == {*OWN, "mongodb", "prometheus", "grafana", "backup", "restore"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["user" if name in ("mongodb", "secrets", "prometheus", "grafana") else "image"], name
        assert ("healthcheck" in service) is (service["restart"] == "unless-stopped"), name
        assert "privileged" not in service, name
        assert "/tmp" in service["tmpfs"], name
    assert {name for name, service in services.items() if "cap_add" in service} == {"secrets"}
    inside = {name for name, service in services.items() if "stores" in service.get("networks", {})}
    assert inside == {"mongodb", "prepare", *STORED, "sample", "backup", "restore"}


@pytest.mark.usefixtures("base_image")
def test_what_is_published_is_for_this_machine_alone_and_what_is_built_has_its_name() -> None:
    services = services_of(new_project())
    published = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert set(published) == {*STORED, "storefront", "prometheus", "grafana"}
    assert all("127.0.0.1" in str(ports) for ports in published.values())
    built = {name: service for name, service in services.items() if "build" in service}
    assert set(built) == {"secrets", *STORED, "storefront"}
    for name, service in built.items():
        target = "tools" if name == "secrets" else name
        assert (service["build"]["target"], service["image"]) == (target, f"trolley/{target}:{TAG}")


def test_the_first_start_alone_makes_a_shop_to_look_at(shop: Project, clients: Clients) -> None:
    assert shop.inspect("sample")["State"]["ExitCode"] == 0
    page = clients["storefront"].get("/")
    first = clients["products"].get("/products", params={"limit": 1}).json()["items"][0]
    assert page.status_code == 200
    picture = clients["products"].get(f"/images/{first['slug']}.svg")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/svg+xml")
    assert is_ready(clients["storefront"])
    said, _ = shop.run("logs", "sample")
    password = said.split("with the password ")[1].split()[0]
    signed_in = clients["users"].post("/login", json={"email": "staff@trolley.example", "password": password})
    assert "staff" in signed_in.json()["user"]["roles"]


def test_secrets_are_seen_by_those_alone_whom_they_are_for(shop: Project) -> None:
    seen = {name: shop.python(name, "import os; print(os.listdir('/secrets'))") for name in (*STORED, "storefront")}
    assert seen == {**dict.fromkeys(STORED, "['STORE_URL']"), "storefront": "['SESSION_SECRET']"}
    for name in (*STORED, "storefront"):
        shown = " ".join(shop.inspect(name)["Config"]["Env"])
        assert "STORE_URL" not in shown
        assert "SESSION_SECRET" not in shown
        with pytest.raises(AssertionError, match="Read-only file system"):
            shop.python(name, "open('/secrets/MORE', 'w')")
        with pytest.raises(AssertionError, match="Read-only file system"):
            shop.python(name, "open('/here', 'w')")


def test_mongodb_is_reached_by_its_users_alone(shop: Project) -> None:
    assert not any(shop.inspect("mongodb")["NetworkSettings"]["Ports"].values())
    with pytest.raises(AssertionError, match=r"gaierror|timed out|unreachable"):
        shop.python("storefront", "import socket; socket.create_connection(('mongodb', 27017), 3)")
    url = "open('/secrets/STORE_URL').read()"
    ask = "import pymongo; print(pymongo.MongoClient({url})[{name!r}].carts.find_one())"
    with pytest.raises(AssertionError, match="requires authentication"):
        shop.python("users", ask.format(url="'mongodb://mongodb:27017/?directConnection=true'", name="trolley_users"))
    with pytest.raises(AssertionError, match="not authorized on trolley_carts"):
        shop.python("users", ask.format(url=url, name="trolley_carts"))
    assert shop.python("users", ask.format(url=url, name="trolley_users")) == "None"


def test_prometheus_has_all_services_and_nobody_else_has_their_figures(shop: Project, clients: Clients) -> None:
    prometheus_url = address(shop, "prometheus", 9090)

    def up() -> dict[str, str]:
        try:
            found = httpx.get(f"{prometheus_url}/api/v1/targets", timeout=10).json()["data"]["activeTargets"]
        except (httpx.TransportError, json.JSONDecodeError):
            return {}
        return {target["labels"]["service"]: target["health"] for target in found}

    until(lambda: up() == dict.fromkeys((*STORED, "storefront"), "up"))
    until(lambda: shop.inspect("prometheus")["State"]["Health"]["Status"] == "healthy")
    assert {client.get("/metrics").status_code for client in clients.values()} == {404}


def test_grafana_finds_what_it_shows_where_kubernetes_finds_it(shop: Project) -> None:
    places = [str(volume) for volume in services_of(shop)["grafana"]["volumes"]]
    for name in ("datasources.yaml", "dashboards.yaml", "shop.json"):
        assert any(f"deploy/kubernetes/base/grafana/{name}" in place for place in places)
        assert (ROOT / "deploy/kubernetes/base/grafana" / name).is_file()


def test_the_end_to_end_suite_passes(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_COMPOSE", shop.name)
    passed = run_suite("")
    assert " passed" in passed
    assert "skipped" not in passed


def remembered(clients: Clients) -> Callable[[], None]:
    """Makes a cart and an account; what is returned looks whether they are still what they were."""
    product = clients["products"].get("/products", params={"in_stock": "true", "limit": 1}).json()["items"][0]
    made = clients["carts"].post("/carts", json={})
    cart, token = made.json(), {"Cart-Token": made.json()["token"]}
    line = {"sku": product["variants"][0]["sku"], "quantity": 1}
    assert clients["carts"].post(f"/carts/{cart['id']}/lines", json=line, headers=token).is_success
    account = {"email": f"{secrets.token_hex(6)}@example.com", "password": PASSWORD}
    assert clients["users"].post("/register", json=account).status_code == 201

    def look() -> None:
        until(lambda: all(is_ready(client) for client in clients.values()))
        found = clients["carts"].get(f"/carts/{cart['id']}", headers=token).json()
        assert [(kept["sku"], kept["quantity"]) for kept in found["lines"]] == [(line["sku"], 1)]
        assert clients["users"].post("/login", json=account).status_code == 200
        assert clients["products"].get(f"/products/{product['id']}").json() == product

    return look


def test_mongodb_killed_comes_back_by_itself_with_all_that_was_acknowledged(shop: Project, clients: Clients) -> None:
    look = remembered(clients)
    before = shop.inspect("mongodb")["State"]
    os.kill(before["Pid"], signal.SIGKILL)
    until(lambda: shop.inspect("mongodb")["State"]["Pid"] not in (0, before["Pid"]))
    assert shop.inspect("mongodb")["RestartCount"] == 1
    look()
    assert all(shop.inspect(name)["RestartCount"] == 0 for name in (*STORED, "storefront"))


def test_going_down_is_polite_and_coming_up_finds_everything(shop: Project, clients: Clients) -> None:
    look = remembered(clients)
    secret = shop.python("users", "print(open('/secrets/STORE_URL').read())")
    began = time.monotonic()
    shop.run("stop")
    assert time.monotonic() - began < 60
    codes = {name: shop.inspect(name)["State"]["ExitCode"] for name in (*STORED, "storefront", "mongodb")}
    assert set(codes.values()) == {0}, codes
    shop.run("--profile", "monitoring", "down")
    shop.run("up", "--detach")
    look()
    assert shop.python("users", "print(open('/secrets/STORE_URL').read())") == secret
    until(lambda: shop.inspect("sample")["State"]["Status"] == "exited")
    said, _ = shop.run("logs", "sample")
    assert "has the password" in said
    assert "with the password" not in said


def test_a_backup_is_made_while_it_runs_and_put_back_while_it_is_stopped(shop: Project, clients: Clients) -> None:
    look = remembered(clients)
    shop.run("run", "--rm", "backup")
    email = f"{secrets.token_hex(6)}@example.com"
    assert clients["users"].post("/register", json={"email": email, "password": PASSWORD}).status_code == 201
    shop.run("stop", *STORED, "storefront")
    made, _ = shop.run("run", "--rm", "--entrypoint", "ls", "backup", "/data")
    shop.run("run", "--rm", "restore", f"/data/{made.split()[-1]}", "--replace")
    shop.run("up", "--detach")
    look()
    later = clients["users"].post("/login", json={"email": email, "password": PASSWORD})
    assert later.json()["code"] == "invalid_credentials"
