// The session of this tab: a token from a single-use code in the address, or from another tab; never a cookie.
//
//   #code=CODE&to=/inbox   opened by `wfe-mcp ui`: exchanged once, and removed from the address
//   BroadcastChannel       another tab of this browser lends its token
//   neither                the page says which command opens it

import { createContext } from "react";
import type { SessionView } from "./api_types";

/** What the session may do, and its project; null until the server has answered. */
export const Session = createContext<SessionView | null>(null);

const KEY = "wfe-token";
const LEND_MS = 400;
const channel = new BroadcastChannel("wfe-session");

let token = sessionStorage.getItem(KEY) ?? "";
let refusal = "";

channel.addEventListener("message", ({ data }) => {
  if (data === "who" && token) channel.postMessage({ token });
});

export const bearer = (): string => token;

/** Why the link of this tab opened nothing; empty where it had none. */
export const refusedLink = (): string => refusal;

let proof: ((why: string) => Promise<boolean>) | null = null;

/** Who asks for the PIN where the session only looks; true once it may do more. */
export function provenBy(ask: ((why: string) => Promise<boolean>) | null): void {
  proof = ask;
}

export const prove = (why: string): Promise<boolean> => (proof ? proof(why) : Promise.resolve(false));

export function forget(): void {
  token = "";
  sessionStorage.removeItem(KEY);
}

/** Whether this tab has a token afterwards. */
export async function begin(): Promise<boolean> {
  const given = new URLSearchParams(location.hash.slice(1));
  const code = given.get("code");
  if (code || given.has("to")) history.replaceState(null, "", `${location.pathname}#${given.get("to") ?? "/inbox"}`);
  if (code) {
    const answer = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code }),
    });
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) keep(said.data?.token ?? "");
    else refusal = said.error?.message ?? "";
  }
  if (!token) keep(await lent());
  return token !== "";
}

function keep(given: string): void {
  token = given;
  if (given) sessionStorage.setItem(KEY, given);
}

function lent(): Promise<string> {
  return new Promise((resolve) => {
    const heard = ({ data }: MessageEvent) => {
      if (data?.token) end(data.token);
    };
    const end = (found: string) => {
      channel.removeEventListener("message", heard);
      clearTimeout(timer);
      resolve(found);
    };
    const timer = setTimeout(() => end(""), LEND_MS);
    channel.addEventListener("message", heard);
    channel.postMessage("who");
  });
}
