// What React makes elements with, for all of this application: text and spoken attributes pass `visible` on their way to the
// page, so nothing that an agent wrote is hidden there. What is edited (the value of a field) stays as it is.
import { Fragment, jsx as make, jsxs as makeAll } from "react/jsx-runtime";
import { WRITTEN_OUT } from "../written_out";

export { Fragment };
export type { JSX } from "react/jsx-runtime";

type Props = Record<string, unknown>;
const SPOKEN = ["title", "aria-label", "alt", "placeholder"];

export function visible(text: string): string {
  const code = (found: string) => `<U+${found.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}>`;
  return text.replaceAll("\r\n", "\n").replace(WRITTEN_OUT, code);
}

function seen(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(seen);
  return typeof value === "string" ? visible(value) : value;
}

function shown(type: unknown, props: Props): Props {
  // A component gets what it was given: it may compare or send it. What it makes of it comes here again.
  if (typeof type !== "string" && type !== Fragment) return props;
  const made = { ...props };
  if (type !== "textarea" && "children" in made) made.children = seen(made.children);
  for (const name of SPOKEN) if (name in made) made[name] = seen(made[name]);
  return made;
}

export const jsx: typeof make = (type, props, key) => make(type, shown(type, props as Props), key);
export const jsxs: typeof makeAll = (type, props, key) => makeAll(type, shown(type, props as Props), key);
