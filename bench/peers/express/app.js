// The application: what every request passes, and its routes.

import { randomUUID } from "node:crypto";

import express from "express";

import { cartRoutes } from "./carts.js";
import { loginRoutes } from "./login.js";
import { Problem, answerProblem } from "./problems.js";
import { productRoutes } from "./products.js";

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

export function createApp({ products, carts, users, sessions, ping }) {
  const app = express();
  app.disable("x-powered-by");
  app.disable("etag");
  app.use(identify);
  app.get("/healthz", (_req, res) => {
    res.json({ status: "ok", checks: {} });
  });
  app.get("/readyz", async (_req, res) => {
    await ping();
    res.json({ status: "ready", checks: { store: "ok" } });
  });
  app.use(express.json({ limit: "1mb" }));
  app.use("/products", productRoutes(products));
  app.use("/carts", cartRoutes(carts, products));
  app.use("/login", loginRoutes(users, sessions));
  app.use(() => {
    throw new Problem("not_found");
  });
  app.use(answerProblem);
  return app;
}

function identify(req, res, next) {
  const given = req.get("x-request-id");
  req.id = given && REQUEST_ID.test(given) ? given : randomUUID();
  res.set("X-Request-ID", req.id);
  next();
}
