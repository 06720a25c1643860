// How times, amounts and states are said.

import { atServer } from "./session";

/** Who is waited for: at a server one of several people, who need not be the one who looks. */
export const person = (): string => (atServer() ? "a person" : "you");

export type Look = "waiting" | "running" | "passed" | "failed" | "skipped" | "warning" | "weak" | "old" | "pending";

const LOOKS: Record<string, Look> = {
  pending: "pending", ready: "pending", open: "pending",
  running: "running", claimed: "running", gating: "running",
  awaiting: "waiting", waiting: "waiting",
  completed: "passed", passed: "passed", pass: "passed",
  failed: "failed", fail: "failed", blocked: "failed", rejected: "failed",
  skipped: "skipped", cancelled: "skipped", paused: "skipped", "not run": "pending",
  superseded: "old", rolled_back: "old", warning: "warning", weakened: "weak", forced: "warning",
  active: "running", done: "passed", dropped: "skipped", proposed: "waiting", accepted: "passed", validated: "passed", falsified: "failed", inconclusive: "warning", supports: "passed", contradicts: "failed", error: "warning", neither: "pending", deprecated: "old",
};

export const look = (state: string): Look => LOOKS[state] ?? "pending";

const MARKS: Record<string, string> = {
  pass: "pass", fail: "fail", skipped: "skip", warning: "warn", awaiting: "you", running: "run", "not run": "wait",
};

export const mark = (state: string): string => MARKS[state] ?? "wait";

const STATES: Record<string, string> = {
  pending: "not started", ready: "ready to start", running: "running", gating: "being checked",
  completed: "passed", failed: "failed", skipped: "skipped", superseded: "superseded", waiting: "waiting", paused: "paused",
  cancelled: "cancelled", blocked: "blocked", rolled_back: "rolled back",
};

export const stateWord = (state: string): string => (state === "awaiting" ? `waiting for ${person()}` : (STATES[state] ?? state));

/** A phase passes its gates; a run is completed, as `wfe-mcp list --status` and the filter of runs say. */
export const runWord = (state: string): string => (state === "completed" ? state : stateWord(state));

/** Templates as lists show them: those of a first week, then those for special cases below a heading. */
export const grouped = <T extends { niche?: boolean }>(all: T[]): [heading: string, lines: T[]][] =>
  ([["", all.filter((each) => !each.niche)], ["More, for special cases", all.filter((each) => each.niche)]] as [string, T[]][]).filter(([, lines]) => lines.length > 0);

export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A time of the API as a moment; it is UTC. */
export const moment = (text: string): number => Date.parse(text.includes("T") ? text : text.replace(" UTC", "Z").replace(" ", "T"));

/** 12 min, 3 h 20 min, 2 days. */
export function span(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} days`;
}

export const age = (at: string): string => span((Date.now() - moment(at)) / 1000);

export const clock = (at: string | number): string =>
  new Date(typeof at === "number" ? at : moment(at)).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });

/** Of what takes longer than a day: the day, too. */
export const day = (at: number): string => `${new Date(at).toLocaleDateString("en", { day: "numeric", month: "short" })}, ${clock(at)}`;

export const count = (n: number, one: string, many = `${one}s`): string => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** Whether anyone reported what a model took: where no one did, the column is left out instead of saying so in each row. */
export const isReported = (all: { tokens?: number | null; cost_usd?: number | null; model?: string | null }[]): boolean =>
  all.some((each) => each.tokens != null || each.cost_usd != null || each.model != null);

export const tokens = (n: number | null | undefined): string => (n == null ? "not reported" : n < 1000 ? String(n) : `${Math.round(n / 100) / 10}k`);

export const money = (usd: number | null | undefined): string => (usd == null ? "not reported" : `$${usd.toFixed(usd < 0.1 ? 4 : 2)}`);

/** The phase that a run is at, and how many of its phases it is done with. */
type Progress = { phase?: string; phases_done?: number | null; phases_skipped?: number; phases?: number | null; reached?: string };
export const progress = ({ phase, phases_done: done, phases_skipped: skipped, phases, reached }: Progress): string =>
  [phase, phases == null ? "" : `${done ?? 0}/${phases}${skipped ? `, ${skipped} skipped` : ""}`, reached && `(${reached})`].filter(Boolean).join(" ");

export const folder = (path: string): string => path.replace(/[\\/]+$/, "").split(/[\\/]/).pop() ?? path;
