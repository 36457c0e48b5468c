"""`python -m carts`: serves. Settings come from the environment; `--help` lists them."""

from carts.settings import Settings
from shopkit.server import serve
from shopkit.settings import Arguments, read


def application() -> object:
    """What the server runs in its worker."""
    # Imported here: the process that watches over the worker does without the framework, and stays small.
    from carts.app import create_app

    return create_app(read(Settings))


def main() -> None:
    """The command."""
    Arguments.of("carts", "Serves carts.", Settings).parse_args()
    serve("carts.__main__:application", read(Settings))


if __name__ == "__main__":
    main()
