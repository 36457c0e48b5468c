"""`python -m users` serves; its commands grant and revoke roles and rotate keys."""

import argparse
import sys
from typing import NoReturn

import msgspec

from shopkit.server import serve
from shopkit.service import Application
from shopkit.settings import describe, fail, read, read_or_exit
from users import admin
from users.account import GRANTABLE
from users.app import create_app
from users.settings import Settings


class Arguments(argparse.ArgumentParser):
    """Tells in one sentence what is wrong with a command."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message[0].upper()}{message[1:]}; see --help.")


def application() -> Application:
    """What the server runs."""
    return create_app(read(Settings))


def main() -> None:
    """The command line."""
    chosen = arguments().parse_args()
    if chosen.openapi:
        contract = create_app(read_or_exit(Settings)).contract
        text = msgspec.json.format(msgspec.json.encode(contract, order="sorted"), indent=2)
        sys.stdout.write(text.decode() + "\n")
        return
    settings = read_or_exit(Settings)
    match chosen.command:
        case None:
            serve("users.__main__:application", settings)
            return
        case "grant":
            command = admin.grant(chosen.email, chosen.role)
        case "revoke":
            command = admin.revoke(chosen.email, chosen.role)
        case _:
            command = admin.rotate_keys(drop_old=chosen.now)
    sys.stdout.write(admin.run(command, settings.store_url) + "\n")


def arguments() -> Arguments:
    """The commands and their arguments."""
    parser = Arguments(
        prog="python -m users",
        description="Serves accounts, sign-in and tokens, unless a command is given.",
        epilog=f"settings, from the environment:\n{describe(Settings)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--openapi", action="store_true", help="print the OpenAPI document and end")
    commands = parser.add_subparsers(dest="command", title="commands")
    for name, help_text in (("grant", "give a role to an account"), ("revoke", "take a role away")):
        command = commands.add_parser(name, help=help_text)
        command.add_argument("email", metavar="EMAIL")
        command.add_argument("role", metavar="ROLE", choices=GRANTABLE, help=" or ".join(GRANTABLE))
    keys = commands.add_parser("rotate-keys", help="make a new signing key")
    keys.add_argument("--now", action="store_true", help="end all tokens signed before at once")
    return parser


if __name__ == "__main__":
    main()
