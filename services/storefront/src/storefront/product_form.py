"""The form of a product: a product as texts, what was typed as a product again, and what others changed meanwhile."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from storefront.backends.answers import Problem
from storefront.backends.products import Product, Variant
from storefront.forms import Form
from storefront.product_texts import (
    FIELDS,
    PARTS,
    SHOWN_PARTS,
    Unreadable,
    basis_of,
    digests_of,
    kind_of,
    meaning_of,
    options_text,
    part,
    plain,
    read_pairs,
    read_tags,
    texts_of,
)
from storefront.words import minor_units

ROWS_MOST = 100
SKU = re.compile(r"[A-Za-z0-9._-]{1,64}")
STOCK = re.compile(r"[0-9]{1,9}")
Say = Callable[..., str]


@dataclass
class ProductForm(Form):
    """Of a product in `currency`, with `rows` variants. `basis` tells what the shop had when the form was made."""

    currency: str = ""
    rows: int = 1
    basis: str = ""

    @classmethod
    def of(cls, product: Product) -> "ProductForm":
        """As it is in the shop."""
        currency, rows = product.price_from.currency, len(product.variants)
        return cls(texts_of(product), currency=currency, rows=rows, basis=basis_of(product))

    @classmethod
    def sent(cls, fields: Mapping[str, Any], currency: str) -> "ProductForm":
        """As typed; browsers send line ends as CR LF."""
        typed = {name: plain(str(value)) for name, value in fields.items()}
        form = cls({name: typed.get(name, "") for name in FIELDS}, currency=currency, basis=typed.get("basis", ""))
        numbers = sorted(
            {int(found[1]) for name in typed if (found := re.fullmatch(r"variants-([0-9]{1,3})-sku", name))}
        )
        form.rows = len(numbers)
        for row, number in enumerate(numbers):
            given = {name: typed[part(number, name)] for name in PARTS if part(number, name) in typed}
            form.values |= {part(row, name): text.strip() for name, text in given.items()}
        return form

    def row(self, number: int) -> dict[str, str]:
        """The texts of a variant by PARTS. `stock` is not there where the shop counts it: that is changed by itself."""
        texts = {name: self.values.get(part(number, name), "") for name in PARTS}
        if texts["was"] and part(number, "stock") not in self.values:
            del texts["stock"]
        return texts

    def rearrange(self, action: str) -> bool:
        """Adds a row, or removes the one that `action` names; whether it was that."""
        verb, _, number = action.partition("-")
        if verb == "add" and self.rows < ROWS_MOST:
            self.rows += 1
        elif verb == "remove" and number in map(str, range(self.rows)):
            kept = [row for row in range(self.rows) if row != int(number)]
            moved = {part(to, name): text for to, row in enumerate(kept) for name, text in self.row(row).items()}
            self.values = {name: self.values[name] for name in FIELDS} | moved
            self.rows -= 1
        return verb in {"add", "remove"}

    def content(self, say: Say, product: Product | None = None) -> dict[str, Any]:
        """As the service takes it: a new product, or what to change of `product`. What cannot be read is in `faults`.

        A text that still stands as the product has it stays what it is, however it would be read.
        """
        texts = texts_of(product) if product else {}
        typed = {name: text for name, text in self.values.items() if name in FIELDS and texts.get(name) != text}
        content: dict[str, Any] = {
            name: text if name == "description" else text.strip() or None for name, text in typed.items()
        }
        if "name" in typed:
            content["name"] = typed["name"].strip()
        if "tags" in typed:
            content["tags"] = read_tags(typed["tags"])
        if "attributes" in typed:
            gone = dict.fromkeys(product.attributes) if product else {}
            content["attributes"] = gone | self._pairs("attributes", say)
        content["variants"] = [self._variant(number, product, say) for number in range(self.rows)]
        self._require(say)
        return content

    def _variant(self, number: int, product: Product | None, say: Say) -> dict[str, Any]:
        row, known = self.row(number), self._known(number, product)
        amount = minor_units(row["price"], self.currency)
        if amount is None:
            self.faults[part(number, "price")] = _words(say)["price"]
        stock, count = row.get("stock", ""), known.stock if known else None
        if count is None and STOCK.fullmatch(stock):
            count = int(stock)
        elif count is None and stock:
            self.faults[part(number, "stock")] = _words(say)["stock"]
        is_same = known is not None and row["options"] == options_text(known)
        options = known.options if known and is_same else self._pairs(part(number, "options"), say)
        price = {"amount": amount, "currency": self.currency}
        return {"sku": row["sku"], "options": options, "price": price, "stock": count}

    def _held(self, number: int, product: Product) -> Variant | None:
        """What the product has for a row: under its old SKU, or under the one that stands in it."""
        row = self.row(number)
        return product.variant(row["was"]) or product.variant(row["sku"])

    def _known(self, number: int, product: Product | None) -> Variant | None:
        """The same, unless the row begins anew with a SKU that the product had when the form was made."""
        found = self._held(number, product) if product else None
        if product is None or found is None or found.sku == self.row(number)["was"]:
            return found
        is_newer = digests_of(product)[f"{found.sku} sku"] not in self.basis.split()
        return found if is_newer else None

    def _pairs(self, name: str, say: Say) -> dict[str, str]:
        try:
            return read_pairs(kind_of(name), self.values.get(name, ""))
        except Unreadable as unreadable:
            text = "Write “name: value”, each name once; this is something else: “%(given)s”"
            self.faults[name] = say(text, given=unreadable.given[:80])
            return {}

    def _require(self, say: Say) -> None:
        """What the service would find too, but only one at a time."""
        if not self.values["name"].strip():
            self.faults["name"] = _words(say)["name"]
        seen: set[str] = set()
        for number in range(self.rows):
            sku = self.row(number)["sku"]
            if not SKU.fullmatch(sku):
                self.faults[part(number, "sku")] = _words(say)["sku"]
            elif sku in seen:
                self.faults[part(number, "sku")] = say("Another variant has this SKU already.")
            seen.add(sku)

    def meet(self, product: Product, say: Say) -> bool:
        """Whether the form can be saved on top of the product as it is now: nobody else changed what it would change.

        If not, `faults` say what they changed, and the form stands on that from here on.
        """
        known = set(self.basis.split())
        newer = {name for name, digest in digests_of(product).items() if digest not in known}
        texts = texts_of(product)
        others = {name: texts[name] for name in FIELDS if name in newer}
        held = [self._held(number, product) for number in range(self.rows)]
        for number, variant in enumerate(held):
            if variant is not None:
                place = product.variants.index(variant)
                told = [name for name in SHOWN_PARTS if f"{variant.sku} {name}" in newer]
                others |= {part(number, name): texts[part(place, name)] for name in told}
            elif self.row(number)["was"]:
                self.values |= {part(number, "was"): "", part(number, "stock"): ""}
                text = "This variant was removed meanwhile. Remove it here too, or enter its stock to sell it again."
                self.faults[part(number, "sku")] = say(text)
        for name, text in others.items():
            typed = self.values.get(name, "")
            if meaning_of(name, text, self.currency) == meaning_of(name, typed, self.currency):
                continue
            self.faults[name] = say("Somebody else changed this to: %(present)s", present=text or say("nothing"))
        added = [each.sku for each in product.variants if f"{each.sku} sku" in newer and each not in held]
        if added:
            text = "Added meanwhile, and removed again by saving this: %(skus)s"
            self.faults["variants"] = say(text, skus=", ".join(added))
        if self.faults:
            self.basis = basis_of(product)
        return not self.faults

    def refuse_product(self, problem: Problem, say: Say) -> None:
        """Takes over what the service said, beside the fields that it is about."""
        words = _words(say)
        for fault in problem.errors:
            name = _field_of(fault.pointer)
            # The service's own sentences are told as they are; what its parser says is for programs.
            text = say(fault.detail) if fault.detail.endswith(".") else words.get(kind_of(name), fault.detail)
            self.faults.setdefault(name, text)
        if problem.code == "slug_taken":
            self.faults["slug"] = say("Another product has this slug.")
        elif problem.code == "sku_taken":
            rows = [number for number in range(self.rows) if self.row(number)["sku"] == problem.sku]
            self.faults[part(rows[0], "sku") if rows else "variants"] = say("Another product has this SKU.")
        elif problem.code == "product_busy":
            self.fault = say("So much is sold of this just now that it could not be saved. Please save again.")
        elif problem.code == "too_large":
            self.fault = say("All texts together are too long. Shorten the description or the attributes.")
        elif not problem.errors:
            self.fault = say(problem.detail)


def _field_of(pointer: str) -> str:
    """`#/variants/0/price/amount` as the field `variants-0-price`."""
    name, *rest = pointer.removeprefix("#/").split("/")
    if name == "variants" and len(rest) > 1 and rest[0].isdecimal():
        return part(int(rest[0]), rest[1])
    return name


def _words(say: Say) -> dict[str, str]:
    """What each field wants, in words."""
    return {
        "name": say("A name has 1 to 200 characters."),
        "slug": say("A slug is lower-case words joined by hyphens, at most 200 characters."),
        "description": say("A description has at most 20,000 characters."),
        "category": say("A category has at most 100 characters."),
        "tags": say("At most 50 tags, of at most 50 characters each."),
        "image_url": say("Enter a web address (https://…) or a path (/images/…)."),
        "attributes": say("At most 100 lines; a name has at most 100 characters and a value 1,000."),
        "variants": say("A product has 1 to 100 variants."),
        "sku": say("A SKU is 1 to 64 letters, digits, dots, hyphens or underscores."),
        "options": say("At most 20 options; a name has at most 100 characters and a value 1,000."),
        "price": say("Enter an amount such as 12.50."),
        "stock": say("Enter a whole number, or nothing if it is not counted."),
    }
