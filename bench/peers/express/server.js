// The process: settings from the environment, one pool of connections, a clean end on SIGTERM.

import { MongoClient } from "mongodb";

import { createApp } from "./app.js";
import { createIndexes } from "./carts.js";

const { MONGODB_URL, PORT } = process.env;
if (!MONGODB_URL || !PORT) {
  console.error("MONGODB_URL and PORT must be set.");
  process.exit(2);
}

const client = new MongoClient(MONGODB_URL, {
  appName: "express",
  maxPoolSize: 50,
  serverSelectionTimeoutMS: 2000,
  writeConcern: { w: "majority", journal: true },
});
await client.connect();

const catalogue = client.db(process.env.PRODUCTS_DATABASE ?? "trolley_products");
const accounts = client.db(process.env.USERS_DATABASE ?? "trolley_users");
const own = client.db(process.env.OWN_DATABASE ?? "trolley_express");
const collections = {
  products: catalogue.collection("products"),
  users: accounts.collection("users"),
  carts: own.collection("carts"),
  sessions: own.collection("sessions"),
};
await createIndexes(collections);

const ping = () => client.db("admin").command({ ping: 1 });
const server = createApp({ ...collections, ping }).listen(Number(PORT), "127.0.0.1");

function stop() {
  server.close(async () => {
    await client.close();
  });
}
process.once("SIGTERM", stop);
process.once("SIGINT", stop);
