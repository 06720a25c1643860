// What a rollback, undo or redo would do now, beside the question whether to do it; and files that only it replaces.
import { useEffect, useState } from "react";
import { Refused, ask, query, useAsk, type Answered, type Asked } from "./api";
import type { RollbackPreview } from "./api_types";
import { Ask, Problem } from "./parts";
import { send } from "./pin";
import { count } from "./words";

export type Back = "rollback" | "undo" | "redo";

interface Unsaved {
  paths: string[];
  answer: (replaces: boolean) => void;
}

let show: ((unsaved: Unsaved) => void) | null = null;

/** Go back. Where files have changes that no checkpoint has, only a person replaces them, who is asked. */
export async function goBack(path: string, body: Record<string, unknown>, by: typeof send = ask): Promise<Answered<unknown>> {
  const at = location.href;
  try {
    return await by(path, body);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const paths = (error.data as { paths?: string[] } | null)?.paths ?? [];
    if (!paths.length && error.code === "needs_human" && by === ask) return goBack(path, body, send);
    if (!paths.length || body.discard || location.href !== at || !(await new Promise<boolean>((answer) => show?.({ paths, answer })))) throw error;
    return goBack(path, { ...body, discard: true }, send);
  }
}

export function ReplaceHost() {
  const [unsaved, setUnsaved] = useState<Unsaved | null>(null);
  useEffect(() => {
    show = setUnsaved;
    return () => {
      show = null;
    };
  }, []);
  if (!unsaved) return null;
  const end = (replaces: boolean) => {
    setUnsaved(null);
    unsaved.answer(replaces);
  };
  return (
    <Ask title="Replace changes that no checkpoint has?" onClose={() => end(false)}>
      <p>{count(unsaved.paths.length, "file")} changed since the last checkpoint, by you or by an agent. They are saved as a checkpoint first, so an undo brings them back.</p>
      <ul className="plain">
        {unsaved.paths.map((path) => (
          <li key={path}>
            <code>{path}</code>
          </li>
        ))}
      </ul>
      <span className="row">
        <button type="button" className="btn no" onClick={() => end(true)}>
          Replace them
        </button>
        <button type="button" className="btn" data-first onClick={() => end(false)}>
          Keep them
        </button>
      </span>
    </Ask>
  );
}

/** What it would do now; null before a way is chosen. What is confirmed is sent with its `shown`. */
export function useForeseen(run: string, files: boolean, kind: Back | "", to = ""): Asked<RollbackPreview> {
  return useAsk<RollbackPreview>(kind ? `/runs/${encodeURIComponent(run)}/rollback${query({ to, files: String(files), kind })}` : null, (event) => event.run === run);
}

export function Foreseen({ of: { data, error }, kind = "rollback" }: { of: Asked<RollbackPreview>; kind?: Back }) {
  if (error) return <Problem error={error} />;
  const paths = data?.paths ?? [];
  const all = paths.length + (data?.more_paths ?? 0);
  return (
    <section className="foreseen" aria-label="What would change" aria-busy={!data}>
      {!data && <p className="soft">Loading what would change</p>}
      {data && (
        <>
          {kind !== "rollback" && <p>Command: {data.what}.</p>}
          <p>{data.phases.length ? `The state of ${data.phases.join(", ")} changes.` : "The state of no phase changes."}</p>
          {data.files ? (
            <details open={all > 0 && all <= 8}>
              <summary>{all ? `${count(all, "file")} would be put back` : "No file changes."}</summary>
              <ul className="plain">
                {paths.map((path) => (
                  <li key={path}>
                    <code>{path}</code>
                  </li>
                ))}
                {data.more_paths ? <li className="soft">and {data.more_paths} more</li> : null}
              </ul>
              {data.note && <p className="soft">{data.note}.</p>}
            </details>
          ) : (
            <p className="soft">The files stay as they are{data.note && data.note !== "the files stay as they are" ? `: ${data.note.replace(/^the files stay as they are: /, "")}` : ""}.</p>
          )}
        </>
      )}
    </section>
  );
}
