// What a rollback, undo or redo would do now, beside the question whether to do it.
import { query, useAsk } from "./api";
import type { RollbackPreview } from "./api_types";
import { Problem } from "./parts";
import { count } from "./words";

export type Back = "rollback" | "undo" | "redo";

export function Foreseen({ run, to = "", files, kind = "rollback" }: { run: string; to?: string; files: boolean; kind?: Back }) {
  const { data, error } = useAsk<RollbackPreview>(`/runs/${encodeURIComponent(run)}/rollback${query({ to, files: String(files), kind })}`, (event) => event.run === run);
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
                {paths.map((each) => (
                  <li key={each}>
                    <code>{each}</code>
                  </li>
                ))}
                {data.more_paths ? <li className="soft">and {data.more_paths} more</li> : null}
              </ul>
            </details>
          ) : (
            <p className="soft">The files stay as they are{data.note && data.note !== "the files stay as they are" ? `: ${data.note.replace(/^the files stay as they are: /, "")}` : ""}.</p>
          )}
        </>
      )}
    </section>
  );
}
