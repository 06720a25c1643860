// What a run of a template is given: its inputs as rows; keys of their schema that a row has no field for stay as they are.
import type { Fault } from "./api_types";
import type { Json } from "./gate_form";
import { Icon } from "./icons";
import { Options } from "./parts";

const KINDS: Record<string, Json> = {
  text: { type: "string" },
  "whole number": { type: "integer" },
  number: { type: "number" },
  "yes or no": { type: "boolean" },
  "list of texts": { type: "array", items: { type: "string" } },
};

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

/** The name of its kind; empty for one that is edited as JSON. */
function kindOf(input: Json): string {
  if (input.enum !== undefined) return "";
  return Object.entries(KINDS).find(([, { type, items }]) => input.type === type && (items === undefined || (isObject(input.items) && input.items.type === "string")))?.[0] ?? "";
}

export function InputsForm({ definition, faults, change }: { definition: Json; faults: Fault[]; change: (definition: Json) => void }) {
  const schema = isObject(definition.inputs) ? definition.inputs : {};
  const inputs = Object.entries(isObject(schema.properties) ? schema.properties : {}).map(([name, each]): [string, Json] => [name, isObject(each) ? each : {}]);
  const needed = Array.isArray(schema.required) ? schema.required.map(String) : [];
  const put = (next: [string, Json][], required: string[]) => {
    const { required: _, ...rest } = schema;
    const made = { type: "object", ...rest, properties: Object.fromEntries(next), ...(required.length ? { required } : {}) };
    change({ ...definition, inputs: made });
  };
  const set = (at: number, key: string, value: unknown) =>
    put(inputs.map(([name, each], n): [string, Json] => {
      if (n !== at) return [name, each];
      const { [key]: _, ...rest } = each;
      return [name, value === "" || value === undefined ? rest : { ...rest, [key]: value }];
    }), needed);
  const rename = (at: number, to: string) => {
    const from = inputs[at]?.[0] ?? "";
    if (!to || inputs.some(([name], n) => n !== at && name === to)) return;
    put(inputs.map(([name, each], n) => [n === at ? to : name, each]), needed.map((each) => (each === from ? to : each)));
  };
  return (
    <>
      <header className="ruled">
        <h2>Inputs</h2>
        <span className="soft small">what a run is given when it starts</span>
        <button type="button" className="btn slim end" onClick={() => put([...inputs, [fresh(inputs), { type: "string" }]], needed)}>
          <Icon name="plus" />
          Add an input
        </button>
      </header>
      {inputs.map(([name, each], at) => {
        const kind = kindOf(each);
        const own = faults.filter((fault) => fault.path.startsWith(`/inputs/properties/${name}`));
        return (
          <fieldset key={at} className="formbody input" aria-label={`Input ${name}`}>
            <label className="field w2">
              <span>Name</span>
              <input type="text" className="code" defaultValue={name} key={name} onBlur={(event) => rename(at, event.target.value.trim())} />
            </label>
            <label className="field w2">
              <span>Kind</span>
              <select
                value={kind}
                onChange={(event) => {
                  const { type: _, items: __, ...rest } = each;
                  put(inputs.map((one, n) => (n === at ? [name, { ...KINDS[event.target.value], ...rest }] : one)), needed);
                }}
              >
                {!kind && <option value="">another: edit it as JSON</option>}
                <Options of={Object.keys(KINDS)} />
              </select>
            </label>
            <span className="row w2 acts">
              <label className="row">
                <input type="checkbox" checked={needed.includes(name)} onChange={(event) => put(inputs, event.target.checked ? [...needed, name] : needed.filter((one) => one !== name))} /> required
              </label>
              <button type="button" className="btn slim icon-only bare end" aria-label={`Remove the input ${name}`} onClick={() => put(inputs.filter((_, n) => n !== at), needed.filter((one) => one !== name))}>
                <Icon name="x" />
              </button>
            </span>
            <label className="field w6">
              <span>What it is</span>
              <input type="text" value={String(each.description ?? "")} onChange={(event) => set(at, "description", event.target.value)} />
            </label>
            {own.map((one, n) => (
              <p key={n} className="error w6">
                <code>{one.path}</code> {one.message}
              </p>
            ))}
          </fieldset>
        );
      })}
      {!inputs.length && <p className="pad soft">A run of this template is given nothing.</p>}
    </>
  );
}

function fresh(inputs: [string, Json][]): string {
  for (let n = inputs.length + 1; ; n++) if (!inputs.some(([name]) => name === `input_${n}`)) return `input_${n}`;
}
