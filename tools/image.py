"""Fills a folder of an image: `needs FOLDER LOCK` with what a lock names, `own FOLDER MOMENT PACKAGE...` with our own.

Runs while an image is built, on the base's Python. What it leaves is the same for the same input: no time of the build,
no order of a set, no mode of a checkout stays in it.
"""

import compileall
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
WHEELS = Path("/wheels")
# The time of files that do not come from the tree, 1980: their layer stays the same from commit to commit.
OLD = 315532800
# What nothing reads when a service runs; docs/decisions/0017 tells how that was found, and tests/images that it holds.
IDLE = (
    "bin",
    "**/tests",
    "**/*.c",
    "**/*.h",
    "**/*.pxd",
    "**/*.pyi",
    "**/*.pyx",
    # Makes up examples for an OpenAPI document, which ours are not made with.
    "faker/*",
    "polyfactory/*",
    # An editor, and maps for debugging pages.
    "swagger_ui/static/swagger-editor*",
    "swagger_ui/static/swagger-ui-es-bundle*",
    "swagger_ui/static/swagger-ui.js",
    "swagger_ui/static/*.map",
)
# The launcher's alone: a service writes no colours, and calls others by another client.
LAUNCHER = (
    "httpcore/*",
    "httpx/*",
    "litestar/cli",
    "litestar/testing",
    "markdown_it/*",
    "pygments/*",
    "rich/*",
    "rich_click/*",
)
# Of Babel's languages, those the storefront speaks (in every country), and what all build on.
LANGUAGES = ("root", "en", "zh")


def needs(folder: Path, lock: Path) -> None:
    """What the lock names, checked by its hashes, without what nothing reads."""
    install = ["install", "--require-hashes", "--only-binary", ":all:", "--no-deps", "--no-compile", "--target", folder]
    subprocess.run([*PIP, *install, "-r", lock], check=True)
    for pattern in IDLE if lock.stem == "launcher" else IDLE + LAUNCHER:
        for path in list(folder.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in folder.glob("babel/locale-data/*.dat"):
        if path.stem.partition("_")[0] not in LANGUAGES:
            path.unlink()
    libraries = sorted(folder.rglob("*.so*"))
    subprocess.run(["strip", "--strip-unneeded", "--preserve-dates", *libraries], check=True)
    settle(folder, OLD)


def own(folder: Path, moment: int, packages: list[str]) -> None:
    """Our own packages, built from the tree; their files get the commit's time."""
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", WHEELS]
    subprocess.run([*build, *(f"./{package}" for package in packages)], check=True)
    install = [*PIP, "install", "--no-deps", "--no-index", "--no-compile", "--target", folder]
    subprocess.run([*install, *sorted(WHEELS.glob("*.whl"))], check=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)
    # They name commands and plugins of pytest, neither of which is here.
    for name in ("entry_points.txt", "direct_url.json"):
        for path in folder.glob(f"*.dist-info/{name}"):
            path.unlink()
    settle(folder, moment)


def settle(folder: Path, moment: int) -> None:
    """Bytecode that holds whatever the files' times, modes for everyone to read, and pinned times."""
    compiled = compileall.compile_dir(
        folder,
        quiet=1,
        stripdir=str(folder.parent),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit("A file could not be compiled.")
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (moment, moment))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "needs":
        needs(Path(rest[0]), Path(rest[1]))
    else:
        own(Path(rest[0]), int(rest[1]), rest[2:])
