"""Taking a guest's cart along when they sign in, and telling what became of it."""

from shopkit.errors import Unavailable
from storefront.backends.answers import Refused, bearer
from storefront.backends.carts import Merge
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
        _tell(visit, merge)


def _tell_delay(visit: Visit) -> None:
    text = "Your cart could not be joined with your saved one just now; it will be when you next open the cart."
    visit.note(visit.say(text), kind="bad")


def _tell(visit: Visit, merge: Merge) -> None:
    """What happened to the guest's lines; those that were capped or dropped one by one."""
    names = {line.sku: line.name for line in merge.cart.lines}
    added = sum(line.result - line.saved for line in merge.report if line.guest)
    if added > 0:
        text = visit.say("Your cart was joined with the one you had saved; items added: %(count)s.", count=added)
        visit.note(text, undo=merge.cart.version)
    lost = [line for line in merge.report if line.outcome in {"capped", "dropped"}]
    for line in lost[:TOLD_MOST]:
        name, wanted = names.get(line.sku, line.sku), line.saved + line.guest
        if line.outcome == "capped":
            text = visit.say(
                "%(name)s: %(result)s instead of %(wanted)s; there are no more.",
                name=name,
                result=line.result,
                wanted=wanted,
            )
        else:
            text = visit.say("%(name)s could not be taken over from your cart.", name=name)
        visit.note(text, kind="bad")
    if len(lost) > TOLD_MOST:
        visit.note(visit.say("And %(count)s more.", count=len(lost) - TOLD_MOST), kind="bad")
