// Templates: the list, and the editor: form, JSON and graph of the same definition, checked while you type.
import { useEffect, useMemo, useState } from "react";
import { Refused, ask, useAct, useAsk } from "./api";
import { Graph, type GraphNode } from "./graph";
import { Icon } from "./icons";
import { useCommands } from "./palette";
import { Cli, Crumbs, Problem, Segments, Waiting } from "./parts";
import { send } from "./pin";
import { go, to } from "./route";
import type { TemplateLine } from "./start";

type Json = Record<string, unknown>;
interface Fault {
  path: string;
  message: string;
}

export function Templates({ name, view }: { name: string; view: string }) {
  const { data, error } = useAsk<{ templates: TemplateLine[] }>(name ? null : "/templates", () => false);
  if (name) return <Editor key={name} name={name} view={view} />;
  return (
    <>
      <header className="row wrap">
        <h1>Templates</h1>
        <span className="muted">what a run can start from</span>
        <span className="end">
          <Cli text="wfe-mcp templates list" />
        </span>
      </header>
      <Problem error={error} />
      {!data && !error && <Waiting />}
      {data && (
        <table className="records panel" style={{ marginTop: "0.75rem" }}>
          <caption className="hidden">Templates, the default first</caption>
          <thead>
            <tr>
              <th>Template</th>
              <th>What it is for</th>
              <th>Version</th>
              <th>From</th>
              <th>
                <span className="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {data.templates.map((each) => (
              <tr key={each.name}>
                <td>
                  <a href={to("templates", each.name)}>{each.name}</a> {each.default && <span className="tag">default</span>} {each.state && <span className="tag">{each.state}</span>}
                </td>
                <td>
                  {each.title}
                  <p className="muted small">{each.description}</p>
                </td>
                <td data-label="Version">{each.version}</td>
                <td data-label="From">{each.source || "comes with wfe-mcp"}</td>
                <td>
                  <a className="btn slim" href={to("start", each.name)} title={`wfe-mcp start ${each.name}`}>
                    Start
                  </a>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

const LINT_MS = 400;

function Editor({ name, view }: { name: string; view: string }) {
  const { data, error, reload } = useAsk<{ template: Json; source: string; state?: string; versions?: { version: string; kept_at: string; source: string }[] }>(`/templates/${encodeURIComponent(name)}`, () => false);
  const [edited, setEdited] = useState<Json | null>(null);
  const [typed, setTyped] = useState<string | null>(null);
  const [notJson, setNotJson] = useState("");
  const [faults, setFaults] = useState<Fault[]>([]);
  const [checked, setChecked] = useState("");
  const [chosen, setChosen] = useState("");
  const [saved, setSaved] = useState("");
  const [act, busy, refused] = useAct();
  const definition = edited ?? data?.template ?? null;
  const text = typed ?? (definition ? JSON.stringify(definition, null, 2) : "");
  const change = (next: Json) => {
    setEdited(next);
    setTyped(null);
    setNotJson("");
    setSaved("");
  };

  useEffect(() => {
    if (!edited) return;
    const timer = setTimeout(() => {
      ask<{ not_yet?: Fault[] }>("/templates", { definition: edited, dry_run: true }).then(
        ({ data: kept, summary }) => {
          setFaults(kept?.not_yet ?? []);
          setChecked(summary ?? "");
        },
        (reason: unknown) => {
          setChecked("");
          setFaults(reason instanceof Refused ? (reason.details.length ? reason.details : [{ path: "", message: reason.message }]) : []);
        },
      );
    }, LINT_MS);
    return () => clearTimeout(timer);
  }, [edited]);

  const phases = useMemo(() => (Array.isArray(definition?.phases) ? (definition.phases as Json[]) : []), [definition]);
  const nodes = useMemo(() => phases.map((phase, index) => nodeOf(phase, phases[index - 1])), [phases]);
  const setPhase = (index: number, phase: Json | null) => change({ ...definition, phases: phases.flatMap((each, at) => (at === index ? (phase ? [phase] : []) : [each])) });
  const move = (index: number, by: number) => {
    const next = [...phases];
    const [taken] = next.splice(index, 1);
    if (taken) next.splice(index + by, 0, taken);
    change({ ...definition, phases: next });
  };
  const connect = (from: string, target: string) => {
    const index = phases.findIndex((each) => each.id === target);
    const phase = phases[index];
    if (!phase) return;
    const needs = needsOf(phase, phases[index - 1]);
    if (!needs.includes(from)) setPhase(index, { ...phase, needs: [...needs, from] });
  };
  const save = () =>
    act(async () => {
      const { data: kept } = await send<{ template: string; version: string }>("/templates", { definition });
      setSaved(`${kept.template} ${kept.version}`);
      setEdited(null);
      reload();
    });
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text + "\n"], { type: "application/json" }));
    link.download = `${name}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  useCommands("template", [
    { name: `Start ${name}`, does: () => go(to("start", name)), cli: `wfe-mcp start ${name}` },
    { name: `Export ${name}`, does: download, cli: `wfe-mcp templates export ${name}` },
  ]);

  if (error && !data) return <Problem error={error} />;
  if (!data || !definition) return <Waiting />;
  const now = view === "json" ? "JSON" : "Form";
  return (
    <>
      <Crumbs items={[{ text: "Templates", to: "#/templates" }, name]} />
      <header className="runhead">
        <div className="grow">
          <h1>{String(definition.title ?? name)}</h1>
          <p className="soft">
            {name} {String(definition.version ?? "")}, {data.source || "comes with wfe-mcp"} {data.state && <span className="tag">{data.state}</span>}
          </p>
        </div>
        <span className="row wrap">
          <Segments label="View" names={["Form", "JSON"]} now={now} choose={(next) => go(next === "JSON" ? to("templates", name, "json") : to("templates", name))} />
          <label className="btn">
            Import…
            <input type="file" accept=".json,application/json" className="hidden" onChange={(event) => void event.target.files?.[0]?.text().then((read) => { try { change(JSON.parse(read) as Json); } catch (reason) { setNotJson((reason as Error).message); } })} />
          </label>
          <button type="button" className="btn" title={`wfe-mcp templates export ${name}`} onClick={download}>
            Export
          </button>
          <button type="button" className="btn solid" disabled={busy || !edited || notJson !== ""} title="wfe-mcp templates import FILE" onClick={save}>
            Save a version
          </button>
          <a className="btn" href={to("start", name)} title={`wfe-mcp start ${name}`}>
            Start
          </a>
        </span>
      </header>
      <Problem error={refused} />
      {saved && (
        <p className="note yes" role="status">
          {saved} is stored. A run starts from it once you trust it: <Cli text={`wfe-mcp templates trust ${saved.replace(" ", "@")}`} />
        </p>
      )}
      {(faults.length > 0 || notJson) && (
        <div className="problems" role="status">
          <b>{notJson ? "This is not JSON yet" : faults.length === 1 ? "1 problem" : `${faults.length} problems`}</b>
          {notJson && <span>{notJson}</span>}
          {faults.map((each, index) => (
            <span key={index}>
              <code>{each.path}</code> {each.message}
            </span>
          ))}
        </div>
      )}
      {edited && !faults.length && !notJson && <p className="note yes" role="status">{checked || "Checking…"}</p>}
      <div className="editor">
        {now === "JSON" ? (
          <textarea
            className="code"
            aria-label="Definition as JSON"
            spellCheck={false}
            value={text}
            onChange={(event) => {
              setTyped(event.target.value);
              setSaved("");
              try {
                setEdited(JSON.parse(event.target.value) as Json);
                setNotJson("");
              } catch (reason) {
                setNotJson((reason as Error).message);
              }
            }}
          />
        ) : (
          <div className="panel">
            <header>
              <h2>Phases</h2>
              <button type="button" className="btn slim end" onClick={() => change({ ...definition, phases: [...phases, { id: fresh(phases), prompt: "What to do", output: { artifact: fresh(phases), schema: "note@1" } }] })}>
                <Icon name="plus" />
                Add a phase
              </button>
            </header>
            {phases.map((phase, index) => (
              <PhaseForm
                key={index}
                phase={phase}
                before={phases[index - 1]}
                index={index}
                last={index === phases.length - 1}
                open={phase.id === chosen}
                choose={() => setChosen(String(phase.id))}
                faults={faults.filter((each) => each.path.startsWith(`/phases/${index}/`) || each.path === `/phases/${index}`)}
                change={(next) => setPhase(index, next)}
                move={(by) => move(index, by)}
              />
            ))}
          </div>
        )}
        <aside className="panel" aria-label="Graph">
          <header>
            <b>Graph</b> <span className="soft small">drag from one phase to another: it then needs it</span>
          </header>
          <Graph nodes={nodes} chosen={chosen} choose={setChosen} direction="down" connect={connect} />
        </aside>
      </div>
      {(data.versions ?? []).length > 0 && (
        <section className="section">
          <header>
            <h2>Stored versions</h2>
          </header>
          <ul className="panel plist">
            {(data.versions ?? []).map((each) => (
              <li key={each.version}>
                <a href={to("templates", `${name}@${each.version}`)}>
                  <span />
                  <b>{each.version}</b>
                  <span className="muted">{each.kept_at}</span>
                  <small>{each.source}</small>
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

/** What a phase begins after: what it names, else the phase before it. */
const needsOf = (phase: Json, before?: Json): string[] => (Array.isArray(phase.needs) ? phase.needs.map(String) : before ? [String(before.id)] : []);

function nodeOf(phase: Json, before?: Json): GraphNode {
  const gates = Array.isArray(phase.gates) ? (phase.gates as Json[]) : [];
  return {
    phase: String(phase.id ?? ""), name: String(phase.id ?? ""), kind: String(phase.kind ?? "agent"), state: "pending", attempt: 0,
    needs: needsOf(phase, before), gates: gates.map((each) => ({ gate: String(each.kind ?? ""), state: "not run" })),
  };
}

function fresh(phases: Json[]): string {
  for (let n = phases.length + 1; ; n++) if (!phases.some((each) => each.id === `phase_${n}`)) return `phase_${n}`;
}

const KINDS = ["agent", "human", "steps", "loop", "flow"];
const TEXTS: [key: string, label: string, width: string][] = [["title", "Title", "w6"], ["role", "Role", "w2"], ["timeout", "Time-out", "w2"], ["when", "Only when (CEL)", "w2"]];

function PhaseForm({ phase, before, index, last, open, choose, faults, change, move }: {
  phase: Json;
  before?: Json;
  index: number;
  last: boolean;
  open: boolean;
  choose: () => void;
  faults: Fault[];
  change: (phase: Json | null) => void;
  move: (by: number) => void;
}) {
  const set = (key: string, value: unknown) => {
    const next = { ...phase };
    if (value === "" || value === undefined) delete next[key];
    else next[key] = value;
    change(next);
  };
  const gates = Array.isArray(phase.gates) ? (phase.gates as Json[]) : [];
  const output = (phase.output ?? {}) as Json;
  const id = `phase-${index}`;
  return (
    <details className={`phase${faults.length ? " bad" : ""}`} open={open} onToggle={(event) => event.currentTarget.open && choose()}>
      <summary>
        <Icon name={open ? "down" : "right"} />
        <span className="n">{index + 1}</span>
        <span>
          <b>{String(phase.id ?? "")}</b> <span className="soft">{String(phase.title ?? "")}</span>
        </span>
        <span className="muted small">{gates.map((each) => String(each.kind)).join(", ") || "no gate"}</span>
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
            {KINDS.slice(1).map((each) => (
              <option key={each}>{each}</option>
            ))}
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
        <label className="row w3">
          <input type="checkbox" checked={phase.auto_proceed !== false} onChange={(event) => set("auto_proceed", event.target.checked ? undefined : false)} /> Go on by itself when it passes
        </label>
        {typeof phase.prompt === "string" && (
          <label className="field w6">
            <span>Prompt</span>
            <textarea rows={4} value={phase.prompt} onChange={(event) => set("prompt", event.target.value)} />
          </label>
        )}
        <div className="w6">
          <span className="label" id={`${id}-gates`}>Gates, in the order they run</span>
          <ul className="gatelist" aria-labelledby={`${id}-gates`}>
            {gates.map((gate, at) => (
              <GateForm key={at} gate={gate} change={(next) => set("gates", gates.flatMap((each, n) => (n === at ? (next ? [next] : []) : [each])))} />
            ))}
            <li>
              <Icon name="plus" />
              <select aria-label="Add a gate" value="" onChange={(event) => event.target.value && set("gates", [...gates, GATES[event.target.value] ?? { kind: event.target.value }])}>
                <option value="">add…</option>
                {Object.keys(GATES).map((each) => (
                  <option key={each}>{each}</option>
                ))}
              </select>
            </li>
          </ul>
        </div>
        {faults.map((each, n) => (
          <p key={n} className="error w6">
            <Icon name="failed" />
            <code>{each.path}</code> {each.message}
          </p>
        ))}
        <p className="row wrap w6">
          <button type="button" className="btn slim" disabled={index === 0} onClick={() => move(-1)}>
            Move up
          </button>
          <button type="button" className="btn slim" disabled={last} onClick={() => move(1)}>
            Move down
          </button>
          <button type="button" className="btn slim" onClick={() => change(null)}>
            Remove
          </button>
        </p>
      </div>
    </details>
  );
}

const GATES: Record<string, Json> = {
  command: { kind: "command", check: "test" },
  files: { kind: "files", since: "run", unchanged: [] },
  expr: { kind: "expr", that: "true", message: "" },
  opinion: { kind: "opinion", reviewers: ["reviewer"], criteria: "" },
  approval: { kind: "approval", assurance: "human" },
};

function GateForm({ gate, change }: { gate: Json; change: (gate: Json | null) => void }) {
  const { kind, ...rest } = gate;
  const [typed, setTyped] = useState<string | null>(null);
  const [fault, setFault] = useState("");
  return (
    <li>
      <span className="grip" />
      <b>{String(kind)}</b>
      <span>
        <input
          type="text"
          className="code"
          aria-label={`What the ${String(kind)} gate asks for, as JSON`}
          value={typed ?? JSON.stringify(rest)}
          onBlur={() => !fault && setTyped(null)}
          onChange={(event) => {
            setTyped(event.target.value);
            try {
              change({ kind, ...(JSON.parse(event.target.value) as Json) });
              setFault("");
            } catch {
              setFault("This is not JSON yet.");
            }
          }}
        />
      </span>
      <button type="button" className="btn slim icon-only" aria-label={`Remove the ${String(kind)} gate`} onClick={() => change(null)}>
        <Icon name="x" />
      </button>
      {fault && <p className="error">{fault}</p>}
    </li>
  );
}
