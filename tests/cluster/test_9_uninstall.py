"""A second shop beside the first, and its removal, of which nothing is left."""

from .conftest import Begin, artefacts
from .installation import Installation
from .kubectl import until
from .ledger import Ledger
from .results import Results


def test_a_second_shop_works_beside_and_a_full_uninstall_leaves_nothing(
    installation: Installation, begin: Begin, results: Results
) -> None:
    other = Installation(f"{installation.namespace}-second", artefacts("second"))
    with begin(rate=15) as first:
        try:
            other.seconds = other.install()
            folder = artefacts("second-ledger")
            with Ledger(other.addresses, folder, other.grant, rate=15, seconds=60) as ledger:
                ledger.wait(10)
            results.settle_without_failures(9, f"a second shop beside (ready after {other.seconds:.0f} s)", ledger)
        finally:
            other.kubectl.remove()
        until(lambda: not other.left_over(), 60, "nothing is left")
    must = "nothing is left in any namespace, no volume either"
    results.note(9, "`kubectl delete namespace`", must, "nothing left")
    results.settle_without_failures(9, "the first shop, while the second came and went", first)
