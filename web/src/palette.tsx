// The command palette (Ctrl-K) and the list of keys (?).
import { useEffect, useMemo, useRef, useState } from "react";
import { ask, query } from "./api";
import type { FoundView, HitView } from "./api_types";
import { go, to } from "./route";

export interface Command {
  name: string;
  does: () => void;
  cli?: string;
}

const offered = new Map<string, Command[]>();

/** Offer commands while the component is shown; `of` names it. */
export function useCommands(of: string, commands: Command[]): void {
  offered.set(of, commands);
  useEffect(() => () => void offered.delete(of), [of]);
}

export function Palette({ onClose }: { onClose: () => void }) {
  const [text, setText] = useState("");
  const [hits, setHits] = useState<HitView[]>([]);
  const [at, setAt] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const before = useRef<Element | null>(document.activeElement);

  useEffect(() => {
    const timer = setTimeout(() => {
      if (text.trim().length < 2) return setHits([]);
      ask<FoundView>(`/search${query({ query: text, limit: 8 })}`).then(
        ({ data }) => setHits(data.hits),
        () => setHits([]),
      );
    }, 150);
    return () => clearTimeout(timer);
  }, [text]);

  const commands = useMemo(() => {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (each: Command) => wanted.every((word) => `${each.name} ${each.cli ?? ""}`.toLowerCase().includes(word));
    const found = hits.map((hit) => ({ name: `${hit.kind}: ${hit.title || hit.text || hit.run}`, does: () => go(hit.run ? to("runs", hit.run) : "#/search"), cli: hit.run }));
    return [...[...offered.values()].flat().filter(fits), ...found].slice(0, 30);
  }, [text, hits]);

  const close = () => {
    onClose();
    if (before.current instanceof HTMLElement) before.current.focus();
  };
  const run = (command?: Command) => {
    close();
    command?.does();
  };
  const move = (by: number) => {
    const next = (at + by + commands.length) % Math.max(1, commands.length);
    setAt(next);
    list.current?.children[next]?.scrollIntoView({ block: "nearest" });
  };
  return (
    <div className="palette" role="dialog" aria-modal="true" aria-label="Commands" onClick={close}>
      <div onClick={(event) => event.stopPropagation()}>
        <input
          type="text"
          autoFocus
          value={text}
          role="combobox"
          aria-label="Search or run a command"
          aria-expanded="true"
          aria-controls="commands"
          aria-activedescendant={commands.length ? `command-${at}` : undefined}
          placeholder="Search or run a command"
          onChange={(event) => {
            setText(event.target.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.key === "ArrowDown") move(1);
            else if (event.key === "ArrowUp") move(-1);
            else if (event.key === "Enter") run(commands[at]);
            else if (event.key === "Escape") close();
            else return;
            event.preventDefault();
          }}
        />
        <ul id="commands" role="listbox" aria-label="Commands" ref={list}>
          {commands.map((each, index) => (
            <li key={index} id={`command-${index}`} role="option" aria-selected={index === at} onMouseMove={() => setAt(index)} onClick={() => run(each)}>
              <span>{each.name}</span>
              {each.cli && <code>{each.cli}</code>}
            </li>
          ))}
          {!commands.length && (
            <li role="option" aria-selected="false" aria-disabled="true">
              Nothing is called that. Search looks through titles, artifacts and decisions.
            </li>
          )}
        </ul>
      </div>
    </div>
  );
}

const KEYS: [string, string][] = [
  ["j k", "next, previous"], ["Enter", "open"], ["d", "open at the diff"], ["h", "snooze until tomorrow"], ["f", "filter"],
  ["g i", "Inbox"], ["g b", "Board"], ["g r", "Runs"], ["g t", "Templates"], ["g q", "Queue"], ["g a", "Activity"], ["g s", "Settings"],
  ["n p", "next, previous file"], ["c", "comment on the first changed line"], ["v", "mark the file as viewed"],
  ["a", "open the approval"], ["s", "open sending back"], ["e", "edit what waits, where that is allowed"], ["Ctrl K", "commands"], ["?", "these keys"], ["Esc", "close"],
];

export function KeySheet({ onClose }: { onClose: () => void }) {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => event.key === "Escape" && onClose();
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [onClose]);
  return (
    <div className="palette" role="dialog" aria-modal="true" aria-label="Keys" onClick={onClose}>
      <div>
        <ul className="sheet-keys">
          {KEYS.map(([keys, does]) => (
            <li key={keys} className="row">
              <span className="row">
                {keys.split(" ").map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </span>
              {does}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
