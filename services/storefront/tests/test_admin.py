"""Staff's list of products, who may see it, archiving and stock."""

import re
import secrets
from typing import Any

import pytest

from .browsing import Page, Shopper
from .conftest import Storefront


@pytest.fixture
async def staff(storefront: Storefront) -> Shopper:
    """Somebody who may change the catalogue, signed in."""
    return await storefront.signed_in(staff=True)


async def edited(staff: Shopper, sku: str) -> Page:
    """The page of the product that has this SKU."""
    page = await staff.get(f"/admin?q={sku}")
    address = next(has["href"] for _, has in page.elements if has.get("href", "").startswith("/admin/products/0"))
    return await staff.get(address)


async def test_a_guest_is_asked_to_sign_in_and_comes_back(storefront: Storefront, shopper: Shopper) -> None:
    page = await shopper.get("/admin/import")
    assert page.path == "/sign-in?next=/admin/import"
    page = await shopper.fill(page, "/sign-in", email=storefront.shop.staff(), password="correct horse battery staple")
    assert page.path == "/admin/import"


async def test_staff_who_sign_in_go_to_their_own_pages(storefront: Storefront) -> None:
    shopper = await storefront.shopper()
    page = await shopper.sign_in(storefront.shop.staff())
    assert page.path == "/admin"
    assert "Products" in page.text
