"""Taking a guest's cart along when they sign in, and telling what became of it."""

from contextlib import suppress

from shopkit.errors import Unavailable
from storefront.backends.answers import Refused, bearer
from storefront.backends.carts import Merge, Merged
from storefront.visit import CART_TOKEN, Visit

# So many lines of a merge are told one by one.
TOLD_MOST = 5


async def take_cart_along(visit: Visit) -> None:
    """Merges the guest's cart, if there is one, into the cart of who is signed in. A merge that fails waits."""
    guest_token = visit.session.cart_token
    if visit.session.person is None or not guest_token:
        return
    try:
        owner = bearer((await visit.person()).access_token)
        merge = await visit.front.carts.merge(owner, {CART_TOKEN: guest_token})
    except Refused as refused:
        # Not there: it expired, or another tab merged it before.
        if refused.status != 404:
            _tell_delay(visit)
            return
        visit.forget_cart()
    except Unavailable:
        _tell_delay(visit)
    else:
        visit.forget_cart()
        visit.keep(item_count=merge.cart.item_count)
        await _tell(visit, merge)


def _tell_delay(visit: Visit) -> None:
    text = "Your cart could not be joined with your saved one just now; it will be when you next open the cart."
    visit.note(visit.say(text), kind="bad")


async def _tell(visit: Visit, merge: Merge) -> None:
    """What happened to the guest's lines; those that were capped or dropped one by one."""
    added = sum(line.result - line.saved for line in merge.report if line.guest)
    if added > 0 and not any(line.saved for line in merge.report):
        visit.note(visit.say("Your cart came along."), undo=merge.cart.version)
    elif added > 0:
        text = visit.say("Your cart was joined with the one you had saved; items added: %(count)s.", count=added)
        visit.note(text, undo=merge.cart.version)
    lost = [line for line in merge.report if line.outcome in {"capped", "dropped"}]
    told = lost[:TOLD_MOST]
    names = await _names(visit, merge, told)
    for line in told:
        visit.note(_loss(visit, line, names.get(line.sku, line.sku)), kind="bad")
    if len(lost) > len(told):
        visit.note(visit.say("And %(count)s more.", count=len(lost) - len(told)), kind="bad")


async def _names(visit: Visit, merge: Merge, lines: list[Merged]) -> dict[str, str]:
    """What the lines are called: those of the cart as it says, those dropped as the catalogue does."""
    names = {line.sku: line.name for line in merge.cart.lines}
    dropped = [("sku", line.sku) for line in lines if line.sku not in names]
    if dropped:
        # Without names, SKUs tell well enough.
        with suppress(Refused, Unavailable):
            found = await visit.front.catalogue.search(dropped)
            names |= {variant.sku: product.name for product in found.items for variant in product.variants}
    return names


def _loss(visit: Visit, line: Merged, name: str) -> str:
    facts = {"name": name, "result": line.result, "wanted": line.saved + line.guest}
    if line.outcome == "capped":
        return visit.say("%(name)s: %(result)s instead of %(wanted)s; there are no more.", **facts)
    reasons = {
        "line_limit": "%(name)s was not taken over: the cart is full.",
        "currency_mismatch": "%(name)s was not taken over: it is sold in another currency.",
    }
    text = reasons.get(line.reason, "%(name)s was not taken over from your cart.")
    return visit.say(text, **facts)
