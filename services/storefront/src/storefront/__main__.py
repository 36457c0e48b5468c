"""`python -m storefront`: serves. Settings come from the environment; `--help` lists them."""

from shopkit.server import serve
from shopkit.settings import Arguments, read
from storefront.settings import Settings


def application() -> object:
    """What the server runs in its worker."""
    # Imported here: the process that watches over the worker does without the framework, and stays small.
    from storefront.app import create_app

    return create_app(read(Settings))


def main() -> None:
    """The command."""
    Arguments.of("storefront", "Serves the shop's pages.", Settings).parse_args()
    serve("storefront.__main__:application", read(Settings))


if __name__ == "__main__":
    main()
