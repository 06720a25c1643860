// The editor of a template: form, JSON and graph of the same definition, checked while you type.
import { useEffect, useMemo, useState } from "react";
import { flushSync } from "react-dom";
import { Refused, ask, useAct, useAsk } from "./api";
import type { Fault, KeptView, LintView, TemplateSchema, TemplateView, VersionList } from "./api_types";
import { cli } from "./cli";
import { useDraft } from "./draft";
import { gateKinds } from "./gate_form";
import { Graph, type GraphNode } from "./graph";
import { Icon } from "./icons";
import { useProject } from "./in_project";
import { InputsForm } from "./inputs_form";
import { focusOn, keepFocus } from "./keys";
import { useCommands } from "./palette";
import { Crumbs, NotThere, Problem, Section, Segments, Waiting } from "./parts";
import { send } from "./pin";
import { go, to } from "./route";
import { useRole } from "./session";
import { Clone, TemplateChanges } from "./template_actions";
import type { Schema } from "./schema_form";
import { PhaseForm, WholeForm, needsOf, type Json } from "./template_form";
import { TrustIt } from "./trust_it";

const LINT_MS = 400;

export function Editor({ name, view }: { name: string; view: string }) {
  const at = useProject({ one: true });
  const { data, error, reload } = useAsk<TemplateView>(`/templates/${encodeURIComponent(name)}`, () => false);
  const kept = useAsk<VersionList>(`/templates/${encodeURIComponent(name)}/versions`, () => false);
  const versions = kept.data?.versions ?? [];
  const again = () => {
    reload();
    kept.reload();
  };
  const found = useAsk<TemplateSchema>("/template-schema", () => false);
  const schema = (found.data?.json_schema ?? {}) as Schema;
  const kinds = useMemo(() => gateKinds(schema), [schema]);
  const [edited, setEdited] = useDraft<Json | null>(`template ${at.chosen} ${name}`, null);
  const [typed, setTyped] = useState<string | null>(null);
  const [notJson, setNotJson] = useState("");
  const [faults, setFaults] = useState<Fault[]>([]);
  const [checked, setChecked] = useState("");
  const [picked, setChosen] = useState<string | null>(null);
  const [saved, setSaved] = useState("");
  const [act, busy, refused] = useAct();
  const [asking, setAsking] = useState<"" | "clone">("");
  const [isAuthor, isAdmin] = [useRole("author", at.id), useRole("admin", at.id)];
  const definition = edited ?? data?.template ?? null;
  const text = typed ?? (definition ? JSON.stringify(definition, null, 2) : "");
  const change = (next: Json) => {
    setEdited(next);
    setTyped(null);
    setNotJson("");
    setSaved("");
  };

  useEffect(() => {
    if (!edited) {
      if (saved) return; // what the edit said of it still holds
      let isHere = true;
      if (data?.template) ask<LintView>("/templates/lint", { definition: data.template, project: at.id }).then(({ data: lint }) => isHere && setFaults(lint.problems.filter((each) => each.severity === "error")), () => undefined); // its page says what is refused
      return () => {
        isHere = false;
      };
    }
    const timer = setTimeout(() => {
      ask<KeptView>("/templates", { definition: edited, dry_run: true }).then(
        ({ data: kept, summary }) => {
          setFaults(kept?.not_yet ?? []);
          setChecked(summary ?? "");
        },
        (reason: unknown) => {
          setChecked("");
          setFaults(reason instanceof Refused ? (reason.details.length ? reason.details : [{ path: "", message: `${reason.message} ${reason.hint}` }]) : []);
        },
      );
    }, LINT_MS);
    return () => clearTimeout(timer);
  }, [edited, refused, data, saved, at.id]); // another tab may have stored this version

  useEffect(keepFocus, [edited]); // a button may go with what it changed
  const phases = useMemo(() => (Array.isArray(definition?.phases) ? (definition.phases as Json[]) : []), [definition]);
  const chosen = picked ?? String(phases[0]?.id ?? "");
  const nodes = useMemo(() => phases.flatMap((phase, index) => nodesOf(phase, phases[index - 1])), [phases]);
  const setPhase = (index: number, phase: Json | null) => change({ ...definition, phases: phases.flatMap((each, at) => (at === index ? (phase ? [phase] : []) : [each])) });
  const move = (index: number, by: number) => {
    const next = [...phases];
    const [taken] = next.splice(index, 1);
    if (taken) next.splice(index + by, 0, taken);
    flushSync(() => change({ ...definition, phases: next }));
    focusOn(document, `.phase[open] > .formbody > p [data-by="${by}"]:enabled`, ".phase[open] > summary");
  };
  const remove = (index: number) => {
    flushSync(() => setPhase(index, null));
    focusOn(document, `.phase:nth-of-type(${index + 1}) > summary`, `.phase:nth-of-type(${index}) > summary`, "main");
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
      const { data: stored } = await send<KeptView>("/templates", { definition });
      setSaved(`${stored.template} ${stored.version}`);
      setEdited(null);
      again();
    });
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text + "\n"], { type: "application/json" }));
    link.download = `${name}.json`;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  useCommands("template", [
    ...(isAuthor ? [{ name: `Start ${name}`, does: () => go(to("start", name)), cli: cli`wfe-mcp start ${name}` }] : []),
    { name: `Export ${name}`, does: download, cli: cli`wfe-mcp templates export ${name}` },
  ]);

  if (error && !data) return <NotThere error={error} list="#/templates" called="all templates" name={name} />;
  if (!data || !definition) return <Waiting />;
  const now = view === "json" ? "JSON" : view === "diff" ? "Changes" : "Form";
  const use = (action: string) =>
    act(async () => {
      await send(`/templates/${encodeURIComponent(name)}/use`, { action });
      setSaved("");
      again();
    });
  return (
    <>
      <Crumbs items={[{ text: "Templates", to: "#/templates" }, name]} />
      <header className="runhead">
        <div className="grow" style={{ minWidth: "min(24rem, 100%)" }}>
          <h1>{String(definition.title ?? name)}</h1>
          <p className="soft">
            {name.split("@")[0]} {String(definition.version ?? "")}, {data.source || "comes with wfe-mcp"} {data.state && <span className="tag">{data.state}</span>}
          </p>
        </div>
        <span className="row wrap">
          <Segments label="View" names={["Form", "JSON", "Changes"]} now={now} choose={(next) => go(next === "Form" ? to("templates", name) : to("templates", name, next === "JSON" ? "json" : "diff"))} />
          {isAdmin && <label className="btn">
            Import…
            <input type="file" accept=".json,application/json" className="hidden" onChange={(event) => void event.target.files?.[0]?.text().then((read) => { try { change(readable(read)); } catch (reason) { setNotJson((reason as Error).message); } })} />
          </label>}
          <button type="button" className="btn" title={cli`wfe-mcp templates export ${name}`} onClick={download}>
            Export
          </button>
          {isAdmin && (
            <>
              <button type="button" className="btn" title={cli`wfe-mcp templates clone ${name} NEW`} onClick={() => setAsking("clone")}>
                Clone…
              </button>
              <button type="button" className="btn" disabled={busy || edited !== null} title={cli`wfe-mcp templates default ${name}`} onClick={() => use("default")}>
                Make it the default
              </button>
              {edited && (
                <button type="button" className="btn" onClick={() => { setEdited(null); setTyped(null); setNotJson(""); setFaults([]); }}>
                  Discard the changes
                </button>
              )}
              <button type="button" className="btn solid" disabled={busy || !edited || notJson !== ""} title={cli`wfe-mcp templates import FILE`} onClick={save}>
                Save a version
              </button>
            </>
          )}
          {isAuthor && (
            <a className="btn" href={to("start", name)} title={cli`wfe-mcp start ${name}`}>
              Start
            </a>
          )}
        </span>
      </header>
      <Problem error={refused} />
      {saved && (
        <p className="note yes" role="status">
          {saved} is stored. <a href={to("templates", saved.replace(" ", "@"))}>Open it</a>, or <a href={to("start", saved.replace(" ", "@"))}>start a run from it</a>.
        </p>
      )}
      {(saved || name.includes("@")) && <TrustIt key={saved || name} name={saved ? saved.replace(" ", "@") : name} project={at.id} done={again} />}
      {(faults.length > 0 || notJson) && (
        <div className="problems" role="status">
          <b>{notJson ? "This is not a template yet" : faults.length === 1 ? "1 problem" : `${faults.length} problems`}</b>
          {notJson && <span>{notJson}</span>}
          {faults.map((fault, index) => (
            <span key={index}>
              <code>{fault.path}</code> {fault.message}
            </span>
          ))}
        </div>
      )}
      {edited && !faults.length && !notJson && <p className="note yes" role="status">{checked || "Checking…"}</p>}
      {asking === "clone" && <Clone name={name} close={() => setAsking("")} />}
      {now === "Changes" && <TemplateChanges name={name} versions={versions.map((version) => version.version)} hasParent={versions.some((version) => !!version.parent)} />}
      <div className="editor" hidden={now === "Changes"}>
        {now === "JSON" ? (
          <textarea
            className="code"
            aria-label="Definition as JSON"
            spellCheck={false}
            readOnly={!isAdmin}
            value={text}
            onChange={(event) => {
              setTyped(event.target.value);
              setSaved("");
              try {
                setEdited(readable(event.target.value));
                setNotJson("");
              } catch (reason) {
                setNotJson((reason as Error).message);
              }
            }}
          />
        ) : (
          <fieldset className="panel" disabled={!isAdmin}>
            <WholeForm definition={definition} change={change} />
            <InputsForm definition={definition} faults={faults} change={change} />
            <header className="ruled">
              <h2>Phases</h2>
              <button type="button" className="btn slim end" onClick={() => { change({ ...definition, phases: [...phases, { id: fresh(phases), prompt: "What to do", output: { artifact: fresh(phases), schema: "markdown_doc@1" } }] }); setChosen(fresh(phases)); }}>
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
                open={idOf(phase) === chosen}
                choose={() => setChosen(idOf(phase))}
                faults={faults.filter((fault) => fault.path.startsWith(`/phases/${index}/`) || fault.path === `/phases/${index}`)}
                kinds={kinds}
                schema={schema}
                change={(next) => {
                  if (idOf(phase) === chosen) setChosen(idOf(next)); // it stays open while it gets another name
                  setPhase(index, next);
                }}
                move={(by) => move(index, by)}
                remove={() => remove(index)}
              />
            ))}
          </fieldset>
        )}
        <aside className="panel" aria-label="Graph">
          <header>
            <b>Graph</b> {isAdmin && <span className="soft small">drag from one phase to another: it then needs it</span>}
          </header>
          <Graph nodes={nodes} chosen={chosen} choose={(path) => setChosen(path.split(".")[0] ?? "")} direction="down" connect={isAdmin ? connect : undefined} />
        </aside>
      </div>
      {versions.length > 0 && (
        <Section title="Stored versions">
          <ul className="panel plist">
            {versions.map((version) => (
              <li key={version.version}>
                <a href={to("templates", `${name.split("@")[0]}@${version.version}`)}>
                  <span />
                  <b>{version.version}</b>
                  <span className="muted">{version.kept_at}</span>
                  <small>{version.source}</small>
                </a>
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}

/** A phase, and below it those that it repeats; none before it has a name. */
function nodesOf(phase: Json, before?: Json, parent = ""): GraphNode[] {
  if (!idOf(phase)) return [];
  const node = nodeOf(phase, before);
  const path = (id: string) => (parent ? `${parent}.${id}` : id);
  const inner = Array.isArray(phase.phases) ? (phase.phases as Json[]) : [];
  const own = { ...node, phase: path(node.phase), parent, needs: node.needs.map(path) };
  return [own, ...inner.flatMap((each, index) => nodesOf(each, inner[index - 1], own.phase))];
}

function nodeOf(phase: Json, before?: Json): GraphNode {
  const gates = Array.isArray(phase.gates) ? (phase.gates as Json[]) : [];
  return {
    phase: String(phase.id ?? ""), name: String(phase.id ?? ""), kind: String(phase.kind ?? "agent"), state: "pending", attempt: 0, about: aboutOf(phase),
    needs: needsOf(phase, before), gates: gates.map((gate) => ({ gate: String(gate.kind ?? ""), state: "not run" })),
  };
}

/** What a phase is: its title, or who works it and what it makes. */
function aboutOf(phase: Json): string {
  const output = (phase.output ?? {}) as Json;
  const makes = typeof output.artifact === "string" ? `makes ${output.artifact}` : "";
  return [phase.role ? `role ${String(phase.role)}` : phase.kind ? String(phase.kind) : "", makes].filter(Boolean).join(", ") || "agent";
}

/** A definition that the form and the graph can show, whatever it lacks: lint names that. */
function readable(text: string): Json {
  const value = JSON.parse(text) as Json;
  const check = (each: unknown): void => {
    if (typeof each !== "object" || each === null || Array.isArray(each)) throw new Error("A template, a phase and a gate are objects: {…}");
    for (const list of ["phases", "gates", "prompt_gates"]) if (Array.isArray((each as Json)[list])) ((each as Json)[list] as unknown[]).forEach(check);
  };
  check(value);
  return value;
}

const idOf = (phase: Json): string => String(phase.id ?? "");

function fresh(phases: Json[]): string {
  for (let n = phases.length + 1; ; n++) if (!phases.some((phase) => phase.id === `phase_${n}`)) return `phase_${n}`;
}
