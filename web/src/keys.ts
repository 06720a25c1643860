// Keys: single letters outside of fields, `g` then a letter, and Ctrl-K.
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { go } from "./route";

export type Keys = Record<string, (() => void) | undefined>;

const inField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** What the key does by itself: Enter follows a link, presses a button, unfolds a part. */
const isOfTarget = (event: KeyboardEvent): boolean => event.key === "Enter" && event.target instanceof Element && event.target.closest("a, button, summary") !== null;

let prefix = "";
/** The prefix of the next key. */
let next = "";

/** While the component is shown: name of a key, or two with a space between, → what it does.
 *
 * From the same moment as it is shown: a key that comes between is lost, and the letters meant for the field that it opens
 * would be keys. */
export function useKeys(keys: Keys): void {
  const now = useRef(keys);
  now.current = keys;
  useLayoutEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      const chord = (event.ctrlKey || event.metaKey ? "Ctrl " : "") + event.key;
      if (event.altKey || isOfTarget(event) || (inField(event.target) && !chord.startsWith("Ctrl ") && event.key !== "Escape")) return;
      if (document.querySelector("dialog[open], .palette") && !chord.startsWith("Ctrl ")) return;
      const does = now.current[prefix ? `${prefix} ${event.key}` : chord];
      if (does) {
        event.preventDefault();
        does();
      }
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, []);
}

/** The line of a list that a key marks comes into view, and the focus goes along where it is in the list: Enter follows the link that has it. */
export function useMarked(line: string | number | undefined): void {
  const was = useRef(line);
  useEffect(() => {
    if (was.current === line) return;
    was.current = line;
    const marked = document.querySelector<HTMLElement>('main [aria-current="true"]');
    marked?.scrollIntoView({ block: "nearest" });
    const list = marked?.closest("table, .board, .events") ?? marked?.closest("ul");
    if (list?.contains(document.activeElement)) (marked?.matches("a") ? marked : marked?.querySelector("a"))?.focus();
  }, [line]);
}

/** The marked line of a list, and the keys that mark another and open it at its `place`; `more`: what other keys do with it. */
export function useLines<T>(rows: readonly T[], place: (row: T) => string, more: Record<string, (row: T) => void> = {}): [at: number, setAt: (at: number) => void] {
  const [chosen, setAt] = useState(0);
  const at = Math.max(0, Math.min(chosen, rows.length - 1));
  const row = rows[at];
  const does = (act: (row: T) => void) => (row === undefined ? undefined : () => act(row));
  const open = does((each) => go(place(each)));
  useKeys({
    j: () => setAt(Math.min(rows.length - 1, at + 1)),
    k: () => setAt(Math.max(0, at - 1)),
    o: open,
    Enter: open,
    ...Object.fromEntries(Object.entries(more).map(([key, act]) => [key, does(act)])),
  });
  useMarked(at);
  return [at, setAt];
}

/** Remember a first `g`, once for the page, before any listener sees the key; a person who types fast presses the next key before this one is up. */
export function watchPrefix(): void {
  const pressed = (event: KeyboardEvent) => {
    prefix = next;
    next = event.key === "g" && !prefix && !event.ctrlKey && !event.metaKey && !inField(event.target) ? "g" : "";
  };
  window.addEventListener("keydown", pressed, true);
}

let focused: EventTarget | null = null;

/** Remember what had the focus last: an element that goes takes it along, and says nothing. */
export function watchFocus(): void {
  window.addEventListener("focusin", (event) => void (focused = event.target), true);
}

/** What had the focus is not on the page any more, or is switched off: the page has it. */
export function keepFocus(): void {
  if (focused instanceof Element && (!focused.isConnected || isOff(focused))) refocus();
}

const isOff = (place: Element | null): boolean => place?.matches(":disabled") === true;

/** Where what had the focus has gone: back to `before`, or to the page where that has gone too or is switched off. */
export function refocus(before?: Element | null): void {
  const main = document.querySelector("main");
  for (const each of [before, main])
    if (([document.body, main].includes(document.activeElement as HTMLElement) || isOff(document.activeElement)) && each instanceof HTMLElement) each.focus({ preventScroll: true });
}

/** The focus goes on with what was moved, or to what is beside it where it was removed: to the first of `places` that is there. */
export function focusOn(root: ParentNode | null, ...places: string[]): void {
  places.map((place) => root?.querySelector<HTMLElement>(place)).find(Boolean)?.focus();
}
