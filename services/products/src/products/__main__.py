"""`python -m products` serves; its command compares the read view with the store."""

from products.app import create_app
from products.settings import Settings
from shopkit.server import serve
from shopkit.settings import Arguments, read


def main() -> None:
    """The command line."""
    chosen = arguments().parse_args()
    settings = read(Settings)
    if chosen.command is None:
        serve(create_app(settings), settings)
        return
    from products import verifying

    raise SystemExit(verifying.run(settings))


def arguments() -> Arguments:
    """The command."""
    parser = Arguments.of("products", "Serves products, unless a command is given.", Settings)
    commands = parser.add_subparsers(dest="command", title="commands")
    commands.add_parser("verify-view", help="compare the read view in VIEW_DIR with the store, in full")
    return parser


if __name__ == "__main__":
    main()
