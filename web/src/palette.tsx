// The command palette (Ctrl-K) and the list of keys (?).
import { useEffect, useMemo, useRef, useState } from "react";
import { ask, query, useAsk } from "./api";
import type { FoundView, HitView, RunList } from "./api_types";
import { useProject } from "./in_project";
import { Ask } from "./parts";
import { go, to } from "./route";
import { atServer } from "./session";
import { place } from "./search";
import { age, folder, progress, runWord } from "./words";

export interface Command {
  name: string;
  does: () => void;
  cli?: string;
  /** Where and how old it is, in small. */
  about?: string;
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
  const shown = useProject();
  const runs = useAsk<RunList>(`/runs${query({ limit: 100, project: shown.id })}`, () => false).data?.runs;
  const list = useRef<HTMLUListElement>(null);
  const before = useRef<Element | null>(document.activeElement);

  useEffect(() => {
    let on = true;
    const found = (those: HitView[]) => on && setHits(those);
    const timer = setTimeout(() => {
      if (text.trim().length < 2) return setHits([]);
      ask<FoundView>(`/search${query({ query: text, limit: 8, project: shown.id, all: shown.id ? null : "true" })}`).then(
        ({ data }) => void found(data.hits),
        () => void found([]),
      );
    }, 150);
    return () => {
      on = false;
      clearTimeout(timer);
    };
  }, [text, shown.id]);

  const commands = useMemo(() => {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (each: Command) => wanted.every((word) => `${each.name} ${each.cli ?? ""}`.toLowerCase().includes(word));
    const opens = (run?: string) => () => go(run ? to("runs", run) : "#/search");
    const named = wanted.length
      ? (runs ?? []).map((run): Command => ({
          name: run.title,
          does: opens(run.run),
          cli: run.run,
          about: [shown.many ? shown.names.get(run.project ?? "") : "", progress(run), runWord(run.state), age(run.updated_at)].filter(Boolean).join(", "),
        }))
      : [];
    const known = new Set((runs ?? []).map((run) => run.run));
    const found = hits
      .filter((hit) => hit.kind !== "run" || !known.has(hit.run ?? ""))
      .map((hit): Command => ({
        name: `${hit.kind.replace("_", " ")}: ${hit.title || hit.text || hit.run}`,
        does: () => go(place(hit, shown)),
        cli: hit.item || hit.run,
        about: [hit.project ? folder(hit.project) : "", hit.run_title, hit.phase, age(hit.at)].filter(Boolean).join(", "),
      }));
    const words = text.trim();
    const all = words ? [{ name: `Search for \u201c${words}\u201d`, does: () => go(`#/search?q=${encodeURIComponent(words)}`) }] : [];
    return [...[...offered.values()].flat().filter(fits), ...named.filter(fits).slice(0, 10), ...found].slice(0, 30).concat(all);
  }, [text, hits, runs]); // eslint-disable-line

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
            else if (event.key !== "Tab") return; // nothing else in it takes the focus
            event.preventDefault();
          }}
        />
        <ul id="commands" role="listbox" aria-label="Commands" ref={list}>
          {commands.map((each, index) => (
            <li key={index} id={`command-${index}`} role="option" aria-selected={index === at} onMouseMove={() => setAt(index)} onClick={() => run(each)}>
              <span>
                {each.name} {each.about && <small className="muted">{each.about}</small>}
              </span>
              {each.cli && !atServer() && <code>{each.cli}</code>}
            </li>
          ))}
          {commands.length === Number(text.trim() !== "") && (
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
  ["j k", "next, previous"], ["Enter", "open"], ["d", "open at the diff"], ["h", "snooze until tomorrow"], ["f", "filter"], ["m", "move the work item"],
  ["g i", "Inbox"], ["g b", "Board"], ["g r", "Runs"], ["g w", "Work"], ["g t", "Templates"], ["g q", "Queue"], ["g a", "Activity"], ["g p", "Projects"], ["g s", "Settings"], ["g k", "Ask"], ["g e", "Environments"],
  ["n p", "next, previous file"], ["c", "comment on the first changed line"], ["v", "mark the file as viewed"],
  ["a", "open the approval"], ["s", "open sending back"], ["e", "edit what waits, where that is allowed"], ["Ctrl K", "commands"], ["?", "these keys"], ["Esc", "close"],
];

export function KeySheet({ onClose }: { onClose: () => void }) {
  return (
    <Ask title="Keys" onClose={onClose}>
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
      <form method="dialog">
        <button className="btn">Close</button>
      </form>
    </Ask>
  );
}
