// Requests to /api/v1, and the stream of events that tells when an answer is out of date.
import { useCallback, useEffect, useRef, useState } from "react";
import type { ActivityView, Answer, Fault, ItemNews, ToolUseChange, WrittenText } from "./api_types";
import { chosenProject } from "./chosen";
import { keepFocus, refocus } from "./keys";
import { atServer, borrow, given as headersOf, leaves, prove } from "./session";

/** An answer that is no refusal: its data is there. */
export type Answered<T> = Answer<T> & { data: T };

export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly hint: string,
    readonly details: Fault[],
    readonly data: unknown,
  ) {
    super(message);
  }
}

/** The person was asked for their PIN and went back: nothing was done, and nothing is to be said about it. */
export class Withdrawn extends Refused {
  constructor({ status, code, message, hint, details, data }: Refused) {
    super(status, code, message, hint, details, data);
  }
}

/** What a program would hear of its token. */
const OVER = { code: "unauthorized", message: "The session of this page is over.", hint: "Open the link of wfe-mcp status in a new tab, then do this again", details: [] };

function refusalOf(status: number, said: { error?: Partial<{ code: string; message: string; hint: string; details: Fault[] }>; data?: unknown } | null): Refused {
  const error = said?.error?.code === OVER.code && !atServer() ? OVER : (said?.error ?? {});
  return new Refused(status, error.code ?? "unavailable", error.message ?? `The server answered ${status}.`, error.hint ?? "", error.details ?? [], said?.data ?? null);
}

/** Templates are those of the chosen project, on each page that shows or changes them. */
function ofProject(path: string, body: unknown): [path: string, body: unknown] {
  const project = path.startsWith("/templates") ? chosenProject() : "";
  if (!project || /[?&]project=/.test(path)) return [path, body];
  return body === undefined ? [`${path}${path.includes("?") ? "&" : "?"}${new URLSearchParams({ project })}`, body] : [path, { project, ...(body as object) }];
}

/** Whether this session is over, where an answer says that it opens nothing: the page asks once more. */
const asksWhether = (status: number): void => void (status === 401 && window.dispatchEvent(new Event("wfe-session")));

/** What the server answers. Throws Refused where it does not. */
export async function reach(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`/api/v1${path}`, init);
  } catch {
    throw new Refused(0, "lost", "The server does not answer.", "Start it again: wfe-mcp ui", [], null);
  }
}

export async function ask<T>(given: string, content?: unknown, method = content === undefined ? "GET" : "POST", more: Record<string, string> = {}, borrows = true): Promise<Answered<T>> {
  const [path, body] = ofProject(given, content);
  const at = location.href;
  const headers: Record<string, string> = { ...headersOf(), ...more };
  if (method !== "GET") headers["content-type"] = "application/json";
  const found = await reach(path, { method, headers, ...(method === "GET" ? {} : { body: JSON.stringify(body ?? {}) }) });
  const said = await found.json().catch(() => null);
  if (found.status === 401 && borrows && (await borrow())) return ask<T>(given, content, method, more, false);
  if (!found.ok || !said?.ok) {
    leaves(found.status, said?.data);
    if (given !== "/session") asksWhether(found.status);
    if (said?.data?.read_only && (await prove(said.error?.message, at))) return ask<T>(given, content, method, more);
    throw refusalOf(found.status, said);
  }
  return said as Answered<T>;
}

// -- the stream ------------------------------------------------------------------------------------------------------

/** `over`: the server answers, and the session of this page is over. */
type LiveState = "connecting" | "live" | "lost" | "over";
type Heard = { event: ActivityView } | { item: ItemNews } | { written: WrittenText } | { tool: ToolUseChange } | { again: true } | { state: LiveState };

const listeners = new Set<(heard: Heard) => void>();
const tabs = new BroadcastChannel("wfe-events");
const RETRY_MS = 1000;
const LOST_MS = 3000;
const MOST_PAUSE_MS = 60_000;
const MOMENT_MS = 10_000;
const LOOK_MS = 2_000;
const MOST_WRITTEN = 50;
/** How long the first questions of a page wait for the stream: what changes between an answer and the begin of the stream would go unseen. */
const FIRST_MS = 2000;
/** By job, the one that was written to last at the end. */
const written = new Map<string, WrittenText>();
let position: number | null = null;
let state: LiveState = "connecting";
/** What a new tab asks the others, of which the one with the connection answers: whether the page is live. */
const ASKS = "state";
let leads = false;
/** Whether something was asked for before the stream was there. */
let early = false;
let begins = (): void => undefined;
const begun = new Promise<void>((resolve) => (begins = resolve));

tabs.addEventListener("message", ({ data }) => (data === ASKS ? leads && tabs.postMessage({ state }) : take(data as Heard)));

export function onLive(listener: (heard: Heard) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function take(heard: Heard): void {
  if ("event" in heard) position = Math.max(position ?? 0, heard.event.position);
  if ("state" in heard) {
    state = heard.state;
    if (state !== "connecting") begins();
  }
  if ("written" in heard) {
    written.delete(heard.written.job);
    written.set(heard.written.job, heard.written);
    if (written.size > MOST_WRITTEN) written.delete(written.keys().next().value ?? "");
  }
  for (const each of listeners) each(heard);
}

function tell(heard: Heard): void {
  take(heard);
  tabs.postMessage(heard);
}

/** Follow the log for all tabs of this browser: one holds the lock and the connection, the others hear it. */
export function follow(): void {
  const alone = async () => {
    leads = true;
    for (;;) {
      tell({ state: await read().catch(() => "lost" as const) });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  };
  void (navigator.locks ? navigator.locks.request("wfe-events", alone) : alone());
  tabs.postMessage(ASKS);
  setTimeout(() => {
    early = state === "connecting";
    begins();
  }, FIRST_MS);
}

/** Hear the stream until it ends; why it ended. */
async function read(): Promise<"lost" | "over"> {
  const headers: Record<string, string> = { ...headersOf(), accept: "text/event-stream" };
  if (position !== null) headers["last-event-id"] = String(position);
  const found = await fetch("/api/v1/events", { headers });
  asksWhether(found.status);
  if (found.status === 401) return "over";
  if (found.ok && found.body) for await (const each of messages(found.body)) message(each);
  return "lost";
}

interface Message {
  kind: string;
  id: string;
  data: string;
}

/** The messages of a stream of Server-Sent Events. */
async function* messages(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Message> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const field = (name: string) =>
        block
          .split("\n")
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).replace(/^ /, ""))
          .join("\n");
      yield { kind: field("event"), id: field("id"), data: field("data") };
    }
  }
}

/** The parts of the answer of `path` as they come, then the whole. Throws Refused. */
export async function* answered<T>(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<{ kind: string; text: string } | { answer: Answered<T> }> {
  const headers = { ...headersOf(), "content-type": "application/json" };
  const found = await fetch(`/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!found.ok || !found.body) throw refusalOf(found.status, await found.json().catch(() => null));
  for await (const each of messages(found.body)) {
    const said = each.data ? JSON.parse(each.data) : {};
    if (each.kind === "refused") throw refusalOf(0, said);
    yield each.kind === "answer" ? { answer: said as Answered<T> } : { kind: each.kind, text: said.text ?? "" };
    if (each.kind === "answer") return;
  }
  throw new Refused(0, "lost", "The answer broke off.", "Ask again.", [], null);
}

function message({ kind, id, data }: Message): void {
  if (kind === "ready" || kind === "reset") {
    const was = state;
    position = Number(id);
    tell({ state: "live" });
    if (kind === "reset" || was === "lost" || was === "over" || early) tell({ again: true });
    early = false;
  } else if (kind === "event") tell({ event: JSON.parse(data) as ActivityView });
  else if (kind === "item") tell({ item: JSON.parse(data) as ItemNews });
  else if (kind === "tool") tell({ tool: JSON.parse(data) as ToolUseChange });
  else if (kind === "text") {
    const piece = JSON.parse(data) as WrittenText;
    tell({ written: { ...piece, text: (piece.adds ? (written.get(piece.job)?.text ?? "") : "") + piece.text } });
  }
}

/** Of events that come one after the other, one answer is asked for, … */
const GATHER_MS = 60;
/** … and at most one in this time. */
const PAUSE_MS = 1000;

/** A run began, went on or ended: what counts runs by their state is another. */
export const beginsOrEnds = (event: ActivityView): boolean => event.type.startsWith("Run");

/** Of work items, none matters. */
const NO_ITEM = (): boolean => false;

/** Do `work` soon after an event that `matters`, or the change of one of the `items`; a tab that is not seen does it when it is
 * seen again, unless `unseen`. */
export function whenChanged(work: () => void, matters: (event: ActivityView) => boolean, unseen = false, items: (news: ItemNews) => boolean = NO_ITEM): () => void {
  let timer = 0;
  let at = -PAUSE_MS;
  let waits = false;
  const now = () => {
    timer = 0;
    waits = document.hidden && !unseen;
    if (waits) return;
    at = performance.now();
    work();
  };
  const soon = () => void (timer ||= window.setTimeout(now, Math.max(GATHER_MS, at + PAUSE_MS - performance.now())));
  const seen = () => waits && soon();
  const off = onLive((heard) => ("again" in heard || ("event" in heard && matters(heard.event)) || ("item" in heard && items(heard.item))) && soon());
  document.addEventListener("visibilitychange", seen);
  return () => {
    off();
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", seen);
  };
}

// -- hooks -----------------------------------------------------------------------------------------------------------

export interface Asked<T> {
  data: T | null;
  answer: Answered<T> | null;
  error: Refused | null;
  reload: () => void;
}

/** The answer of `path`, asked again after an event that `matters`, as `whenChanged` does; null asks nothing. */
export function useAsk<T>(path: string | null, matters: (event: ActivityView) => boolean, unseen = false, items: (news: ItemNews) => boolean = NO_ITEM): Asked<T> {
  const [found, setFound] = useState<{ path: string | null; answer: Answered<T> | null; error: Refused | null }>({ path, answer: null, error: null });
  const wanted = useRef(path);
  wanted.current = path;
  const filter = useRef(matters);
  filter.current = matters;
  const those = useRef(items);
  those.current = items;
  const busy = useRef(false);
  const again = useRef(false);

  const load = useCallback(async () => {
    if (busy.current) {
      again.current = true;
      return;
    }
    busy.current = true;
    do {
      again.current = false;
      const now = wanted.current;
      if (now === null) break;
      try {
        await begun;
        const answer = await ask<T>(now);
        if (wanted.current === now) setFound({ path: now, answer, error: null });
      } catch (error) {
        if (wanted.current === now) setFound((was) => ({ path: now, answer: was.path === now ? was.answer : null, error: error as Refused }));
      }
      if (wanted.current !== now) again.current = true;
    } while (again.current);
    busy.current = false;
  }, []);

  useEffect(() => void load(), [path, load]);
  useEffect(() => whenChanged(() => void load(), (event) => filter.current(event), unseen, (news) => those.current(news)), [load, unseen]);

  useMoments();
  useRetry(found.error, () => void load());
  useEffect(keepFocus, [found]); // a button goes with the state in which it could be pressed

  const current = found.path === path;
  return {
    data: current ? (found.answer?.data ?? null) : null,
    answer: current ? found.answer : null,
    error: current ? found.error : null,
    reload: () => void load(),
  };
}

/** Show the page anew from time to time while it is seen: what it says of how long ago something was goes on without an event. */
export function useMoments(): number {
  const [moment, setMoment] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setMoment((was) => was + 1), MOMENT_MS);
    return () => clearInterval(timer);
  }, []);
  return moment;
}

/** Do `look` every few seconds while `moves` and the page is seen: what changes there writes no event. */
export function useLooks(moves: boolean, look: () => void): void {
  const now = useRef(look);
  now.current = look;
  useEffect(() => {
    if (!moves) return undefined;
    const timer = setInterval(() => document.hidden || now.current(), LOOK_MS);
    return () => clearInterval(timer);
  }, [moves]);
}

/** Do `work` again soon, where it did not arrive; where the server was busy, later from time to time. */
export function useRetry(error: Refused | null, work: () => void): void {
  const now = useRef(work);
  now.current = work;
  const tries = useRef(0);
  useEffect(() => {
    tries.current = error?.status === 503 ? tries.current + 1 : 0;
    if (error?.code !== "lost" && !tries.current) return undefined;
    const pause = Math.min(LOST_MS * 2 ** Math.max(0, tries.current - 1), MOST_PAUSE_MS);
    const timer = setTimeout(() => now.current(), pause); // the stream may not have noticed
    return () => clearTimeout(timer);
  }, [error]);
}

/** What a model has written at the newest attempt at a phase that it works; empty before it has written anything. */
export function useWritten(run: string, phase: string): WrittenText | null {
  const find = () => [...written.values()].findLast((each) => each.run === run && each.phase === phase) ?? null;
  const [found, setFound] = useState(find);
  useEffect(() => {
    setFound(find);
    return onLive((heard) => "written" in heard && heard.written.run === run && heard.written.phase === phase && setFound(heard.written));
  }, [run, phase]);
  return found;
}

/** Do `work` when a model begins or ends a call of a tool in a phase. */
export function useToolNews(run: string, phase: string, work: () => void): void {
  const now = useRef(work);
  now.current = work;
  useEffect(() => onLive((heard) => "tool" in heard && heard.tool.run === run && heard.tool.phase === phase && now.current()), [run, phase]);
}

export function useLive(): LiveState {
  const [now, setNow] = useState(state);
  useEffect(() => {
    setNow(state); // it may have come since the first drawing
    return onLive((heard) => "state" in heard && setNow(heard.state));
  }, []);
  return now;
}

/** What was refused to the person who pressed something: they have to see it, wherever on the page it stands. */
export const ofActs = new WeakSet<Refused>();

/** Run an action once at a time; what it was refused with stays until the next try. `after`: also where it was refused, since another
 * page may have done it before. What is answered late leads nowhere: the action asks `isHere` before it goes to another page. */
export function useAct(after?: () => void): [(work: (isHere: () => boolean) => Promise<unknown>) => void, boolean, Refused | null] {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Refused | null>(null);
  const before = useRef<Element | null>(null);
  useEffect(() => {
    if (!busy && before.current) refocus(before.current); // a button that is switched off loses the focus
  }, [busy]);
  const run = (work: (isHere: () => boolean) => Promise<unknown>) => {
    if (busy) return;
    const at = location.href;
    before.current = document.activeElement;
    setBusy(true);
    setError(null);
    work(() => location.href === at)
      .catch((reason: unknown) => {
        if (reason instanceof Withdrawn) return;
        const refused = reason instanceof Refused ? reason : new Refused(0, "bug", String(reason), "", [], null);
        ofActs.add(refused);
        setError(refused);
      })
      .finally(() => {
        setBusy(false);
        after?.();
      });
  };
  return [run, busy, error];
}

export const query = (given: Record<string, string | number | undefined | null>): string => {
  const set = Object.entries(given).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return set.length ? `?${new URLSearchParams(set.map(([name, value]) => [name, String(value)]))}` : "";
};
