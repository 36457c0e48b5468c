// Signing in, with the accounts that the shop's users service has written.

import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";

import { Algorithm, hash, verify } from "@node-rs/argon2";
import { Router } from "express";
import { SignJWT } from "jose";
import { v7 as newId } from "uuid";
import { z } from "zod";

import { Problem, checkBody } from "./problems.js";

const TOKEN_SECONDS = 900;
const SESSION_MS = 30 * 24 * 3600 * 1000;
const PARAMETERS = { algorithm: Algorithm.Argon2id, memoryCost: 19456, timeCost: 2, parallelism: 1 };
const LoginIn = z.strictObject({ email: z.string().max(1024), password: z.string().max(1024) });

export function loginRoutes(users, sessions) {
  const router = Router();
  const { privateKey } = generateKeyPairSync("ed25519");
  const keyId = newId();
  // To find out that it is not this password takes as long as with any account's.
  const nobodys = hash(randomBytes(16), PARAMETERS);

  router.post("/", async (req, res) => {
    const { email, password } = checkBody(LoginIn, req);
    const user = await users.findOne({ email_key: keyOf(email) });
    const right = await verify(user?.password_hash ?? (await nobodys), password.normalize("NFC"));
    if (!user || !right) throw new Problem("invalid_credentials");
    const session = newId();
    const refresh_token = `${session}.${randomBytes(24).toString("base64url")}`;
    const [access_token] = await Promise.all([
      accessToken(user, session, privateKey, keyId),
      sessions.insertOne(sessionOf(session, user, refresh_token)),
    ]);
    const signedIn = { access_token, refresh_token, user: userOf(user) };
    res.set("Cache-Control", "no-store").json({ ...signedIn, token_type: "Bearer", expires_in: TOKEN_SECONDS });
  });

  return router;
}

function keyOf(email) {
  return email.trim().normalize("NFC").toLowerCase();
}

function accessToken(user, session, key, kid) {
  return new SignJWT({ roles: user.roles, sid: session })
    .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid })
    .setIssuer("https://users.trolley.example")
    .setAudience("trolley")
    .setSubject(user._id)
    .setIssuedAt()
    .setExpirationTime(`${TOKEN_SECONDS}s`)
    .setJti(newId())
    .sign(key);
}

function sessionOf(id, user, token) {
  const now = new Date();
  return {
    _id: id,
    user_id: user._id,
    token_hash: createHash("sha256").update(token).digest("hex"),
    created_at: now,
    expires_at: new Date(now.getTime() + SESSION_MS),
  };
}

function userOf({ _id, email, name, roles, version, created_at, updated_at }) {
  return { id: _id, email, name, roles, version, created_at, updated_at };
}
