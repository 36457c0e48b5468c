"""What the launcher says on the terminal."""

from rich.console import Console
from rich.table import Table

from trolley.services import NAMES, Plan
from trolley.staff import StaffFile

COLOURS = dict(zip(NAMES, (36, 33, 35), strict=True))
WIDTH = max(map(len, NAMES))


def label(name: str, console: Console) -> str:
    """What stands before every line of a service, in its colour on a terminal."""
    text = f"{name:<{WIDTH}} │ "
    return f"\x1b[{COLOURS[name]}m{text}\x1b[0m" if console.is_terminal and not console.no_color else text


def ready_page(plan: Plan, file: StaffFile, is_new: bool, seconds: float, console: Console) -> None:
    """The addresses, and how to sign in; the password is shown on the first start only."""
    table = Table("service", "address", "documentation", box=None, pad_edge=False)
    for name in NAMES:
        table.add_row(name, plan.url(name), f"{plan.url(name)}/docs")
    account = file.read()
    lines = ["", f"Trolley is ready ({seconds:.1f} s). Data: {plan.data}", ""]
    after = [""]
    if account and is_new:
        after += [f"Sign in as {account.email} with the password {account.password}", f"(kept in {file.path})."]
    elif account:
        after += [f"Sign in as {account.email}; the password is in {file.path}."]
    after += [f"For example: curl {plan.url('products')}/products?q=tea", "Ctrl-C stops everything.", ""]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    console.print(table, soft_wrap=True)
    console.print("\n".join(after), markup=False, highlight=False, soft_wrap=True)
