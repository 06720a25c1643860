// Facts of a project: what its files say, and what you say in their place.
import { useState } from "react";
import { useAct } from "./api";
import type { Fact } from "./api_types";
import { cli } from "./cli";
import { Cli, Problem, Records, Section } from "./parts";
import { send } from "./pin";

export function Facts({ project, facts, changed }: { project: string; facts: Fact[]; changed: () => void }) {
  const [editing, setEditing] = useState<{ name: string; value: string; isNew: boolean } | null>(null);
  const [act, busy, refused] = useAct();
  const save = (name: string, value: string | null) =>
    act(async () => {
      await send("/settings/facts", { project, name, value });
      setEditing(null);
      changed();
    });
  return (
    <Section id="facts" title="Facts" about="agents get yours in each prompt" acts={
      <button type="button" className="btn slim end" onClick={() => setEditing({ name: "", value: "", isNew: true })}>
        Add a fact
      </button>
    }>
      <Problem error={refused} />
      {editing && (
        <form
          className="panel pad row wrap"
          aria-label={editing.isNew ? "Add a fact" : `Correct ${editing.name}`}
          onSubmit={(event) => {
            event.preventDefault();
            save(editing.name, editing.value);
          }}
        >
          {editing.isNew ? (
            <input type="text" required maxLength={80} aria-label="Name of the fact" placeholder="database" value={editing.name} onChange={(event) => setEditing({ ...editing, name: event.target.value })} />
          ) : (
            <b>{editing.name}</b>
          )}
          <input type="text" required maxLength={300} aria-label="What holds" value={editing.value} onChange={(event) => setEditing({ ...editing, value: event.target.value })} />
          <button className="btn solid" disabled={busy}>
            Save
          </button>
          <button type="button" className="btn" onClick={() => setEditing(null)}>
            Cancel
          </button>
          <Cli text={cli`wfe-mcp config fact ${editing.name || "NAME"} ${editing.value || "VALUE"}`} />
        </form>
      )}
      <Records says="Facts of the project" heads={["Fact", "What holds", "From", "Change"]}>
        {facts.map((fact) => (
          <tr key={fact.name}>
            <td>{fact.name}</td>
            <td data-label="What holds">{fact.value}</td>
            <td data-label="From">
              {fact.by_hand ? (
                <>
                  <span className="tag">yours</span> <span className="muted">found: {fact.found || "nothing"}</span>
                </>
              ) : (
                <span className="muted">its files</span>
              )}
            </td>
            <td>
              <button type="button" className="btn slim" aria-label={`Correct ${fact.name}`} onClick={() => setEditing({ name: fact.name, value: fact.value, isNew: false })}>
                Correct
              </button>{" "}
              {fact.by_hand && (
                <button type="button" className="btn slim" aria-label={`Undo ${fact.name}`} disabled={busy} onClick={() => save(fact.name, null)}>
                  Undo
                </button>
              )}
            </td>
          </tr>
        ))}
      </Records>
    </Section>
  );
}
