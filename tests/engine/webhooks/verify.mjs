// Verifies webhooks as a receiver in Node does: node verify.mjs HEARD.json [FOLDER with node_modules/standardwebhooks]
// Without the package it follows the specification with node's own crypto. Prints how many were accepted, and by what.
import { createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [file, folder] = process.argv.slice(2);
const { secret, heard } = JSON.parse(readFileSync(file, "utf8"));

function bySpecification(body, headers) {
  if (Math.abs(Date.now() / 1000 - Number(headers["webhook-timestamp"])) > 300) throw new Error("too old or too new");
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const wanted = createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64")).update(signed).digest();
  const found = headers["webhook-signature"].split(" ").map((each) => each.split(","));
  const is = ([version, text]) => version === "v1" && timingSafeEqual(Buffer.from(text, "base64"), wanted);
  if (!found.some(is)) throw new Error("no matching signature");
}

let verify = bySpecification;
if (folder) {
  const { Webhook } = createRequire(resolve(folder, "package.json"))("standardwebhooks");
  verify = (body, headers) => new Webhook(secret).verify(body, headers);
}
for (const one of heard) {
  verify(one.body, one.headers);
  let refused = false;
  try {
    verify(`${one.body} `, one.headers);
  } catch {
    refused = true;
  }
  if (!refused) throw new Error("another body was accepted");
}
console.log(`${heard.length} by ${folder ? "standardwebhooks" : "node:crypto"}`);
