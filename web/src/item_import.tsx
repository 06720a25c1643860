// Work items from a plan, a backlog or the issues of a tracker: first what would become of each, then they are kept.
import { useState, type ReactNode } from "react";
import { useAct } from "./api";
import type { ImportLine, ItemImport } from "./api_types";
import { cli } from "./cli";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, Field, Problem } from "./parts";
import { send } from "./pin";
import { leave } from "./route";

export function ImportItems() {
  const at = useProject({ one: true });
  const [act, busy, error] = useAct();
  const [from, setFrom] = useState<"file" | "tracker">("file");
  const [file, setFile] = useState("plan.md");
  const [content, setContent] = useState("");
  const [label, setLabel] = useState("");
  const [shown, setSeen] = useState<{ project: string; summary: string; made: ItemImport } | null>(null);
  const seen = shown?.project === at.id ? shown : null;
  const given = { project: at.id, ...(from === "file" ? { file, content } : { label }) };
  const ask = (dryRun: boolean) =>
    act(async (isHere) => {
      const { data, summary } = await send<ItemImport>("/items/import", { ...given, dry_run: dryRun });
      if (dryRun) setSeen({ project: at.id, summary: summary ?? "", made: data });
      else if (isHere()) leave("#/items");
    });
  const changed = (change: () => void) => {
    setSeen(null);
    change();
  };
  return (
    <>
      <h1>Import work items</h1>
      <section className="panel section">
        <form
          className="body stack"
          onSubmit={(event) => {
            event.preventDefault();
            void ask(true);
          }}
        >
          <ProjectChoice at={at} one />
          <fieldset className="row wrap">
            <legend className="small soft">What is imported</legend>
            <label className="row">
              <input type="radio" name="from" checked={from === "file"} onChange={() => changed(() => setFrom("file"))} /> A plan or a backlog
            </label>
            <label className="row">
              <input type="radio" name="from" checked={from === "tracker"} onChange={() => changed(() => setFrom("tracker"))} /> Open issues at GitHub or GitLab, where [delivery] names one
            </label>
          </fieldset>
          {from === "file" ? (
            <>
              <Field label="A milestones.md, a backlog.md or a plan in JSON">
                <input type="file" accept=".md,.json" onChange={(event) => { const chosen = event.target.files?.[0]; if (chosen) void chosen.text().then((text) => changed(() => { setFile(chosen.name); setContent(text); })); }} />
              </Field>
              <Field label="Its name, by which it is known when it is imported again">
                <input type="text" required maxLength={200} value={file} onChange={(event) => changed(() => setFile(event.target.value))} />
              </Field>
              <Field label="Its text; it can be pasted here">
                <textarea rows={8} required value={content} onChange={(event) => changed(() => setContent(event.target.value))} />
              </Field>
            </>
          ) : (
            <Field label="Only those with this label">
              <input type="text" maxLength={200} value={label} onChange={(event) => changed(() => setLabel(event.target.value))} />
            </Field>
          )}
          <Problem error={error} />
          <Cli text={from === "file" ? cli`wfe-mcp work import --dry-run ${file}` : cli`wfe-mcp work import --from github ${label ? ["--label", label] : []} --dry-run`} />
          <span className="row">
            <button className="btn solid" disabled={busy}>{busy && !seen ? "Reading…" : "Show what it would do"}</button>
            <a className="btn" href="#/items">Back</a>
          </span>
        </form>
      </section>
      {seen && (
        <section className="panel section" aria-label="What it would do">
          <div className="body stack">
            <p role="status">{seen.summary}</p>
            <Lines title="Added" lines={seen.made.added} say={(each) => `${each.kind}: ${each.title}`} />
            <Lines title="Changed" lines={seen.made.changed} say={(each) => `${each.title}: ${Object.keys(each.values ?? {}).join(", ")}`} />
            <Lines title="Kept as here" lines={seen.made.kept} say={(each) => `${each.title}: ${each.why}`} />
            <Lines title="Not in it any more; they stay" lines={seen.made.gone} say={(each) => each.title} />
            {!!seen.made.not_carried?.length && (
              <div className="note warn">
                <b>Not carried over</b>
                <ul className="listing">
                  {seen.made.not_carried.map((each, index) => (
                    <li key={index}>
                      <code>{each.path}</code>: {each.message}
                    </li>
                  ))}
                </ul>
              </div>
            )}
            <span className="row">
              <button type="button" className="btn solid" disabled={busy} onClick={() => void ask(false)}>{busy ? "Importing…" : "Import them"}</button>
            </span>
          </div>
        </section>
      )}
    </>
  );
}

function Lines({ title, lines, say }: { title: string; lines: ImportLine[]; say: (line: ImportLine) => ReactNode }) {
  if (!lines.length) return null;
  return (
    <div>
      <b>{title}</b>
      <ul className="listing">
        {lines.map((each) => (
          <li key={each.id}>
            {each.id} {say(each)}
          </li>
        ))}
      </ul>
    </div>
  );
}
