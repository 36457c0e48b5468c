"""Every object has only what its type has, in the form it must have."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from .objects import NAMESPACE, Object, label

VERSION = "1.34"
# Types that Kubernetes itself has not, as their projects define them but for descriptions and status: Gateway API 1.5.1
# (standard channel) and Contour 1.33.8.
TYPES = Path(__file__).with_name("types")


def closed(schema: Any) -> Any:
    """The schema, refusing every member it does not name: an API server would drop such a member without a word."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(found.get("properties"), dict) and "additionalProperties" not in found and "type" in found:
        found["additionalProperties"] = False
    return found


def custom() -> dict[tuple[str, str], Any]:
    """The schemas of those types, by API version and kind."""
    schemas = {}
    for path in TYPES.glob("*.json"):
        spec = json.loads(path.read_text())["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            schemas[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return schemas


def validate(thing: Object) -> None:
    """Raises for an object that is not as its type says."""
    schema = custom().get((thing["apiVersion"], thing["kind"]))
    if schema is None:
        kubernetes_validate.validate(thing, VERSION, strict=True)
    else:
        jsonschema.Draft4Validator(schema).validate(thing)


def test_every_object_is_as_its_type_says(things: list[Object]) -> None:
    for thing in things:
        try:
            validate(thing)
        except jsonschema.ValidationError as error:
            pytest.fail(f"{label(thing)}: {error.json_path}: {error.message}")


def test_every_object_is_named_once_and_lies_in_the_namespace(things: list[Object]) -> None:
    names = [label(thing) for thing in things]
    assert len(names) == len(set(names))
    for thing in things:
        if thing["kind"] != "Namespace":
            assert thing["metadata"].get("namespace") == NAMESPACE, label(thing)
        assert thing["metadata"]["labels"]["app.kubernetes.io/part-of"] == "trolley", label(thing)


@pytest.mark.parametrize("kind", ["Deployment", "HTTPProxy", "HTTPRoute", "Gateway"])
def test_a_member_that_no_type_has_is_noticed(kind: str, rendered: Any) -> None:
    addition = {"HTTPProxy": "+canary", "HTTPRoute": "+gateway-api", "Gateway": "+gateway-api"}.get(kind, "")
    thing = next(thing for thing in rendered(f"dev{addition}") if thing["kind"] == kind)
    with pytest.raises(jsonschema.ValidationError):
        validate({**thing, "spec": {**thing["spec"], "replicaz": 3}})
