// The session of this tab: a token from a single-use code in the address, or from another tab; never a cookie.
//
//   #code=CODE&to=/inbox   opened by `wfe-mcp ui`: exchanged once, and removed from the address
//   BroadcastChannel       another tab of this browser lends its token
//   neither                the page says which command opens it

import { createContext, useContext } from "react";
import type { SessionView } from "./api_types";

/** What the session may do, and its project; null until the server has answered. */
export const Session = createContext<SessionView | null>(null);

const ROLES = ["reader", "author", "approver", "admin"];
type Role = "author" | "approver" | "admin";

/** Whether who looks has at least this role in a project, by its id; where no one logs in, one person has them all. */
export function useRole(role: Role, project: string | undefined): boolean {
  const roles = useContext(Session)?.roles ?? {};
  return !isLogin || ROLES.indexOf(roles[project ?? ""] ?? "") >= ROLES.indexOf(role);
}

/** Whether who looks has at least this role in a project at all: what asks which one, asks later. */
export function useRoleSomewhere(role: Role): boolean {
  const roles = Object.values(useContext(Session)?.roles ?? {});
  return !isLogin || roles.some((each) => ROLES.indexOf(each) >= ROLES.indexOf(role));
}

const KEY = "wfe-token";
const LEND_MS = 400;
const channel = new BroadcastChannel("wfe-session");

let token = sessionStorage.getItem(KEY) ?? "";
let refusal = "";
let isLogin = false;

channel.addEventListener("message", ({ data }) => {
  if (data === "who" && token) channel.postMessage({ token });
});

/** The headers of a request: the token of this tab; at a server the browser sends the cookie of the login. */
export const given = (): Record<string, string> => (isLogin ? {} : { authorization: `Bearer ${token}` });

/** To the login of a server, and back to this page. */
function logIn(): void {
  location.assign(`/login?${new URLSearchParams({ to: `/app/${location.hash || "#/inbox"}` })}`);
}

/** At a server, who is not logged in (any more) logs in. True: the page is left. */
export function leaves(status: number, data: unknown): boolean {
  const isLeft = status === 401 && (data as { login?: boolean } | null)?.login === true;
  if (isLeft) logIn();
  return isLeft;
}

/** Why the link of this tab opened nothing; empty where it had none. */
export const refusedLink = (): string => refusal;

let proof: ((why: string, at: string) => Promise<boolean>) | null = null;

/** Who asks for the PIN where the session only looks; true once it may do more. */
export function provenBy(ask: ((why: string, at: string) => Promise<boolean>) | null): void {
  proof = ask;
}

export const prove = (why: string, at: string): Promise<boolean> => (proof ? proof(why, at) : Promise.resolve(false));

export function forget(): void {
  token = "";
  sessionStorage.removeItem(KEY);
}

/** Whether a person is logged in at a server: the words are for one of several then, and no command is theirs. */
export const atServer = (): boolean => isLogin;

/** How long a page waits before it asks a server again that did not say who is logged in. */
export const AGAIN_S = 2;

/** The session of this address, asked for until it is known; `away` hears why it is not. */
async function asked(away: (why: string) => void): Promise<{ status: number; data?: { login?: boolean } }> {
  for (;;) {
    const answer = await fetch("/api/v1/session").catch(() => null);
    const said = await answer?.json().catch(() => null);
    if (answer && answer.status < 500) return { status: answer.status, data: said?.data };
    away(said?.error?.message ?? "The server does not answer.");
    await new Promise((resolve) => setTimeout(resolve, AGAIN_S * 1000));
  }
}

/** Whether this tab has a session afterwards; `away`: see `asked`. */
export async function begin(away: (why: string) => void): Promise<boolean> {
  const sent = new URLSearchParams(location.hash.slice(1));
  const code = sent.get("code");
  if (code || sent.has("to")) history.replaceState(null, "", `${location.pathname}#${sent.get("to") ?? "/inbox"}`);
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
  if (!token) {
    const { status, data } = await asked(away);
    if (leaves(status, data)) return new Promise(() => undefined);
    isLogin = status === 200 && data?.login === true;
  }
  return isLogin || token !== "";
}

function keep(given: string): void {
  token = given;
  if (given) sessionStorage.setItem(KEY, given);
}

/** Whether another tab lends its session in place of this tab's, which is over. */
export async function borrow(): Promise<boolean> {
  const other = isLogin ? "" : await lent();
  if (other) keep(other);
  return other !== "";
}

/** The token of another tab, other than this one's; empty where none answers. */
function lent(): Promise<string> {
  return new Promise((resolve) => {
    const heard = ({ data }: MessageEvent) => {
      if (data?.token && data.token !== token) end(data.token);
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
