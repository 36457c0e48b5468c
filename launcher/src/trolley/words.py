"""What the launcher says on the terminal."""

from rich.console import Console
from rich.table import Table

from trolley.services import IN_A_ROW, NAMES, STOREFRONT, Plan
from trolley.staff import StaffFile

COLOURS = dict(zip(NAMES, (36, 33, 35, 32), strict=True))
WIDTH = max(map(len, NAMES))


def label(name: str, console: Console) -> str:
    """What stands before every line of a service, in its colour on a terminal."""
    text = f"{name:<{WIDTH}} │ "
    return f"\x1b[{COLOURS[name]}m{text}\x1b[0m" if console.is_terminal and not console.no_color else text


def ready_page(plan: Plan, file: StaffFile, is_new: bool, seconds: float, console: Console) -> None:
    """Where to look first, how to sign in, and all addresses; the password is shown on the first start only."""
    shop = plan.url(STOREFRONT)
    table = Table("service", "address", "documentation", box=None, pad_edge=False)
    for name in IN_A_ROW:
        table.add_row(name, plan.url(name), f"{plan.url(name)}/docs")
    account = file.read()
    lines = ["", f"Trolley is ready ({seconds:.1f} s): {shop}", ""]
    if account and is_new:
        lines += [f"For {shop}/admin sign in as {account.email} with the password {account.password}"]
        lines += [f"(kept in {file.path})."]
    elif account:
        lines += [f"For {shop}/admin sign in as {account.email}; the password is in {file.path}."]
    lines += [f"Data: {plan.data}", ""]
    after = [""]
    after += [f"For example: curl '{plan.url('products')}/products?q=tea'", "Ctrl-C stops everything.", ""]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    console.print(table, soft_wrap=True)
    console.print("\n".join(after), markup=False, highlight=False, soft_wrap=True)
