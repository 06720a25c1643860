// What is done with a whole template: a copy, an import, and how it differs from another one.
import { useState } from "react";
import { query, useAct, useAsk } from "./api";
import type { PathNote, ImportReport, KeptView, TemplateDiff, TemplateList } from "./api_types";
import { cli } from "./cli";
import { Ask, Cli, Field, Problem, Waiting } from "./parts";
import { send } from "./pin";
import { Changes } from "./rendered";
import { go, to } from "./route";
import { count } from "./words";

export function Clone({ name, close }: { name: string; close: () => void }) {
  const [into, setInto] = useState(`my_${name.split("@")[0]}`);
  const [act, busy, error] = useAct();
  return (
    <Ask title={`Clone ${name}`} onClose={close}>
      <p>The copy is a template of your own. A run starts from it once you trust it.</p>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          act(async (isHere) => {
            const { data } = await send<KeptView>(`/templates/${encodeURIComponent(name)}/clone`, { new_name: into });
            close();
            if (isHere()) go(to("templates", `${data.template}@${data.version}`));
          });
        }}
      >
        <Field label="Name of the copy">
          <input type="text" required autoFocus value={into} onFocus={(event) => event.target.select()} onChange={(event) => setInto(event.target.value)} />
        </Field>
        <Problem error={error} />
        <Cli text={cli`wfe-mcp templates clone ${name} ${into}`} />
        <span className="row">
          <button className="btn solid" disabled={busy}>
            Clone
          </button>
          <button type="button" className="btn" onClick={close}>
            Back
          </button>
        </span>
      </form>
    </Ask>
  );
}

/** How the stored template differs from the one that it was made from, or from another. */
export function TemplateChanges({ name, versions, hasParent }: { name: string; versions: string[]; hasParent: boolean }) {
  const [against, setAgainst] = useState("");
  const list = useAsk<TemplateList>("/templates", () => false);
  const { data, error } = useAsk<TemplateDiff>(hasParent || against ? `/templates/${encodeURIComponent(name)}/diff${query({ against })}` : null, () => false);
  const own = name.split("@")[0] ?? name;
  return (
    <section className="panel" aria-label="Changes">
      <header>
        <label className="row small soft">
          <span>What changed since</span>
          <select value={against} onChange={(event) => setAgainst(event.target.value)}>
            <option value="">{hasParent ? "the template it was made from" : "choose"}</option>
            {versions.map((version) => (
              <option key={version} value={`${own}@${version}`}>
                {own}@{version}
              </option>
            ))}
            {(list.data?.templates ?? []).filter((template) => template.name !== name).map((template) => (
              <option key={template.name}>{template.name}</option>
            ))}
          </select>
        </label>
        <span className="end">
          <Cli text={cli`wfe-mcp templates diff ${name} ${against ? [against] : []}`} />
        </span>
      </header>
      <div className="body">
        {error && <p className="soft">{error.message} Choose another template to compare with.</p>}
        {!hasParent && !against && <p className="soft">It was not made from another template. Choose one to compare with.</p>}
        {!data && !error && (hasParent || against) && <Waiting />}
        {data && (
          <>
            <p className="soft" role="status">
              {count(data.changes.length, "change")} from {data.old} to {data.new}
            </p>
            {data.changes.length > 0 && <Changes changes={data.changes} />}
          </>
        )}
      </div>
    </section>
  );
}

const BECOMES = { template: "a template", plan: "a plan of milestones (milestone_plan@1)", settings: "configuration of a template" };

/** A file of this or another system: first the report of what it becomes and what is not carried over, then it is stored. */
export function Import({ done }: { done: (template: string) => void }) {
  const [act, busy, error] = useAct();
  const [file, setFile] = useState<{ file: string; content: string } | null>(null);
  const [report, setReport] = useState<ImportReport | null>(null);
  const close = () => setReport(null);
  const phases = report?.definition?.phases;
  const take = (chosen: File) =>
    act(async () => {
      const given = { file: chosen.name, content: await chosen.text() };
      setFile(given);
      setReport((await send<ImportReport>("/templates/import", given)).data);
    });
  const store = () =>
    act(async (isHere) => {
      const { data } = await send<ImportReport>("/templates/import", { ...file, dry_run: false });
      close();
      if (data.template && isHere()) done(`${data.template.template}@${data.template.version}`);
    });
  return (
    <>
      <label className="btn" title={cli`wfe-mcp templates import FILE`}>
        {busy && !report ? "Reading…" : "Import…"}
        <input type="file" aria-label="Import a template" accept=".json,.md,.yaml,.yml" className="hidden" onChange={(event) => { const chosen = event.target.files?.[0]; if (chosen) take(chosen); event.target.value = ""; }} />
      </label>
      {error && !report && (
        <span className="wholeline">
          <Problem error={error} />
        </span>
      )}
      {report && file && (
        <Ask title={`Import ${file.file}`} onClose={close}>
          <p>
            Its format is <b>{report.format}</b>; it becomes {BECOMES[report.becomes]}.
          </p>
          {report.template && (
            <p>
              <b>{String(report.definition?.title || report.template.template)}</b> <span className="muted">{report.template.template} {report.template.version}, {count(Array.isArray(phases) ? phases.length : 0, "phase")}</span>
            </p>
          )}
          <Notes title="Not carried over" kind="warn" notes={report.not_carried ?? []} none="Everything is carried over." />
          <Notes title="Added, so that it keeps its meaning" kind="" notes={report.added ?? []} none="" />
          {report.template?.warnings?.map((warning) => <p key={warning} className="note warn">{warning}</p>)}
          {report.text && (
            <>
              <p className="soft">{report.becomes === "plan" ? "Submit it where a phase takes milestone_plan@1, or write it at a terminal:" : "Add this to .wfe/config.toml and trust it:"}</p>
              <pre className="raw" tabIndex={0} aria-label="As text">{report.text}</pre>
            </>
          )}
          {report.start && (
            <>
              <p className="soft">Start it with what was in the file:</p>
              <Cli text={report.start} />
            </>
          )}
          <Problem error={error} />
          <Cli text={report.command} />
          <span className="row">
            {report.becomes === "template" && (
              <button type="button" className="btn solid" disabled={busy} onClick={store}>
                {busy ? "Storing…" : "Store it"}
              </button>
            )}
            <button type="button" className="btn" onClick={close}>
              Back
            </button>
          </span>
        </Ask>
      )}
    </>
  );
}

function Notes({ title, kind, notes, none }: { title: string; kind: string; notes: PathNote[]; none: string }) {
  if (!notes.length) return none ? <p className="soft">{none}</p> : null;
  return (
    <section className={`note ${kind}`} aria-label={title}>
      <b>{title}</b>
      <ul className="listing">
        {notes.map((note, index) => (
          <li key={index}>
            <code>{note.path}</code>: {note.message}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** The templates that a list leaves out because they cannot be read; the page of each says why. */
export function Unreadable({ names }: { names?: string[] }) {
  if (!names?.length) return null;
  return (
    <p className="note warn">
      {names.length === 1 ? "One template cannot be read" : `${names.length} templates cannot be read`}:{" "}
      {names.map((name, index) => (
        <span key={name}>
          {index > 0 && ", "}
          <a href={to("templates", name)}>{name}</a>
        </span>
      ))}
    </p>
  );
}
