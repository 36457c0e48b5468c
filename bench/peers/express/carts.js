// Guests' carts: the routes and the storage. What may be in a cart is said in cart.js.

import { createHash, randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";

import { Router } from "express";
import { v7 as newId } from "uuid";
import { z } from "zod";

import { edit, price } from "./cart.js";
import { Problem, checkBody } from "./problems.js";

const SKU = /^[A-Za-z0-9._-]{1,64}$/;
const LIFE_MS = 30 * 24 * 3600 * 1000;
const ATTEMPTS = 40;
const PAUSE_MS = 20;

const Quantity = z.int().min(1).max(1e9);
const LineIn = z.strictObject({ sku: z.string().regex(SKU), quantity: Quantity });
const CartIn = z
  .strictObject({ lines: z.array(LineIn).max(1000), ...LineIn.shape })
  .partial()
  .refine(isOneForm, "Give either `lines`, or `sku` and `quantity`.");
const QuantityIn = z.strictObject({ quantity: z.int().min(0).max(1e9) });

/** A token opens one cart; MongoDB drops each when it expires. */
export async function createIndexes({ carts, sessions }) {
  await carts.createIndex({ token_hash: 1 }, { unique: true });
  await carts.createIndex({ expires_at: 1 }, { expireAfterSeconds: 0 });
  await sessions.createIndex({ expires_at: 1 }, { expireAfterSeconds: 0 });
}

export function cartRoutes(carts, products) {
  const router = Router();

  router.post("/", async (req, res) => {
    const edits = editsOf(checkBody(CartIn, req));
    const token = req.get("cart-token");
    const current = token ? await carts.findOne(open({ token_hash: hashOf(token) })) : null;
    if (current) {
      res.json(await change(carts, products, open({ _id: current._id }), edits));
      return;
    }
    const cart = await create(carts, products, edits);
    res.status(201).location(`/carts/${cart.id}`).json(cart);
  });

  router.get("/:id", async (req, res) => {
    const cart = await find(carts, own(req));
    res.json(price(cart, await lookUp(products, cart)));
  });

  router.post("/:id/lines", async (req, res) => {
    const { sku, quantity } = checkBody(LineIn, req);
    res.json(await change(carts, products, own(req), [{ sku, delta: quantity, pointer: "#" }]));
  });

  router.put("/:id/lines/:sku", async (req, res) => {
    const { sku } = req.params;
    if (!SKU.test(sku)) throw new Problem("not_found");
    const { quantity } = checkBody(QuantityIn, req);
    res.json(await change(carts, products, own(req), [{ sku, quantity, pointer: "#" }]));
  });

  return router;
}

function isOneForm({ lines, sku, quantity }) {
  return (sku === undefined) === (quantity === undefined) && (lines === undefined || sku === undefined);
}

function editsOf({ lines, sku, quantity }) {
  if (lines) return lines.map((line, at) => ({ sku: line.sku, delta: line.quantity, pointer: `#/lines/${at}` }));
  return sku ? [{ sku, delta: quantity, pointer: "#" }] : [];
}

function hashOf(token) {
  return createHash("sha256").update(token).digest("hex");
}

// MongoDB drops expired carts about once a minute; until then they are no longer found.
function open(condition) {
  return { ...condition, expires_at: { $gt: new Date() } };
}

function own(req) {
  return open({ _id: req.params.id, token_hash: hashOf(req.get("cart-token") ?? "") });
}

async function find(carts, condition) {
  const cart = await carts.findOne(condition);
  if (!cart) throw new Problem("not_found", { detail: "There is no such cart, or it is not yours." });
  return cart;
}

async function create(carts, products, edits) {
  const token = randomBytes(24).toString("base64url");
  const now = new Date();
  const empty = { _id: newId(), version: 0, token_hash: hashOf(token), currency: null, lines: [], created_at: now };
  const facts = await lookUp(products, empty, edits);
  const cart = { ...empty, ...nextVersion(empty, now), ...edit(empty, edits, facts) };
  await carts.insertOne(cart);
  return { ...price(cart, facts), token };
}

// Loads, changes and saves the cart if nobody else has meanwhile; else begins again.
async function change(carts, products, condition, edits) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const cart = await find(carts, condition);
    const facts = await lookUp(products, cart, edits);
    const edited = edit(cart, edits, facts);
    if (!edited) return price(cart, facts);
    const version = nextVersion(cart, new Date());
    const update = { $set: { ...version, ...differences(cart.lines, edited) } };
    const outcome = await carts.updateOne({ _id: cart._id, version: cart.version }, update);
    if (outcome.matchedCount === 1) return price({ ...cart, ...version, ...edited }, facts);
    await pause(Math.random() * PAUSE_MS);
  }
  throw new Problem("cart_busy");
}

function nextVersion(cart, now) {
  return { version: cart.version + 1, updated_at: now, expires_at: new Date(now.getTime() + LIFE_MS) };
}

// What to set: where the lines are the same ones, only the quantities that differ.
function differences(lines, edited) {
  const isSame = lines.length === edited.lines.length && lines.every(({ sku }, at) => sku === edited.lines[at].sku);
  if (!isSame) return edited;
  const quantities = edited.lines.map(({ quantity }, at) => [`lines.${at}.quantity`, quantity]);
  return Object.fromEntries(quantities.filter(([, quantity], at) => quantity !== lines[at].quantity));
}

// What the catalogue says of the cart's lines and of what is to be added, by SKU.
async function lookUp(products, cart, edits = []) {
  const skus = [...new Set([...cart.lines, ...edits].map(({ sku }) => sku))];
  if (skus.length === 0) return new Map();
  const projection = { name: 1, image_url: 1, status: 1, variants: 1 };
  const found = await products.find({ "variants.sku": { $in: skus } }, { projection }).toArray();
  return new Map(
    found.flatMap(({ _id, name, image_url, status, variants }) =>
      variants.map(({ sku, options, price, stock }) => [
        sku,
        { product_id: _id, name, options, image_url, price, stock, for_sale: status === "active" },
      ]),
    ),
  );
}
