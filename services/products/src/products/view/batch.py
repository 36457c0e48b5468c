"""Changes that go into the index together."""

import asyncio

from products.product import Product


class Batch:
    """Products that are shown together."""

    def __init__(self) -> None:
        self.products: dict[str, Product] = {}
        self.shown = asyncio.get_running_loop().create_future()

    def put(self, product: Product) -> None:
        """Unless a newer version is there."""
        present = self.products.get(product.id)
        if present is None or present.version < product.version:
            self.products[product.id] = product
