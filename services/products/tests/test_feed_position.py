"""Positions of a store's feed: it goes on from each that it told."""

import re

from products.store import ProductStore

from .conftest import product


async def test_the_feed_goes_on_from_where_it_stands(store: ProductStore) -> None:
    position = await store.position()
    # Written out in digits: ids of collections are any bytes, a blank among them now and then.
    assert re.fullmatch("[0-9a-f]{32} [0-9A-F]+", position)
    added = product()
    await store.add(added, None)
    feed = store.follow(position)
    while (told := await anext(feed)).product is None:
        pass
    assert told.product == added
    await feed.aclose()
    feed = store.follow(told.position)
    assert (await anext(feed)).product is None
    await feed.aclose()
