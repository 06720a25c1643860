// Addresses: everything after # is a path, so one file serves every page and each view has a link.
import { useSyncExternalStore } from "react";

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
