"""`python -m products`: serves. Settings come from the environment; `--help` lists them."""

import argparse
import sys

import msgspec

from products.app import create_app
from products.settings import Settings
from shopkit.server import serve
from shopkit.service import Application
from shopkit.settings import describe, read, read_or_exit


def application() -> Application:
    """What the server runs in its worker."""
    return create_app(read(Settings))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        "python -m products",
        description="The products service.",
        epilog=f"Settings, from the environment:\n{describe(Settings)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--openapi", action="store_true", help="print the OpenAPI document and end")
    arguments = parser.parse_args()
    if arguments.openapi:
        document = msgspec.json.encode(create_app(Settings()).contract, order="sorted")
        sys.stdout.write(msgspec.json.format(document, indent=2).decode() + "\n")
        return
    serve("products.__main__:application", read_or_exit(Settings))


if __name__ == "__main__":
    main()
