// The catalogue, copied from the shop's with what it is searched and sorted by: a product, and lists of products.

import { Router } from "express";
import { z } from "zod";

import { Problem, check } from "./problems.js";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
// All of a document but what it is only searched and sorted by.
const SHOWN = { words: 0, name_key: 0 };
const FACET_VALUES_MAX = 50;
const ORDERS = {
  relevance: ["score", -1],
  price: ["price_from", 1],
  "-price": ["price_from", -1],
  name: ["name_key", 1],
  "-created_at": ["created_at", -1],
};

const Query = z.object({
  q: z.string().max(200).optional(),
  category: z.string().max(100).optional(),
  sort: z.enum(Object.keys(ORDERS)).optional(),
  limit: z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(1).max(100)).default(20),
  cursor: z.string().max(2000).optional(),
});
const Cursor = z.tuple([z.enum(Object.keys(ORDERS)), z.union([z.string(), z.number()]), z.string()]);

export function productRoutes(products) {
  const router = Router();

  router.get("/", async (req, res) => {
    const query = check(Query, req.query, "#/query");
    const words = query.q?.trim() ? wordsOf(query.q) : null;
    const asked = query.sort ?? "relevance";
    const sort = asked === "relevance" && !words ? "-created_at" : asked;
    const after = query.cursor === undefined ? null : decodeCursor(query.cursor, sort);
    if (words?.length === 0) {
      res.json({ items: [], next_cursor: null, total: 0, facets: { category: [], tag: [] } });
      return;
    }
    const filter = filterOf(words, query.category);
    const [page, facts] = await Promise.all([
      findPage(products, filter, sort, after, query.limit),
      countFacts(products, filter),
    ]);
    res.json({ ...page, ...facts });
  });

  router.get("/:name", async (req, res) => {
    const { name } = req.params;
    const found = await products.findOne(ID.test(name) ? { _id: name } : { slug: name }, { projection: SHOWN });
    if (!found) throw new Problem("not_found", { detail: "No product has this id or slug." });
    res.json(productOf(found));
  });

  return router;
}

function filterOf(words, category) {
  const filter = { status: "active" };
  if (words) {
    // The text index finds products with any of the words, and scores them; that all are there is said beside it.
    const fields = ["words.name", "words.labels", "words.description"];
    filter.$text = { $search: words.join(" ") };
    filter.$and = words.map((word) => ({ $or: fields.map((field) => ({ [field]: word })) }));
  }
  if (category) filter.category = category;
  return filter;
}

async function findPage(products, filter, sort, after, limit) {
  const [key, direction] = ORDERS[sort];
  const stages = [{ $match: filter }];
  if (sort === "relevance") stages.push({ $set: { score: { $meta: "textScore" } } });
  if (after) {
    const beyond = direction === 1 ? "$gt" : "$lt";
    const { value, id } = after;
    stages.push({ $match: { $or: [{ [key]: { [beyond]: value } }, { [key]: value, _id: { [beyond]: id } }] } });
  }
  stages.push({ $sort: { [key]: direction, _id: direction } }, { $limit: limit + 1 }, { $unset: "words" });
  const found = await products.aggregate(stages).toArray();
  const shown = found.slice(0, limit);
  const next_cursor = found.length > limit ? encodeCursor(sort, shown.at(-1)) : null;
  return { items: shown.map(productOf), next_cursor };
}

async function countFacts(products, filter) {
  const frequent = [{ $sort: { count: -1, _id: 1 } }, { $limit: FACET_VALUES_MAX }];
  const facets = {
    total: [{ $count: "count" }],
    category: [
      { $match: { category: { $ne: null } } },
      { $group: { _id: "$category", count: { $sum: 1 } } },
      ...frequent,
    ],
    tag: [{ $unwind: "$tags" }, { $group: { _id: "$tags", count: { $sum: 1 } } }, ...frequent],
  };
  const stages = [{ $match: filter }, { $project: { category: 1, tags: 1 } }, { $facet: facets }];
  const [{ total, category, tag }] = await products.aggregate(stages).toArray();
  return { total: total[0]?.count ?? 0, facets: { category: category.map(facetOf), tag: tag.map(facetOf) } };
}

function facetOf({ _id, count }) {
  return { value: _id, count };
}

function productOf(found) {
  const prices = found.variants.map(({ price }) => price);
  return {
    id: found._id,
    slug: found.slug,
    name: found.name,
    description: found.description,
    category: found.category,
    tags: found.tags,
    attributes: Object.fromEntries(found.attributes),
    image_url: found.image_url,
    status: found.status,
    variants: found.variants.map((variant) => ({ ...variant, options: Object.fromEntries(variant.options) })),
    price_from: prices.reduce((lowest, price) => (price.amount < lowest.amount ? price : lowest)),
    in_stock: found.variants.some(({ stock }) => stock === null || stock > 0),
    version: found.version,
    created_at: found.created_at,
    updated_at: found.updated_at,
  };
}

function encodeCursor(sort, last) {
  return Buffer.from(JSON.stringify([sort, last[ORDERS[sort][0]], last._id])).toString("base64url");
}

function decodeCursor(cursor, sort) {
  try {
    const [of, key, id] = Cursor.parse(JSON.parse(Buffer.from(cursor, "base64url").toString()));
    if (of === sort) return { value: sort === "-created_at" ? new Date(key) : key, id };
  } catch {
    // Not ours, as is one of another order.
  }
  throw Problem.at("#/query/cursor", "This cursor was not made for this list.");
}

// The words of a text as the catalogue keeps them: without case, accents and punctuation.
function wordsOf(text) {
  const letters = { æ: "ae", œ: "oe", ø: "o", đ: "d", ł: "l", þ: "th", ð: "d", ı: "i", ß: "ss" };
  const lower = text.normalize("NFKD").toLowerCase();
  const plain = lower.replace(/[æœøđłþðıß]/g, (letter) => letters[letter]).normalize("NFKD");
  const composed = plain.replace(/[\u0300-\u036f]/g, "").normalize("NFC");
  return [...new Set(composed.match(/[\p{L}\p{M}\p{N}]+/gu) ?? [])];
}
