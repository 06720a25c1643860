// Comments on lines of the change, kept as drafts: a row of their own below the line, in the server's table.
import { useEffect, useLayoutEffect, useReducer, useRef, useState, type RefObject } from "react";
import { createPortal } from "react-dom";
import { Icon } from "./icons";
import { refocus } from "./keys";
import { Section } from "./parts";

/** Drafts by the name that the line's button has: `new:12:src/a%20file.py`. */
export type Drafts = Record<string, string>;

const NAME = /^(old|new):(\d+):(.+)$/;

/** What is sent of the drafts: with the path as it is. */
export const comments = (drafts: Drafts) =>
  Object.entries(drafts).flatMap(([name, text]) => {
    const [, side, line, file] = NAME.exec(name) ?? [];
    return side && file ? [{ side, line: Number(line), file: decodeURIComponent(file), text }] : [];
  });

/** Where a draft is, in words: `src/a file.py, line 12`. */
export const place = (name: string): string => {
  const [, side, line, file] = NAME.exec(name) ?? [];
  return `${decodeURIComponent(file ?? "")}, ${side === "old" ? "removed " : ""}line ${line}`;
};

/** The cells below the lines that have a comment, made where they are missing. `html`: what `root` shows. */
function useCells(root: RefObject<HTMLElement | null>, html: string, names: string[]): [string, HTMLElement][] {
  const cells = useRef(new Map<string, HTMLElement>());
  const [, show] = useReducer((count: number) => count + 1, 0);
  const wanted = names.join("\n");
  useLayoutEffect(() => {
    for (const [name, cell] of cells.current) {
      if (names.includes(name) && cell.isConnected) continue;
      cell.parentElement?.remove();
      cells.current.delete(name);
    }
    for (const name of names) {
      const line = root.current?.querySelector(`button.talk[value="${CSS.escape(name)}"]`)?.closest("tr");
      if (!line || cells.current.has(name)) continue;
      const row = document.createElement("tr");
      row.className = "talked";
      const cell = row.insertCell();
      cell.colSpan = line.cells.length;
      line.after(row);
      line.closest("details")?.setAttribute("open", "");
      cells.current.set(name, cell);
    }
    show();
  }, [html, wanted]);
  return [...cells.current];
}

export function LineComments({ root, html, drafts, save, open, setOpen }: {
  root: RefObject<HTMLElement | null>;
  html: string;
  drafts: Drafts;
  save: (name: string, text: string) => void;
  open: string;
  setOpen: (name: string) => void;
}) {
  const cells = useCells(root, html, [...new Set([...Object.keys(drafts), ...(open ? [open] : [])])]);
  return cells.map(([name, cell]) =>
    createPortal(
      <div className="say mine">
        <header>
          <Icon name="person" />
          <b>You</b> on line {NAME.exec(name)?.[2]}, a draft: it goes along with your decision
          {name !== open && (
            <span className="end row">
              <button type="button" className="btn slim bare" onClick={() => setOpen(name)}>
                Edit
              </button>
              <button type="button" className="btn slim bare" onClick={() => save(name, "")}>
                Delete
              </button>
            </span>
          )}
        </header>
        {name === open ? <Write line={cell.parentElement?.previousElementSibling?.querySelector("button.talk")} start={drafts[name] ?? ""} save={(text) => save(name, text)} close={() => setOpen("")} /> : <p className="words">{drafts[name]}</p>}
      </div>,
      cell,
      name,
    ),
  );
}

/** Drafts on lines that the change does not show any more: they go along as text. */
export function Gone({ drafts, names, drop }: { drafts: Drafts; names: string[]; drop: (name: string) => void }) {
  if (!names.length) return null;
  return (
    <Section aria-label="Your comments on lines that are gone" title="Your comments on lines that are gone" about="they go along as text with your decision">
      <ul className="panel lines">
        {names.map((name) => (
          <li key={name}>
            <span className="grow words">
              {place(name)}: {drafts[name]}
            </span>
            <button type="button" className="btn slim bare" aria-label={`Delete the comment on ${place(name)}`} onClick={() => drop(name)}>
              Delete
            </button>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** What is typed is saved as it is typed: a decision takes it along with the field still open. `line`: the button that opened it. */
function Write({ line, start, save, close }: { line?: Element | null; start: string; save: (text: string) => void; close: () => void }) {
  const [before] = useState(start);
  const [text, setText] = useState(start);
  const cancel = () => {
    save(before);
    close();
  };
  useEffect(() => () => refocus(line), []); // eslint-disable-line
  return (
    <div className="stack">
      <textarea
        autoFocus
        rows={3}
        aria-label="Comment"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          save(event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape" && (text === before || window.confirm("Discard what you typed?"))) cancel();
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) close();
        }}
      />
      <span className="row">
        <button type="button" className="btn slim" disabled={!text.trim()} onClick={close}>
          Keep the comment
        </button>
        <button type="button" className="btn slim bare" onClick={cancel}>
          Cancel
        </button>
      </span>
    </div>
  );
}
