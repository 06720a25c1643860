// One phase of a template as a form: what it needs, who works it, its gates; keys the form has no field for stay as they are.
import type { Fault } from "./api_types";
import { Gates, type Json } from "./gate_form";
import { Icon } from "./icons";
import type { Schema } from "./schema_form";
import { Options } from "./parts";

export type { Json };
/** What a phase begins after: what it names, else the phase before it. */
export const needsOf = (phase: Json, before?: Json): string[] => (Array.isArray(phase.needs) ? phase.needs.map(String) : before ? [String(before.id)] : []);

const STAGES: [key: string, name: string][] = [["prompt_gates", "Gates before the work, on its prompt"], ["gates", "Gates, in the order they run"]];
const KINDS = ["agent", "human", "steps", "loop", "flow"];
const TEXTS: [key: string, label: string, width: string][] = [["title", "Title", "w6"], ["role", "Role", "w2"], ["timeout", "Time-out", "w2"], ["when", "Only when (CEL)", "w2"]];

export function PhaseForm({ phase, before, index, last, open, choose, faults, kinds, schema, change, move, remove }: {
  phase: Json;
  before?: Json;
  index: number;
  last: boolean;
  open: boolean;
  choose: () => void;
  faults: Fault[];
  /** Of a gate, by its kind; and of the template around it. */
  kinds: Map<string, Schema>;
  schema: Schema;
  change: (phase: Json) => void;
  move: (by: number) => void;
  remove: () => void;
}) {
  const set = (key: string, value: unknown) => {
    const next = { ...phase };
    if (value === "" || value === undefined) delete next[key];
    else next[key] = value;
    change(next);
  };
  const gates = Array.isArray(phase.gates) ? (phase.gates as Json[]) : [];
  const output = (phase.output ?? {}) as Json;
  return (
    <details className={`phase${faults.length ? " bad" : ""}`} open={open} onToggle={(event) => event.currentTarget.open && choose()}>
      <summary>
        <Icon name={open ? "down" : "right"} />
        <span className="n">{index + 1}</span>
        <span>
          <b>{String(phase.id ?? "")}</b> <span className="soft">{String(phase.title ?? "")}</span>
        </span>
        <span className="muted small">{gates.map((gate) => String(gate.kind)).join(", ") || "no gate"}</span>
        <span className="muted small">after {needsOf(phase, before).join(", ") || "the start"}</span>
      </summary>
      <div className="formbody">
        <label className="field w2">
          <span>Id</span>
          <input type="text" value={String(phase.id ?? "")} onChange={(event) => set("id", event.target.value)} />
        </label>
        <label className="field w2">
          <span>Kind</span>
          <select value={String(phase.kind ?? "")} onChange={(event) => set("kind", event.target.value)}>
            <option value="">agent</option>
            <Options of={KINDS.slice(1)} />
          </select>
        </label>
        <label className="field w2">
          <span>Needs <span className="hint">phases, with commas</span></span>
          <input type="text" placeholder={needsOf(phase, before).join(", ")} value={Array.isArray(phase.needs) ? phase.needs.join(", ") : ""} onChange={(event) => set("needs", event.target.value.trim() ? event.target.value.split(",").map((each) => each.trim()) : undefined)} />
        </label>
        {TEXTS.map(([key, label, width]) => (
          <label key={key} className={`field ${width}`}>
            <span>{label}</span>
            <input type="text" value={phase[key] === undefined ? "" : String(phase[key])} onChange={(event) => set(key, event.target.value)} />
          </label>
        ))}
        <label className="field w2">
          <span>Artifact</span>
          <input type="text" value={String(output.artifact ?? "")} onChange={(event) => set("output", { ...output, artifact: event.target.value })} />
        </label>
        <label className="field w2">
          <span>Schema</span>
          {typeof output.schema === "object" ? <input type="text" value="inline: edit it as JSON" readOnly /> : <input type="text" value={String(output.schema ?? "")} onChange={(event) => set("output", { ...output, schema: event.target.value })} />}
        </label>
        <label className="field w2">
          <span>Skip</span>
          <select value={String(phase.skip ?? "")} onChange={(event) => set("skip", event.target.value)}>
            <option value="">human</option>
            <option>never</option>
            <option>agent</option>
          </select>
        </label>
        <label className="field w6">
          <span>Tools its model may use <span className="hint">with commas; empty: those of the template</span></span>
          <input type="text" className="code" value={Array.isArray(phase.tools_allowed) ? phase.tools_allowed.join(", ") : ""} onChange={(event) => set("tools_allowed", event.target.value.trim() ? event.target.value.split(",").map((each) => each.trim()) : undefined)} />
        </label>
        <label className="row w3">
          <input type="checkbox" checked={phase.auto_proceed !== false} onChange={(event) => set("auto_proceed", event.target.checked ? undefined : false)} /> Go on by itself when it passes
        </label>
        {typeof phase.prompt === "string" && (
          <label className="field w6">
            <span>Prompt</span>
            <textarea rows={4} value={phase.prompt} onChange={(event) => set("prompt", event.target.value)} />
          </label>
        )}
        {STAGES.map(([key, name]) =>
          key === "gates" || Array.isArray(phase[key]) ? (
            <Gates key={key} name={name} gates={Array.isArray(phase[key]) ? (phase[key] as Json[]) : []} kinds={kinds} root={schema} path={`/phases/${index}/${key}`} faults={faults} change={(next) => set(key, next.length || key === "gates" ? next : undefined)} />
          ) : null,
        )}
        {faults.map((fault, n) => (
          <p key={n} className="error w6">
            <Icon name="failed" />
            <code>{fault.path}</code> {fault.message}
          </p>
        ))}
        <p className="row wrap w6">
          <button type="button" className="btn slim" data-by={-1} disabled={index === 0} onClick={() => move(-1)}>
            Move up
          </button>
          <button type="button" className="btn slim" data-by={1} disabled={last} onClick={() => move(1)}>
            Move down
          </button>
          <button type="button" className="btn slim" onClick={remove}>
            Remove
          </button>
        </p>
      </div>
    </details>
  );
}

/** What holds for the whole template: its title, how many phases at a time, whether it goes on by itself. */
export function WholeForm({ definition, change }: { definition: Json; change: (definition: Json) => void }) {
  const set = (key: string, value: unknown) => {
    const next = { ...definition };
    if (value === "" || value === undefined) delete next[key];
    else next[key] = value;
    change(next);
  };
  const limits = (definition.limits ?? {}) as Json;
  const limit = (key: string, typed: string) => {
    const next = { ...limits };
    if (typed === "") delete next[key];
    else next[key] = Number.isNaN(Number(typed)) ? typed : Number(typed);
    set("limits", Object.keys(next).length ? next : undefined);
  };
  return (
    <div className="formbody">
      <label className="field w4">
        <span>Title of the template</span>
        <input type="text" value={String(definition.title ?? "")} onChange={(event) => set("title", event.target.value)} />
      </label>
      <label className="field w2">
        <span>Version</span>
        <input type="text" value={String(definition.version ?? "")} onChange={(event) => set("version", event.target.value)} />
      </label>
      <label className="field w4">
        <span>What it is for</span>
        <textarea rows={2} value={String(definition.description ?? "")} onChange={(event) => set("description", event.target.value)} />
      </label>
      <label className="field w2">
        <span>Phases in parallel</span>
        <input type="text" inputMode="numeric" placeholder="1" value={limits.max_parallel === undefined ? "" : String(limits.max_parallel)} onChange={(event) => limit("max_parallel", event.target.value)} />
      </label>
    </div>
  );
}
