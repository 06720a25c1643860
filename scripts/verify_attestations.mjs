// Verifies bundles of attestations without wfe-mcp, with Node.js alone (18 or later, no package).
//
// node verify_attestations.mjs APPROVERS TREE BUNDLE...   as verify_attestations.py: APPROVERS is .wfe/approvers.json of the base,
// TREE that of the files without .wfe/, BUNDLE has envelopes, one a line. Prints the decisions that count as JSON; exit 1 without a bundle, or where one has no approval of TREE.

import { createHash, createPublicKey, verify as holds } from "node:crypto";
import { readFileSync } from "node:fs";

const DECISION = "https://wfe-mcp.invalid/attestation/person-decision/v1";
const PAYLOAD = "application/vnd.in-toto+json";
const TEXTS = ["format", "kind", "project", "run", "shown", "artifact", "tree", "comment", "approvers", "time", "key"];
const [OBJECTS, LISTS] = [["request", "files", "log"], ["gates", "decision"]];
const [HERE, ORIGIN] = [/^http:\/\/localhost:[0-9]{1,5}$/, /^https?:\/\/([a-z0-9.-]{1,253})(?::[0-9]{1,5})?$/];
const COSE = [
  [/^a5010203262001215820(.{64})225820(.{64})$/, (m) => ({ kty: "EC", crv: "P-256", x: url(m[1]), y: url(m[2]) })],
  [/^a4010103272006215820(.{64})$/, (m) => ({ kty: "OKP", crv: "Ed25519", x: url(m[1]) })],
  [/^a401030339010020590100(.{512})2143(.{6})$/, (m) => ({ kty: "RSA", n: url(m[1]), e: url(m[2]) })],
];

const need = (truth) => { if (!truth) throw new Error("no"); };
const url = (hex) => Buffer.from(hex, "hex").toString("base64url");
const sha = (bytes) => createHash("sha256").update(bytes);
const utf8 = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const hasKeys = (value, names, more = []) =>
  isObject(value) && names.every((name) => Object.hasOwn(value, name)) && Object.keys(value).every((name) => names.includes(name) || more.includes(name));
const jwk = (key) => createPublicKey({ key, format: "jwk" });
const verifyWith = (key, hash, data, signature) => need(holds(hash, data, jwk(key), signature));

function url64(text) {
  need(typeof text === "string" && /^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1);
  return Buffer.from(text, "base64url");
}

function strict64(text) {
  const standard = text.replaceAll("-", "+").replaceAll("_", "/");
  need(Buffer.from(standard, "base64").toString("base64") === standard);
  return Buffer.from(standard, "base64");
}

function sorted(value) {
  if (!isObject(value)) return Array.isArray(value) ? value.map(sorted) : value;
  return Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])]));
}

const canonical = (value, indent) => JSON.stringify(sorted(value), null, indent);
function check(made, text, key) {
  if (Object.hasOwn(key, "kind")) {
    verifyWith({ kty: "OKP", crv: "Ed25519", x: url64(key.public_key).toString("base64url") }, null, text, url64(made));
    return;
  }
  need(hasKeys(made, ["id", "client_data", "authenticator_data", "signature"]) && made.id === key.id);
  const [said, seen, signature] = [made.client_data, made.authenticator_data, made.signature].map(url64);
  const client = JSON.parse(utf8(said));
  need((key.origin ? client.origin === key.origin : HERE.test(client.origin)) && client.type === "webauthn.get");
  need(client.challenge.replace(/=+$/, "") === sha(text).digest("base64url"));
  need(seen.length > 36 && seen.subarray(0, 32).equals(sha(ORIGIN.exec(client.origin)[1]).digest()) && (seen[32] & 5) === 5);
  const data = Buffer.concat([seen, sha(said).digest()]);
  const raw = url64(key.public_key).toString("hex");
  const [form, parts] = COSE.find(([each]) => each.test(raw));
  const found = parts(form.exec(raw));
  verifyWith(found, found.kty === "OKP" ? null : "sha256", data, signature);
}

/** The keys in force after each change, by the sha256 of the chain until then; "" names those of now. */
function chain(raw) {
  const document = JSON.parse(utf8(raw));
  need(hasKeys(document, ["format", "changes"]) && document.format === "wfe-approvers/1" && document.changes.length > 0);
  need(utf8(raw).replaceAll("\r\n", "\n") === `${canonical(document, 2)}\n`);
  const heads = new Map();
  let [keys, head] = [new Map(), sha("[]").digest("hex")];
  document.changes.forEach((change, index) => {
    const { key, do: what, at } = change;
    const made = ["signature", "assertion"].filter((name) => Object.hasOwn(change, name));
    need(hasKeys(change, ["do", "key", "at"], ["signed_by", "signature", "assertion"]) && typeof at === "string");
    need(hasKeys(key, ["id", "name", "public_key"], ["kind", "origin"]) && (key.kind ?? "person") === "person" && key.kind !== null);
    need(typeof key.name === "string" && /^[^\x00-\x1f\x7f]{1,64}$/u.test(key.name) && url64(key.id).length && url64(key.public_key).length);
    const before = keys.get(key.id);
    need(what === "add" ? !before : what === "remove" && keys.size > 1 && canonical(before) === canonical(key));
    need(!key.kind || sha(url64(key.public_key)).digest("hex") === key.id);
    need(!Object.hasOwn(key, "origin") || (!key.kind && typeof key.origin === "string" && ORIGIN.test(key.origin)));
    if (index === 0) need(made.length === 0 && !Object.hasOwn(change, "signed_by"));
    else {
      const signer = keys.get(change.signed_by);
      need(made.length === 1 && made[0] === (signer.kind ? "signature" : "assertion"));
      const said = { format: "wfe-approvers/1", change: index + 1, before: head, do: what, key, at };
      check(change[made[0]], Buffer.from(canonical(said)), signer);
    }
    keys = new Map(what === "add" ? [...keys, [key.id, key]] : [...keys].filter(([id]) => id !== key.id));
    head = sha(canonical(document.changes.slice(0, index + 1))).digest("hex");
    heads.set(head, keys).set("", keys);
  });
  return heads;
}

function envelope(raw) {
  const document = JSON.parse(utf8(raw));
  need(hasKeys(document, ["payload", "payloadType", "signatures"]) && document.signatures.length === 1);
  const [made] = document.signatures;
  need(hasKeys(made, ["keyid", "sig"]) && document.payloadType === PAYLOAD && /^ed25519:[A-Za-z0-9_-]{43}$/.test(made.keyid));
  const [payload, x] = [strict64(document.payload), strict64(`${made.keyid.slice(8)}=`).toString("base64url")];
  const pae = Buffer.concat([Buffer.from(`DSSEv1 ${PAYLOAD.length} ${PAYLOAD} ${payload.length} `), payload]);
  verifyWith({ kty: "OKP", crv: "Ed25519", x }, null, pae, strict64(made.sig));
  const found = JSON.parse(utf8(payload));
  need(found._type === "https://in-toto.io/Statement/v1" && isObject(found.predicate) && typeof found.predicateType === "string");
  need(Array.isArray(found.subject) && found.subject.every((each) => isObject(each.digest)));
  const pairs = found.subject.flatMap((each) => Object.entries(each.digest));
  need(pairs.every(([, value]) => typeof value === "string"));
  return { ...found, trees: pairs.filter(([name]) => name === "gitTree").map(([, value]) => value) };
}

function decision(predicate, trees, heads) {
  need(hasKeys(predicate, ["statement", "signature"]) && typeof predicate.statement === "string");
  const [text, made] = [Buffer.from(predicate.statement), predicate.signature];
  const [said, isPerson] = [JSON.parse(predicate.statement), typeof made === "string"];
  need(hasKeys(said, [...TEXTS, ...OBJECTS, ...LISTS], ["target"]) && isObject(said.target ?? {}) && said.target !== null);
  need(TEXTS.every((name) => typeof said[name] === "string") && OBJECTS.every((name) => isObject(said[name])));
  need(LISTS.every((name) => Array.isArray(said[name])) && ["approve", "reject"].includes(said.kind));
  need(["wfe-decision/1", "wfe-decision/2"].includes(said.format) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/.test(said.time));
  const [one, tree] = [said.decision[0], said.tree.split("+")[0]];
  const places = isPerson || Object.keys(said.log).length ? [said.request, said.log] : [said.request];
  need(places.every((at) => Number.isInteger(at.seq) && at.seq >= 0 && Object.hasOwn(at, "hash")));
  need(typeof one.phase === "string" && Number.isInteger(one.attempt) && tree && trees.includes(tree) && said.approvers);
  const key = heads.get(said.approvers).get(isPerson ? said.key : made.id);
  need(canonical(heads.get("").get(key.id)) === canonical(key) && Boolean(key.kind) === isPerson && (said.key !== "passkey") === isPerson);
  check(made, text, key);
  return [sha(text).digest("hex"), said.kind, tree, key.name];
}

function verify(heads, bundle) {
  let [statements, decisions] = [0, new Map()];
  for (let from = 0, to; from < bundle.length; from = to + 1) {
    to = bundle.indexOf(10, from) < 0 ? bundle.length : bundle.indexOf(10, from);
    try {
      const found = envelope(bundle.subarray(from, to));
      if (found.predicateType !== DECISION) statements += 1;
      else { const one = decision(found.predicate, found.trees, heads); decisions.set(one.join(), one); }
    } catch { /* what is none counts for nothing */ }
  }
  return { decisions: [...decisions.values()].sort((a, b) => (a.join() < b.join() ? -1 : 1)), statements };
}

const [approvers, tree, ...names] = process.argv.slice(2);
let heads = new Map();
try { heads = chain(readFileSync(approvers)); } catch { /* no key of a file that is no chain counts */ }
const results = names.map((name) => [name, verify(heads, readFileSync(name))]);
console.log(JSON.stringify(Object.fromEntries(results)));
process.exit(names.length && results.every(([, { decisions }]) => decisions.some(([, kind, at]) => kind === "approve" && at === tree)) ? 0 : 1);
