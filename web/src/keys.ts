// Keys: single letters outside of fields, `g` then a letter, and Ctrl-K.
import { useEffect, useLayoutEffect, useRef } from "react";

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

/** The focus goes along from a line of a list to the one that a key marks: Enter follows the link that has the focus. */
export function useMarked(line: string | number | undefined): void {
  useEffect(() => document.activeElement?.closest("tbody, ul")?.querySelector<HTMLElement>(`tr[aria-current="true"] a, li[aria-current="true"] a, a[aria-current="true"]`)?.focus(), [line]);
}

/** Remember a first `g`, once for the page, before any listener sees the key; who types fast presses the next key before this one is up. */
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

/** What had the focus is not on the page any more: the page has it. */
export function keepFocus(): void {
  if (focused instanceof Element && !focused.isConnected) refocus();
}

/** Where what had the focus has gone: back to `before`, or to the page where that has gone too or is switched off. */
export function refocus(before?: Element | null): void {
  const main = document.querySelector("main");
  for (const each of [before, main])
    if ([document.body, main].includes(document.activeElement as HTMLElement) && each instanceof HTMLElement) each.focus({ preventScroll: true });
}
