"""The images of this tree, built and pushed for the nodes to pull; and another version of each."""

import os
import sys

from .installation import NEXT, REGISTRY, ROOT, SERVICES, TAG, Machine
from .kubectl import run

BUILD_SECONDS = 1200
FOREIGN = ("mongo", "prometheus")
STANDINS = [sys.executable, "-m", "tests.images.standins"]


def publish() -> None:
    """Builds and pushes all five; with a CLUSTER, puts stand-ins of the others' images into its nodes too.

    BASE is the image to build on, by default what the Dockerfile says; where nothing can be pulled, a Debian made here.
    """
    machine = Machine.given()
    base = os.environ.get("BASE") or (run([*STANDINS, "base"], BUILD_SECONDS, cwd=ROOT).strip() if machine else "")
    chosen = [f"BASE={base}"] if base else []
    run(["make", "--no-print-directory", "images", f"TAG={TAG}", *chosen], BUILD_SECONDS, cwd=ROOT)
    if machine is not None:
        machine.load(*run([*STANDINS, *FOREIGN], BUILD_SECONDS, cwd=ROOT).split())
    for name in SERVICES:
        # Another version: the same code, known by its label, and another digest.
        image = f"trolley/{name}:{NEXT}"
        recipe = f"FROM trolley/{name}:{TAG}\nLABEL org.opencontainers.image.version={NEXT}\n"
        run(["docker", "build", "--quiet", f"--tag={image}", "-"], BUILD_SECONDS, send=recipe)
        run(["docker", "tag", image, f"{REGISTRY}/{image}"])
        run(["docker", "push", "--quiet", f"{REGISTRY}/{image}"], BUILD_SECONDS)
    run(["make", "--no-print-directory", "push", f"REGISTRY={REGISTRY}", f"TAG={TAG}"], BUILD_SECONDS, cwd=ROOT)


def digest(name: str, tag: str) -> str:
    """What the registry calls this version, as a pod's imageID has it."""
    image = f"{REGISTRY}/trolley/{name}"
    said = run(["docker", "image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', f"{image}:{tag}"])
    return next(line for line in said.splitlines() if line.startswith(f"{image}@"))
