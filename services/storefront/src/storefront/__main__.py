"""`python -m storefront`: serves. Settings come from the environment; `--help` lists them."""

from shopkit.server import serve
from shopkit.settings import Arguments, read
from storefront.app import create_app
from storefront.settings import Settings


def main() -> None:
    """The command."""
    Arguments.of("storefront", "Serves the shop's pages.", Settings).parse_args()
    settings = read(Settings)
    serve(create_app(settings), settings)


if __name__ == "__main__":
    main()
