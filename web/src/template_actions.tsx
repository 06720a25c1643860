// What is done with a whole template: a copy, an import, and how it differs from another one.
import { useState } from "react";
import { query, useAct, useAsk } from "./api";
import { Ask, Cli, Problem, Waiting } from "./parts";
import { send } from "./pin";
import { Changes, type FieldChange } from "./rendered";
import { go, to } from "./route";
import type { TemplateLine } from "./start";
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
          act(async () => {
            const { data } = await send<{ template: string; version: string }>(`/templates/${encodeURIComponent(name)}/clone`, { new_name: into });
            close();
            go(to("templates", `${data.template}@${data.version}`));
          });
        }}
      >
        <label className="field">
          <span>Name of the copy</span>
          <input type="text" required autoFocus value={into} onChange={(event) => setInto(event.target.value)} />
        </label>
        <Problem error={error} />
        <Cli text={`wfe-mcp templates clone ${name} ${into}`} />
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
  const list = useAsk<{ templates: TemplateLine[] }>("/templates", () => false);
  const { data, error } = useAsk<{ old: string; new: string; changes: FieldChange[] }>(hasParent || against ? `/templates/${encodeURIComponent(name)}/diff${query({ against })}` : null, () => false);
  const own = name.split("@")[0] ?? name;
  return (
    <section className="panel" aria-label="Changes">
      <header>
        <label className="row small soft">
          <span>What changed since</span>
          <select value={against} onChange={(event) => setAgainst(event.target.value)}>
            <option value="">{hasParent ? "the template it was made from" : "choose"}</option>
            {versions.map((each) => (
              <option key={each} value={`${own}@${each}`}>
                {own}@{each}
              </option>
            ))}
            {(list.data?.templates ?? []).filter((each) => each.name !== name).map((each) => (
              <option key={each.name}>{each.name}</option>
            ))}
          </select>
        </label>
        <span className="end">
          <Cli text={`wfe-mcp templates diff ${name}${against ? ` ${against}` : ""}`} />
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

/** A file with a definition becomes a stored version; what is wrong with it is told with its place. */
export function Import({ done }: { done: (template: string) => void }) {
  const [act, busy, error] = useAct();
  const [fault, setFault] = useState("");
  const take = async (file: File) => {
    setFault("");
    let definition: unknown;
    try {
      definition = JSON.parse(await file.text());
    } catch (reason) {
      setFault(`${file.name} is not JSON: ${(reason as Error).message}`);
      return;
    }
    act(async () => {
      const { data } = await send<{ template: string; version: string }>("/templates", { definition });
      done(`${data.template}@${data.version}`);
    });
  };
  return (
    <>
      <label className="btn" title="wfe-mcp templates import FILE">
        {busy ? "Importing…" : "Import…"}
        <input type="file" aria-label="Import a template" accept=".json,application/json" className="hidden" onChange={(event) => { const file = event.target.files?.[0]; if (file) void take(file); event.target.value = ""; }} />
      </label>
      {(fault || error) && <span className="wholeline">{fault ? <p className="note no" role="alert">{fault}</p> : <Problem error={error} />}</span>}
    </>
  );
}
