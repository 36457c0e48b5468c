"""What a cluster's administrator would look for in each object."""

import re
from collections.abc import Callable

import pytest

from .objects import SERVICES, Object, containers, label, of_kind, one, template, workloads

Rendered = Callable[[str], list[Object]]


def test_every_container_says_what_it_needs_and_what_it_may_take(things: list[Object]) -> None:
    for workload in workloads(things):
        for container in containers(template(workload)):
            resources = container["resources"]
            assert set(resources) == {"requests", "limits"}, label(workload)
            assert set(resources["requests"]) == set(resources["limits"]) == {"cpu", "memory"}, label(workload)


def test_every_pod_is_restricted_and_reads_its_root_only(things: list[Object]) -> None:
    for workload in workloads(things):
        pods = template(workload)["spec"]
        context = pods["securityContext"]
        assert context["runAsNonRoot"] is True, label(workload)
        assert context["runAsUser"] > 0, label(workload)
        assert context["runAsGroup"] > 0, label(workload)
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, label(workload)
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pods), label(workload)
        for container in containers(template(workload)):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, label(workload)
        kinds = {kind for volume in pods.get("volumes", []) for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "secret", "configMap", "persistentVolumeClaim"}, label(workload)


def test_what_is_written_to_a_node_is_bounded(things: list[Object]) -> None:
    for workload in workloads(things):
        for volume in template(workload)["spec"].get("volumes", []):
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], label(workload)


def test_the_namespace_refuses_what_is_not_restricted(things: list[Object]) -> None:
    (namespace,) = of_kind(things, "Namespace")
    for mode in ("enforce", "audit", "warn"):
        assert namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] == "restricted"
        assert namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}-version"] == "v1.34"


def test_every_workload_has_an_account_of_its_own_and_no_token(things: list[Object]) -> None:
    accounts = {thing["metadata"]["name"]: thing for thing in of_kind(things, "ServiceAccount")}
    for workload in workloads(things):
        pods, name = template(workload)["spec"], template(workload)["metadata"]["labels"]["app.kubernetes.io/name"]
        assert pods["serviceAccountName"] == name, label(workload)
        assert accounts[name]["automountServiceAccountToken"] is False
        assert pods["automountServiceAccountToken"] is False, label(workload)
        assert pods["enableServiceLinks"] is False, label(workload)


def test_nobody_has_any_right_on_the_cluster(things: list[Object]) -> None:
    assert not list(of_kind(things, "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"))


def test_no_secret_lies_in_the_tree(things: list[Object]) -> None:
    assert not list(of_kind(things, "Secret"))


def test_no_pod_waits_without_a_word_for_a_secret_of_ours(things: list[Object]) -> None:
    for workload in workloads(things):
        if workload["metadata"]["name"] == "grafana":
            continue
        pods = template(workload)["spec"]
        used = [volume["secret"] for volume in pods.get("volumes", []) if "secret" in volume]
        for container in containers(template(workload)):
            used += [
                variable["valueFrom"]["secretKeyRef"]
                for variable in container.get("env", [])
                if "secretKeyRef" in variable.get("valueFrom", {})
            ]
        assert all(reference["optional"] is True for reference in used), label(workload)


def test_every_image_of_production_is_ours_by_digest_or_theirs_by_version(rendered: Rendered) -> None:
    for workload in workloads(rendered("production")):
        for container in containers(template(workload)):
            image = container["image"]
            ours = re.fullmatch(r"registry\.example\.com/trolley/[a-z]+@sha256:[0-9a-f]{64}", image)
            assert ours or re.fullmatch(r"(mongo|prom/prometheus|grafana/grafana):v?\d+[\d.]+", image), image


def test_dev_takes_its_images_from_the_registry_of_this_machine(rendered: Rendered) -> None:
    images = {
        container["image"]: container.get("imagePullPolicy")
        for workload in workloads(rendered("dev"))
        for container in containers(template(workload))
        if "trolley/" in container["image"]
    }
    assert images == {f"localhost:5000/trolley/{name}:dev": "Always" for name in (*SERVICES, "tools")}


@pytest.mark.parametrize("name", SERVICES)
def test_an_update_never_takes_a_replica_away(things: list[Object], name: str) -> None:
    spec = one(things, "Deployment", name)["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert 0 < spec["minReadySeconds"] < spec["progressDeadlineSeconds"]
    pods = spec["template"]["spec"]
    (container,) = pods["containers"]
    assert container["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
    # What a service needs at most after SIGTERM is 20 s.
    assert pods["terminationGracePeriodSeconds"] >= 5 + 20 + 5
    waits = {toleration["key"].rpartition("/")[2]: toleration for toleration in pods["tolerations"]}
    assert {key: wait["tolerationSeconds"] for key, wait in waits.items()} == {"not-ready": 30, "unreachable": 30}
    spread = {rule["topologyKey"]: rule for rule in pods["topologySpreadConstraints"]}
    assert set(spread) == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    assert all(rule["matchLabelKeys"] == ["pod-template-hash"] for rule in spread.values())


@pytest.mark.parametrize("name", SERVICES)
def test_probes_mean_different_things(things: list[Object], name: str) -> None:
    (container,) = one(things, "Deployment", name)["spec"]["template"]["spec"]["containers"]
    probes = {kind: container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")}
    paths = {kind: probe["httpGet"]["path"] for kind, probe in probes.items()}
    assert paths == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}
    assert all("host" not in probe["httpGet"] for probe in probes.values())
    seconds = {kind: probe["periodSeconds"] * probe["failureThreshold"] for kind, probe in probes.items()}
    # An election of MongoDB's primary takes up to 12 s, in which no replica has a store.
    assert seconds["readiness"] - probes["readiness"]["periodSeconds"] > 2 * 12
    assert seconds["startup"] > seconds["liveness"]


@pytest.mark.parametrize("name", SERVICES)
def test_three_to_ten_replicas_whose_number_is_one_object_s_alone(things: list[Object], name: str) -> None:
    scaler = one(things, "HorizontalPodAutoscaler", name)["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert scaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300
    assert "replicas" not in one(things, "Deployment", name)["spec"]


@pytest.mark.parametrize("name", [*SERVICES, "mongodb"])
def test_nodes_are_emptied_one_pod_after_the_other(things: list[Object], name: str) -> None:
    budget = one(things, "PodDisruptionBudget", name)["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == ("IfHealthyBudget" if name == "mongodb" else "AlwaysAllow")
    kind = "StatefulSet" if name == "mongodb" else "Deployment"
    assert budget["selector"] == one(things, kind, name)["spec"]["selector"]


def test_services_and_selectors_find_the_pods_that_they_mean(things: list[Object]) -> None:
    for service in of_kind(things, "Service"):
        name = service["metadata"]["name"]
        if name == "closed":
            assert "selector" not in service["spec"]
            continue
        chosen = [
            template(workload)
            for workload in workloads(things)
            if service["spec"]["selector"].items() <= template(workload)["metadata"]["labels"].items()
        ]
        # The addresses for Prometheus are those of two versions, where there are two.
        assert len(chosen) == 1 or name == "carts-pods", name
        for port in service["spec"]["ports"]:
            (target,) = (
                given
                for container in chosen[0]["spec"]["containers"]
                for given in container["ports"]
                if given["name"] == port["targetPort"]
            )
            assert target["containerPort"] == port["port"], name


def test_mongodb_is_three_members_with_a_key_and_disks_of_their_own(things: list[Object]) -> None:
    spec = one(things, "StatefulSet", "mongodb")["spec"]
    assert (spec["replicas"], spec["podManagementPolicy"]) == (3, "Parallel")
    (server,) = spec["template"]["spec"]["containers"]
    assert "--keyFile=/keyfile/keyfile" in server["args"]
    assert any(argument.startswith("--wiredTigerCacheSizeGB=") for argument in server["args"])
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] >= 60
    assert [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]] == ["data"]
    assert one(things, "Service", "mongodb")["spec"]["publishNotReadyAddresses"] is True


def test_two_versions_differ_in_nothing_but_the_image(rendered: Rendered) -> None:
    things = rendered("production+canary")
    first, second = (one(things, "Deployment", name)["spec"] for name in ("carts", "carts-canary"))
    assert second.pop("replicas") == 1
    for spec, instance in ((first, "carts"), (second, "carts-canary")):
        assert spec["selector"]["matchLabels"].pop("app.kubernetes.io/instance") == instance
        assert spec["template"]["metadata"]["labels"].pop("app.kubernetes.io/instance") == instance
        del spec["template"]["spec"]["containers"][0]["image"]
    assert first == second


@pytest.mark.parametrize("variable", ["HASH_WORKERS"])
def test_what_would_follow_the_size_of_the_node_is_told(things: list[Object], variable: str) -> None:
    (container,) = one(things, "Deployment", "users")["spec"]["template"]["spec"]["containers"]
    (told,) = (given["value"] for given in container["env"] if given["name"] == variable)
    # 19 MiB each, beside what the process needs.
    megabytes = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
    assert 0 < int(told) * 19 < megabytes / 2
