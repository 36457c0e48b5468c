"""Who reaches whom: by the network policies, and from outside by the Ingress and what stands for it."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from .objects import SERVICES, TREE, Object, label, of_kind, one, template, workloads

Rendered = Callable[[str], list[Object]]
Edge = tuple[str, str, Any]

SHOP = {
    ("products", "users", 3000),
    ("carts", "users", 3000),
    ("carts", "products", 3001),
    ("storefront", "users", 3000),
    ("storefront", "products", 3001),
    ("storefront", "carts", 3002),
}
MEASURED = {("prometheus", name, port) for name, port in SERVICES.items()}
STORED = {(name, "mongodb", 27017) for name in ("users", "products", "carts", "mongodb", "mongodb-prepare", "backup")}
ALLOWED = SHOP | MEASURED | STORED | {("grafana", "prometheus", 9090)}

# Of the services' own documents, what is not for the outside, and why.
META = {"/", "/healthz", "/readyz"}
INNER = {"/changes": "a position in it means something to one replica alone, and the Ingress asks any"}


def chosen(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a selector selects a pod."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    lists = selector.get("matchExpressions", [])
    assert all(rule["operator"] == "In" for rule in lists)
    return wanted and all(labels.get(rule["key"]) in rule["values"] for rule in lists)


def pods_of(things: list[Object]) -> dict[str, Object]:
    """The pods by the name of what makes them."""
    return {workload["metadata"]["name"]: template(workload) for workload in workloads(things)}


def ports_of(pods: Object) -> dict[str, int]:
    """The ports of a pod by name."""
    given = (port for container in pods["spec"]["containers"] for port in container.get("ports", []))
    return {port["name"]: port["containerPort"] for port in given}


def opened(things: list[Object], direction: str, subject: Object, peer: Object, target: Object) -> set[int]:
    """The TCP ports of `target` that the policies on `subject` open for `peer`."""
    field = {"Ingress": "from", "Egress": "to"}[direction]
    found = set[int]()
    for policy in of_kind(things, "NetworkPolicy"):
        spec = policy["spec"]
        if direction not in spec["policyTypes"] or not chosen(spec["podSelector"], subject["metadata"]["labels"]):
            continue
        for rule in spec.get(direction.lower(), []):
            peers = [p["podSelector"] for p in rule[field] if set(p) == {"podSelector"}]
            if any(chosen(selector, peer["metadata"]["labels"]) for selector in peers):
                found |= {ports_of(target).get(port["port"], port["port"]) for port in rule["ports"]}
    return found


def test_exactly_the_edges_that_exist_are_open(rendered: Rendered) -> None:
    things = rendered("dev")
    pods = pods_of(things)
    outward, inward = set[Edge](), set[Edge]()
    for (source, sender), (target, receiver) in product(pods.items(), repeat=2):
        outward |= {(source, target, port) for port in opened(things, "Egress", sender, receiver, receiver)}
        inward |= {(source, target, port) for port in opened(things, "Ingress", receiver, sender, receiver)}
    assert outward == ALLOWED
    assert inward == ALLOWED


def test_the_second_version_has_the_edges_of_the_first(rendered: Rendered) -> None:
    things = rendered("dev+canary")
    pods = pods_of(things)
    for other in pods.values():
        for direction in ("Ingress", "Egress"):
            first, second = (
                opened(things, direction, pods[name], other, other if direction == "Egress" else pods[name])
                for name in ("carts", "carts-canary")
            )
            assert first == second


def test_nobody_reaches_anybody_else(things: list[Object]) -> None:
    deny = one(things, "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    beyond = []
    for policy in of_kind(things, "NetworkPolicy"):
        for direction, field in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction, []):
                assert rule[field], "an empty list is everybody"
                assert rule["ports"], "an empty list is every port"
                for peer in rule[field]:
                    if set(peer) != {"podSelector"}:
                        beyond.append((policy["metadata"]["name"], direction, sorted(peer)))
                    assert peer.get("podSelector") != {}, "everybody here"
    assert beyond == [
        ("from-ingress-controller", "ingress", ["namespaceSelector", "podSelector"]),
        ("names", "egress", ["namespaceSelector", "podSelector"]),
    ]


def of_ingress(ingress: Object) -> Iterator[tuple[str, str, str]]:
    """Where an Ingress leads: how a path counts, the path, the backend."""
    for path in ingress["spec"]["rules"][0]["http"]["paths"]:
        assert path["pathType"] == "Prefix"
        yield "segments", path["path"], path["backend"]["service"]["name"].replace("closed", "")


def of_route(route: Object) -> Iterator[tuple[str, str, str]]:
    """As above, of an HTTPRoute."""
    for rule in route["spec"]["rules"]:
        (target,) = rule.get("backendRefs", [{"name": ""}])
        assert target["name"] == "" or target["port"] == SERVICES[target["name"]]
        for match in rule["matches"]:
            yield "segments", match["path"]["value"], target["name"]


def of_proxy(proxy: Object) -> Iterator[tuple[str, str, str]]:
    """As above, of an HTTPProxy."""
    for rule in proxy["spec"]["routes"]:
        if len(rule["conditions"]) == 1:
            targets = rule.get("services", [{"name": ""}])
            assert len(targets) == 1 or sum(target["weight"] for target in targets) == 100
            ((kind, path),) = rule["conditions"][0].items()
            yield {"exact": "exact", "prefix": "characters"}[kind], path, targets[0]["name"]


def backends(things: list[Object]) -> dict[tuple[str, str], str]:
    """Where each path leads, whatever kind of object says so; empty where nobody answers.

    A path counts as it is ("exact"), for the segments below it ("segments"), or for all that begins so ("characters").
    """
    readers = {"Ingress": of_ingress, "HTTPRoute": of_route, "HTTPProxy": of_proxy}
    of_shop = [thing for thing in of_kind(things, *readers) if thing["metadata"]["name"] == "shop"]
    return {(kind, path): name for thing in of_shop for kind, path, name in readers[thing["kind"]](thing)}


def fits(kind: str, given: str, path: str) -> bool:
    """Whether a path is meant by one that is given."""
    if kind == "segments":
        return f"{path}/".startswith(f"{given.rstrip('/')}/")
    return path.startswith(given) if kind == "characters" else path == given


def leads_to(routes: dict[tuple[str, str], str], path: str) -> str:
    """The backend of a path: exactly given, else by the longest that fits."""
    fitting = [(kind == "exact", len(given), name) for (kind, given), name in routes.items() if fits(kind, given, path)]
    return max(fitting)[2]


@pytest.mark.parametrize("name", ["users", "products", "carts"])
def test_every_route_of_a_service_is_reached_from_outside(things: list[Object], name: str) -> None:
    contract = json.loads((TREE / f"services/{name}/src/{name}/openapi.json").read_text())
    routes = backends(things)
    for path in contract["paths"]:
        expected = "" if path in META or path in INNER else name
        assert leads_to(routes, f"/api/v1{path.rstrip('/')}") == expected, path


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/docs", "/openapi.json", "/changes", "", "/v2"])
def test_what_is_not_for_the_outside_is_answered_by_nobody(things: list[Object], path: str) -> None:
    routes = backends(things)
    assert leads_to(routes, f"/api/v1{path}") == ""
    if path in {"/metrics", "/healthz", "/readyz"}:
        assert leads_to(routes, path) == ""


def test_everything_else_is_the_storefront_s(things: list[Object]) -> None:
    for path in ("/", "/products/tea", "/cart", "/admin/import", "/static/style.css", "/images/tea.webp"):
        assert leads_to(backends(things), path) == "storefront"


def test_grafana_has_a_host_of_its_own_and_all_hosts_have_tls(things: list[Object]) -> None:
    hosts = set[str]()
    for ingress in of_kind(things, "Ingress"):
        (tls,) = ingress["spec"]["tls"]
        assert tls["secretName"] == "shop-tls"
        assert tls["hosts"] == [rule["host"] for rule in ingress["spec"]["rules"]], label(ingress)
        hosts |= set(tls["hosts"])
    for gateway in of_kind(things, "Gateway"):
        for listener in gateway["spec"]["listeners"]:
            if listener["protocol"] == "HTTPS":
                assert listener["tls"]["certificateRefs"] == [{"name": "shop-tls"}]
                hosts.add(listener["hostname"])
    for proxy in of_kind(things, "HTTPProxy"):
        assert proxy["spec"]["virtualhost"]["tls"] == {"secretName": "shop-tls"}
        hosts.add(proxy["spec"]["virtualhost"]["fqdn"])
    assert len(hosts) == 2
    assert f"grafana.{min(hosts, key=len)}" == max(hosts, key=len)


def test_the_picture_shows_exactly_these_edges() -> None:
    drawn = (TREE / "docs/images/deployment.dot").read_text()
    arrows = {
        tuple(name.strip('"') for name in arrow) for arrow in re.findall(r'^ +([\w"-]+) -> ([\w"-]+)', drawn, re.M)
    }
    inside = {(source, target) for source, target, _ in ALLOWED}
    outside = {("ingress", name) for name in (*SERVICES, "grafana")} | {("world", "ingress")}
    assert arrows == inside | outside
