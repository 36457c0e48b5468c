"""`python -m products`: serves. Settings come from the environment; `--help` lists them."""

from products.settings import Settings
from shopkit.server import serve
from shopkit.settings import Arguments, read


def application() -> object:
    """What the server runs in its worker."""
    # Imported here: the process that watches over the worker does without the framework, and stays small.
    from products.app import create_app

    return create_app(read(Settings))


def main() -> None:
    """The command."""
    Arguments.of("products", "Serves products.", Settings).parse_args()
    serve("products.__main__:application", read(Settings))


if __name__ == "__main__":
    main()
