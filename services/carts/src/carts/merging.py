"""POST /carts/merge: the guest's cart goes into the user's, once, however often it is asked."""

from litestar import Response

from carts.cart import GUEST_LIFE, CartNotFound, close, new_cart
from carts.changing import Shop, hash_of, require_version
from carts.memory import KnownCarts
from carts.merge import Mode, merge
from carts.pricing import price
from carts.schemas import MergeOut, merge_out
from shopkit.idempotency import Key, ReplayExists
from shopkit.requests import ShopRequest
from shopkit.values import new_id


async def merge_carts(request: ShopRequest, shop: Shop, token: str, mode: Mode) -> Response[MergeOut]:
    """Merges and answers with the cart and a report; the same token gives the same answer for as long as it lived.

    The user's cart, the closed guest cart and the answer are kept by one transaction.
    """
    user_id = request.caller.id
    key = Key(token, f"merge {user_id}", b"", shop.clock, kept=GUEST_LIFE)

    async def attempt(known: KnownCarts) -> Response[MergeOut]:
        before = await shop.store.find_replay(key.id)
        if before is not None:
            return key.replay(before)
        guest = await known.find_of_token(hash_of(token))
        if guest is None:
            raise CartNotFound
        moment = shop.clock()
        saved = await known.find_of_owner(user_id) or new_cart(new_id(), user_id, None, moment)
        await require_version(request, shop, saved)
        told = await shop.look_up(saved, (line.sku for line in guest.lines))
        merged, report = merge(saved, guest, mode, told.facts, moment)
        answer = request.answer(merge_out(price(merged, told.facts, stale=told.stale), report))
        try:
            await known.merge(merged, close(guest, moment), key.remember(answer))
        except ReplayExists:
            # The same request was faster elsewhere; its answer is ours.
            return await attempt(known)
        return answer

    return await shop.retry("merged", attempt)
