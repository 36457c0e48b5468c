"""What is to be applied, rendered once."""

from collections.abc import Callable

import pytest

from shopdev.fixtures import require

from .objects import NAMES, Object, folder, kustomize, render


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Object]]:
    """The objects of one of NAMES."""
    if kustomize() is None:
        require("cluster", "There is no kubectl (Debian: kubernetes-client) and no kustomize.")
    scratch, known = tmp_path_factory.mktemp("kustomize"), dict[str, list[Object]]()

    def find(name: str) -> list[Object]:
        if name not in known:
            known[name] = render(folder(name, scratch))
        return known[name]

    return find


@pytest.fixture(params=NAMES)
def things(request: pytest.FixtureRequest, rendered: Callable[[str], list[Object]]) -> list[Object]:
    """Each of all that can be applied."""
    return rendered(request.param)
