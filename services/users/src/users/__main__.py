"""`python -m users` serves; its commands grant and revoke roles and rotate keys."""

import sys

from shopkit.server import serve
from shopkit.settings import Arguments, read
from users.app import create_app
from users.settings import Settings

# The roles that come and go.
GRANTABLE = ("staff",)


def main() -> None:
    """The command line."""
    chosen = arguments().parse_args()
    settings = read(Settings)
    if chosen.command is None:
        serve(create_app(settings), settings)
        return
    from users import admin

    match chosen.command:
        case "grant":
            command = admin.grant(chosen.email, chosen.role)
        case "revoke":
            command = admin.revoke(chosen.email, chosen.role)
        case _:
            command = admin.rotate_keys(drop_old=chosen.now)
    sys.stdout.write(admin.run(command, settings.store_url) + "\n")


def arguments() -> Arguments:
    """The commands and their arguments."""
    parser = Arguments.of("users", "Serves accounts, sign-in and tokens, unless a command is given.", Settings)
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
