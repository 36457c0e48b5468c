"""`python -m carts`: serves. Settings come from the environment; `--help` lists them."""

from carts.app import create_app
from carts.settings import Settings
from shopkit.server import serve
from shopkit.settings import Arguments, read


def main() -> None:
    """The command."""
    Arguments.of("carts", "Serves carts.", Settings).parse_args()
    settings = read(Settings)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
