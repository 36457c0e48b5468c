// The rules of a cart, and what it comes to at present prices. Nothing here knows of HTTP or storage.

import { Problem } from "./problems.js";

const LINES_MAX = 100;
const QUANTITY_MAX = 999;

/** The currency and lines after the edits, or null where they change nothing. `facts`: the catalogue's, by SKU. */
export function edit(cart, edits, facts) {
  const lines = new Map(cart.lines.map((line) => [line.sku, line]));
  for (const wish of edits) {
    const line = lines.get(wish.sku);
    const quantity = wanted(line, wish, facts.get(wish.sku));
    if (quantity === 0) lines.delete(wish.sku);
    else if (line) lines.set(wish.sku, { ...line, quantity });
    else lines.set(wish.sku, newLine(wish.sku, quantity, facts.get(wish.sku), lines));
  }
  if (lines.size > Math.max(LINES_MAX, cart.lines.length)) throw new Problem("line_limit");
  const before = new Map(cart.lines.map((line) => [line.sku, line.quantity]));
  const after = [...lines.values()];
  if (after.length === before.size && after.every(({ sku, quantity }) => before.get(sku) === quantity)) return null;
  return { currency: after[0]?.added_price.currency ?? cart.currency, lines: after };
}

function wanted(line, { sku, quantity: set, delta, pointer }, fact) {
  // What the shopper sees and counts from is what can be bought, not what was once wanted.
  const present = line ? Math.min(line.quantity, buyable(fact)) : 0;
  const quantity = set ?? present + delta;
  if (quantity > QUANTITY_MAX) {
    const detail = `At most ${QUANTITY_MAX} of a product, not ${quantity}.`;
    throw Problem.at(`${pointer}/quantity`, detail, "quantity_limit");
  }
  if (quantity > present) {
    if (!fact?.for_sale) throw Problem.at(`${pointer}/sku`, `The shop does not sell ${sku}.`, "unknown_sku");
    const available = buyable(fact);
    if (quantity > available) {
      const detail = `There are ${available} of ${sku}, not ${quantity}.`;
      throw new Problem("insufficient_stock", { detail, sku, available });
    }
  }
  return quantity;
}

function newLine(sku, quantity, fact, others) {
  const { currency } = fact.price;
  for (const { added_price: other } of others.values()) {
    if (other.currency !== currency) {
      const detail = `${sku} is sold in ${currency}, this cart is in ${other.currency}.`;
      throw new Problem("currency_mismatch", { detail, sku });
    }
  }
  const { product_id, name, options, image_url, price } = fact;
  return { sku, quantity, added_price: price, product_id, name, options, image_url };
}

function buyable(fact) {
  if (!fact?.for_sale) return 0;
  return fact.stock ?? QUANTITY_MAX;
}

/** The cart as the shopper sees it. */
export function price(cart, facts) {
  const lines = [];
  const notices = [];
  let items = 0;
  let amount = 0;
  for (const line of cart.lines) {
    const told = facts.get(line.sku);
    const fact = told?.price.currency === cart.currency ? told : undefined;
    const shown = fact ?? line;
    const unit = fact?.price ?? line.added_price;
    const quantity = Math.min(line.quantity, buyable(fact));
    const total = unit.amount * quantity;
    items += quantity;
    amount += total;
    lines.push({
      sku: line.sku,
      product_id: shown.product_id,
      name: shown.name,
      options: Object.fromEntries(shown.options),
      image_url: shown.image_url,
      quantity,
      unit_price: unit,
      added_price: line.added_price,
      total: { amount: total, currency: unit.currency },
      available: fact?.for_sale ? fact.stock : 0,
    });
    notices.push(...noticesOf(line, fact));
  }
  return {
    id: cart._id,
    version: cart.version,
    currency: cart.currency,
    lines,
    item_count: items,
    subtotal: cart.currency ? { amount, currency: cart.currency } : null,
    notices,
    stale: false,
    created_at: cart.created_at,
    updated_at: cart.updated_at,
    expires_at: cart.expires_at,
  };
}

function noticesOf({ sku, quantity, added_price, name }, fact) {
  const available = buyable(fact);
  if (available === 0) {
    return [{ code: "unavailable", sku, message: `${name} cannot be bought just now.`, old: quantity, new: 0 }];
  }
  const notices = [];
  if (fact.price.amount !== added_price.amount) {
    const message = `The price of ${fact.name} has changed since you added it.`;
    notices.push({ code: "price_changed", sku, message, old: added_price, new: fact.price });
  }
  if (available < quantity) {
    const message = `There are only ${available} of ${fact.name} left.`;
    notices.push({ code: "quantity_reduced", sku, message, old: quantity, new: available });
  }
  return notices;
}
