// A form made from a JSON Schema: fields for what it describes, JSON for what it does not.
import { useId, useState } from "react";

export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  enum?: unknown[];
  default?: unknown;
  examples?: unknown[];
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
}

type Values = Record<string, unknown>;

export function SchemaForm({ schema, values, change, faults }: { schema: Schema; values: Values; change: (values: Values) => void; faults: { path: string; message: string }[] }) {
  const set = (name: string, value: unknown) => {
    const next = { ...values };
    if (value === undefined) delete next[name];
    else next[name] = value;
    change(next);
  };
  return Object.entries(schema.properties ?? {}).map(([name, each]) => (
    <Field
      key={name}
      name={name}
      schema={each}
      required={schema.required?.includes(name) ?? false}
      value={values[name]}
      set={(value) => set(name, value)}
      faults={faults.filter((fault) => fault.path === `/${name}` || fault.path.endsWith(`/inputs/${name}`) || fault.path.startsWith(`/${name}/`))}
    />
  ));
}

function Field({ name, schema, required, value, set, faults }: { name: string; schema: Schema; required: boolean; value: unknown; set: (value: unknown) => void; faults: { message: string }[] }) {
  const id = useId();
  const kind = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  const hint = [schema.description, schema.examples?.length ? `Example: ${text(schema.examples[0])}` : "", schema.default !== undefined ? `Without one: ${text(schema.default).slice(0, 120)}` : ""].filter(Boolean).join(" ");
  const common = { id, required: required && schema.default === undefined, "aria-describedby": `${id}-hint`, "aria-invalid": faults.length > 0 || undefined };
  return (
    <div className={`field${faults.length ? " bad" : ""}`}>
      <label htmlFor={id}>
        {schema.title ?? name} {!required && <span className="hint">optional</span>}
      </label>
      {schema.enum ? (
        <select {...common} value={value === undefined ? "" : text(value)} onChange={(event) => set(schema.enum?.find((each) => text(each) === event.target.value))}>
          <option value="" />
          {schema.enum.map((each) => (
            <option key={text(each)} value={text(each)}>
              {text(each)}
            </option>
          ))}
        </select>
      ) : kind === "boolean" ? (
        <input {...common} type="checkbox" required={false} checked={value === true} onChange={(event) => set(event.target.checked)} />
      ) : kind === "integer" || kind === "number" ? (
        <input {...common} type="text" inputMode="decimal" value={value === undefined ? "" : String(value)} onChange={(event) => set(event.target.value === "" ? undefined : Number.isNaN(Number(event.target.value)) ? event.target.value : Number(event.target.value))} />
      ) : kind === "array" && (schema.items?.type === "string" || !schema.items) ? (
        <textarea {...common} rows={3} placeholder="one on each line" value={Array.isArray(value) ? value.join("\n") : ""} onChange={(event) => set(event.target.value ? event.target.value.split("\n") : undefined)} />
      ) : kind === "object" || kind === "array" ? (
        <JsonField common={common} value={value} set={set} />
      ) : (schema.maxLength ?? 1000) > 200 ? (
        <textarea {...common} rows={4} value={typeof value === "string" ? value : ""} onChange={(event) => set(event.target.value || undefined)} />
      ) : (
        <input {...common} type="text" value={typeof value === "string" ? value : ""} onChange={(event) => set(event.target.value || undefined)} />
      )}
      <p className="hint" id={`${id}-hint`}>
        {hint}
      </p>
      {faults.map((each, index) => (
        <p key={index} className="error">
          {each.message}
        </p>
      ))}
    </div>
  );
}

function JsonField({ common, value, set }: { common: object; value: unknown; set: (value: unknown) => void }) {
  const [typed, setTyped] = useState(value === undefined ? "" : JSON.stringify(value, null, 2));
  const [fault, setFault] = useState("");
  return (
    <>
      <textarea
        {...common}
        className="code"
        style={{ minHeight: "8rem" }}
        rows={6}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          try {
            set(event.target.value.trim() ? JSON.parse(event.target.value) : undefined);
            setFault("");
          } catch (error) {
            setFault((error as Error).message);
          }
        }}
      />
      {fault && <p className="error">This is not JSON yet: {fault}</p>}
    </>
  );
}

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
