"""What goes over the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SKU = r"^[A-Za-z0-9._-]{1,64}$"
Sku = Annotated[str, Field(pattern=SKU)]
Quantity = Annotated[int, Field(ge=1, le=10**9)]


class Given(BaseModel):
    """A body: nothing is converted, nothing unknown is let through."""

    model_config = ConfigDict(extra="forbid", strict=True)


class LineIn(Given):
    """So many of a SKU."""

    sku: Sku
    quantity: Quantity


class CartIn(Given):
    """What to put into a cart: nothing, one line, or several."""

    lines: Annotated[list[LineIn], Field(max_length=1000)] = []
    sku: Sku = ""
    quantity: Quantity = 0

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.model_fields_set not in (set(), {"lines"}, {"sku", "quantity"}):
            raise ValueError("Give either `lines`, or `sku` and `quantity`.")
        return self


class QuantityIn(Given):
    """How many there shall be; 0 removes the line."""

    quantity: Annotated[int, Field(ge=0, le=10**9)]


class LoginIn(Given):
    """Who wants to sign in."""

    email: Annotated[str, Field(max_length=1024)]
    password: Annotated[str, Field(max_length=1024)]


class Health(BaseModel):
    """Whether the service works, and what it needs."""

    status: str
    checks: dict[str, str]


class Money(BaseModel):
    """Minor units of a currency."""

    amount: int
    currency: str


class Variant(BaseModel):
    """A variant; a stock of null is not counted."""

    sku: str
    options: dict[str, str]
    price: Money
    stock: int | None


class Product(BaseModel):
    """A product."""

    id: str
    slug: str
    name: str
    description: str
    category: str | None
    tags: list[str]
    attributes: dict[str, str]
    image_url: str | None
    status: str
    variants: list[Variant]
    price_from: Money
    in_stock: bool
    version: int
    created_at: datetime
    updated_at: datetime


class Facet(BaseModel):
    """How many products of the result have a value."""

    value: str
    count: int


class Facets(BaseModel):
    """Over the whole result, most frequent first."""

    category: list[Facet]
    tag: list[Facet]


class Products(BaseModel):
    """A page of products."""

    items: list[Product]
    next_cursor: str | None
    total: int
    facets: Facets


class Line(BaseModel):
    """A line. `quantity` is what can be bought now; `available` is null where stock is not counted."""

    sku: str
    product_id: str
    name: str
    options: dict[str, str]
    image_url: str | None
    quantity: int
    unit_price: Money
    added_price: Money
    total: Money
    available: int | None


class Notice(BaseModel):
    """A difference since the line was added."""

    code: str
    sku: str
    message: str
    old: Money | int
    new: Money | int


class Cart(BaseModel):
    """A cart. `token` is given once, in the answer that makes it."""

    id: str
    version: int
    currency: str | None
    lines: list[Line]
    item_count: int
    subtotal: Money | None
    notices: list[Notice]
    stale: bool
    created_at: datetime
    updated_at: datetime
    expires_at: datetime


class OpenedCart(Cart):
    """A cart, with its token where it is new."""

    token: str = ""


class User(BaseModel):
    """A user."""

    id: str
    email: str
    name: str
    roles: list[str]
    version: int
    created_at: datetime
    updated_at: datetime


class Tokens(BaseModel):
    """What a client is given to act for a user."""

    access_token: str
    refresh_token: str
    user: User
    token_type: str
    expires_in: int
