// Addresses: everything after # is a path, so one file serves every page and each view has a link.
import { useState, useSyncExternalStore } from "react";

export interface Route {
  page: string;
  parts: string[];
  query: URLSearchParams;
}

const read = (): string => location.hash.slice(1) || "/inbox";

/** What a part of an address says; one that was typed by hand, such as 100%, as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function useRoute(): Route {
  const text = useSyncExternalStore(
    (changed) => {
      window.addEventListener("hashchange", changed);
      return () => window.removeEventListener("hashchange", changed);
    },
    read,
  );
  const [path = "", query = ""] = text.split("?");
  const [page = "inbox", ...parts] = path.split("/").filter(Boolean).map(decoded);
  return { page, parts, query: new URLSearchParams(query) };
}

export const to = (...parts: (string | number)[]): string => `#/${parts.map((part) => encodeURIComponent(part)).join("/")}`;

export function go(address: string): void {
  location.hash = address.replace(/^#/, "");
}

/** As `go`, from a form that is done: "back" leads to where one came from, and not into the form again, nor twice to one page. */
export function leave(address: string): void {
  const next = new URL(`#${address.replace(/^#/, "")}`, location.href).href;
  if (history.state?.from === next) return history.back();
  replaces = next;
  location.replace(next);
}

/** Where the entry of now was put in place of another one, which is none of the history any more. */
let replaces = "";

const keep = (name: string, value: unknown): void => history.replaceState({ ...history.state, [name]: value }, "");

/** As useState, kept in the entry of the history: a person who comes back to the page finds it as they left it. `name`: another for each of a page. */
export function useKept<T>(name: string, first: T): [T, (next: T) => void] {
  const [value, setValue] = useState<T>(history.state?.[name] ?? first);
  return [value, (next) => {
    keep(name, next);
    setValue(next);
  }];
}

/** Do `show` now and each time something comes onto the page, until its reader does something: what is to be seen comes with the answers. */
export function whileItGrows(show: () => void): void {
  const at = location.href;
  const over = new AbortController();
  const grows = new MutationObserver(show);
  grows.observe(document.body, { childList: true, subtree: true });
  show();
  const end = (event: Event) => {
    if (event.type === "hashchange" && location.href === at) return; // of an address that was passed on the way here
    grows.disconnect();
    over.abort();
  };
  for (const act of ["pointerdown", "wheel", "keydown", "hashchange"]) window.addEventListener(act, end, { signal: over.signal, capture: true });
}

const RESTS_MS = 100;

/** Who comes back, or loads the page again, is where they were on it: at the same height, and with the focus on the link that they followed. */
export function watchPlace(): void {
  let timer = 0;
  let at = "";
  const back = (from: string) => {
    if (location.href === at) return; // a second change came before the event of the first
    at = location.href;
    clearTimeout(timer);
    const y = history.state?.y as number | undefined;
    if (y === undefined) {
      if (at !== replaces) keep("from", from);
      replaces = "";
      return keep("y", 0); // not left yet
    }
    whileItGrows(() => {
      window.scrollTo(0, y);
      const link = [...document.querySelectorAll<HTMLAnchorElement>("main a")].find((each) => each.href === from);
      if (["MAIN", "BODY"].includes(document.activeElement?.tagName ?? "")) link?.focus({ preventScroll: true });
    });
  };
  history.scrollRestoration = "manual";
  window.addEventListener("hashchange", ({ oldURL }) => back(oldURL));
  const rests = () => { if (location.href === at) keep("y", window.scrollY); };
  window.addEventListener("scroll", () => {
    clearTimeout(timer);
    timer = window.setTimeout(rests, RESTS_MS);
  });
  window.addEventListener("click", rests, true); // a link, maybe sooner than that
  back("");
}
