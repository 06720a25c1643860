// The gates of a phase as forms, made from the JSON Schema of their kinds.
import { useRef } from "react";
import { flushSync } from "react-dom";
import type { Fault } from "./api_types";
import { Icon } from "./icons";
import { focusOn } from "./keys";
import { SchemaForm, type Schema } from "./schema_form";

export type Json = Record<string, unknown>;

/** Kind of a gate → its schema, in the order in which they are offered. */
export function gateKinds(schema: Schema): Map<string, Schema> {
  const found = Object.entries(schema.$defs ?? {})
    .filter(([name]) => name.endsWith("Gate"))
    .map(([, each]): [string, Schema] => [String(each.properties?.kind?.const ?? ""), each]);
  const order = ["command", "files", "expr", "opinion", "approval"];
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  return new Map(found.sort(([one], [two]) => rank(one) - rank(two)));
}

export function Gates({ name, gates, kinds, root, path, faults, change }: {
  name: string;
  gates: Json[];
  kinds: Map<string, Schema>;
  root: Schema;
  /** Where the gates are in the definition. */
  path: string;
  faults: Fault[];
  change: (gates: Json[]) => void;
}) {
  const list = useRef<HTMLFieldSetElement>(null);
  const put = (at: number, next: Json) => change(gates.map((each, n) => (n === at ? next : each)));
  const move = (at: number, by: number) => {
    const next = [...gates];
    const [taken] = next.splice(at, 1);
    if (taken) next.splice(at + by, 0, taken);
    flushSync(() => change(next));
    const moved = `[data-at="${at + by}"] > `;
    focusOn(list.current, `${moved}[data-by="${by}"]:enabled`, `${moved}[data-by]:enabled`);
  };
  const remove = (at: number) => {
    flushSync(() => change(gates.filter((_, n) => n !== at)));
    focusOn(list.current, `[data-at="${at}"] summary`, `[data-at="${at - 1}"] summary`, ".add select");
  };
  return (
    <fieldset ref={list} className="w6 gatelist">
      <legend className="label">{name}</legend>
      {gates.map((gate, at) => {
        const kind = String(gate.kind ?? "");
        const own = faults.filter((fault) => fault.path === `${path}/${at}` || fault.path.startsWith(`${path}/${at}/`));
        return (
          <div key={`${at} ${kind}`} data-at={at} className={`gate row top${own.length ? " bad" : ""}`}>
            <details className="grow" open={own.length > 0 || undefined}>
              <summary className="fold row">
                <b>{kind}</b>
                <span className="muted small clip">{asks(gate)}</span>
              </summary>
              <GateFields gate={gate} schema={kinds.get(kind)} root={root} path={`${path}/${at}`} faults={own} change={(next) => put(at, next)} />
            </details>
            <button type="button" className="btn slim icon-only bare" data-by={-1} disabled={at === 0} aria-label={`Move the ${kind} gate up`} onClick={() => move(at, -1)}>
              <Icon name="up" />
            </button>
            <button type="button" className="btn slim icon-only bare" data-by={1} disabled={at === gates.length - 1} aria-label={`Move the ${kind} gate down`} onClick={() => move(at, 1)}>
              <Icon name="down" />
            </button>
            <button type="button" className="btn slim icon-only bare" aria-label={`Remove the ${kind} gate`} onClick={() => remove(at)}>
              <Icon name="x" />
            </button>
          </div>
        );
      })}
      <label className="row small soft add">
        <Icon name="plus" />
        <span>Add a gate</span>
        <select aria-label="Add a gate" value="" onChange={(event) => event.target.value && change([...gates, fresh(event.target.value, kinds.get(event.target.value))])}>
          <option value="">choose…</option>
          {[...kinds].map(([each, schema]) => (
            <option key={each} value={each}>
              {each}: {schema.description}
            </option>
          ))}
        </select>
      </label>
    </fieldset>
  );
}

function GateFields({ gate, schema, root, path, faults, change }: { gate: Json; schema?: Schema; root: Schema; path: string; faults: Fault[]; change: (gate: Json) => void }) {
  const { kind, ...values } = gate;
  if (!schema) return <p className="error">No gate is of the kind {String(kind)}.</p>;
  const { kind: _, ...properties } = schema.properties ?? {};
  const own = { ...schema, properties, required: schema.required?.filter((each) => each !== "kind") };
  return (
    <div className="formgrid">
      <p className="soft small">{schema.description}</p>
      <SchemaForm schema={own} root={root} path={path} values={values} change={(next) => change({ kind, ...next })} faults={faults} folds />
      {faults.filter((fault) => fault.path === path).map((fault, index) => (
        <p key={index} className="error">
          {fault.message}
        </p>
      ))}
    </div>
  );
}

/** What a gate asks for, in a line: its own sentence where it has one; else its values without their names where there is one, else with them. */
function asks(gate: Json): string {
  const { kind: _, ...values } = gate;
  if (typeof values.rule === "string" && values.rule) return values.rule;
  const say = (value: unknown): string => (Array.isArray(value) ? value.map(say).join(", ") : typeof value === "object" && value !== null ? Object.entries(value).map(([name, each]) => `${name} ${say(each)}`).join(", ") : String(value));
  const [first, ...rest] = Object.entries(values);
  return [...(first ? [rest.length ? `${first[0]} ${say(first[1])}` : say(first[1])] : []), ...rest.map(([name, value]) => `${name} ${say(value)}`)].join("; ");
}

/** A new gate: of what it must have, the schema's own examples. */
function fresh(kind: string, schema?: Schema): Json {
  const needed = (schema?.required ?? []).filter((each) => each !== "kind");
  return { kind, ...Object.fromEntries(needed.map((each) => [each, schema?.properties?.[each]?.examples?.[0] ?? ""])) };
}
