// Which change is shown: since the run began, or since a later moment that the person knows.
import { useLayoutEffect, useState, type RefObject } from "react";
import { createPortal } from "react-dom";
import { Segments } from "./parts";
import { capital } from "./words";

/** Files that unfold with their change. */
const MOST_OPEN = 20;
export const WHOLE = "Since the run began";

/** The server folds the later changes below the whole one; here one of them takes its place. */
export function Since({ root, html, chosen, setChosen }: { root: RefObject<HTMLElement | null>; html: string; chosen: string; setChosen: (name: string) => void }) {
  const [place, setPlace] = useState<HTMLElement | null>(null);
  const [names, setNames] = useState<string[]>([]);
  useLayoutEffect(() => {
    const header = root.current?.querySelector<HTMLElement>("#change > header");
    const later = [...(root.current?.querySelectorAll<HTMLElement>("#change > [data-since]") ?? [])];
    if (!header || !later.length) {
      setPlace(null);
      return undefined;
    }
    const made = document.createElement("span");
    header.append(made);
    setPlace(made);
    setNames([WHOLE, ...later.map((each) => capital(`since ${each.dataset.since}`))]);
    return () => made.remove();
  }, [root, html]);
  useLayoutEffect(() => {
    const section = root.current?.querySelector<HTMLElement>("#change");
    for (const each of section?.querySelectorAll<HTMLElement>(":scope > :not(header)") ?? []) {
      const is = each.dataset.since === undefined ? WHOLE : capital(`since ${each.dataset.since}`);
      each.hidden = names.length > 0 && is !== chosen;
      if (each.hidden || each.dataset.since === undefined) continue;
      for (const one of [each, ...[...each.querySelectorAll("details.file")].slice(0, MOST_OPEN)]) one.setAttribute("open", "");
    }
  }, [root, html, names, chosen]);
  return place && createPortal(<Segments label="Compare with" names={names} now={chosen} choose={setChosen} />, place);
}
