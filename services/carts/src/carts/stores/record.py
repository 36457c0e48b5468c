"""A cart as both stores keep it: JSON text, with the members that queries need beside it."""

import msgspec

from carts.cart import Cart

_decoder = msgspec.json.Decoder(Cart)
_encoder = msgspec.json.Encoder()


def to_text(cart: Cart) -> str:
    """The record's text."""
    return _encoder.encode(cart).decode()


def from_text(text: str) -> Cart:
    """The cart that `to_text` wrote."""
    return _decoder.decode(text)
