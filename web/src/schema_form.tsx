// A form made from a JSON Schema: fields for what it describes, nested, and JSON for what it does not.
import { useId, useState, type ReactNode } from "react";
import type { Fault } from "./api_types";
import { Icon } from "./icons";
import { Coded } from "./parts";

export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  $ref?: string;
  $defs?: Record<string, Schema>;
  anyOf?: Schema[];
  oneOf?: Schema[];
}

type Values = Record<string, unknown>;

const MOST_SPOKEN = 120;
const DEEPEST = 4;

/** `schema` with what it refers to in its place; a choice between one thing and nothing is that thing. */
function resolved(schema: Schema, root: Schema): Schema {
  let found = schema;
  for (let n = 0; n < 8; n++) {
    const name = /^#\/\$defs\/(.+)$/.exec(found.$ref ?? "")?.[1];
    if (name) {
      const { $ref, ...own } = found;
      found = { ...(root.$defs?.[name] ?? {}), ...own };
      continue;
    }
    const choice = (found.anyOf ?? found.oneOf ?? []).filter((each) => each.type !== "null");
    if (choice.length !== 1 || !choice[0]) break;
    const { anyOf, oneOf, ...own } = found;
    found = { ...choice[0], ...own };
  }
  return found;
}

const kindOf = (schema: Schema): string | undefined => (Array.isArray(schema.type) ? schema.type.find((each) => each !== "null") : schema.type);

/** Faults at `path` or below it; the beginnings that an answer of the server may put before it are left out. */
const below = (faults: Fault[], path: string): Fault[] =>
  faults.filter((fault) => {
    const told = fault.path.replace(/^\/(body|inputs|artifact)(?=\/)/, "").replace(/^\/inputs(?=\/)/, "");
    return told === path || told.startsWith(`${path}/`);
  });

/** Of several alternatives, the one that `value` has the type of; without a value the first. */
function alternative(schema: Schema, value: unknown, root: Schema): Schema {
  const choices = (schema.anyOf ?? schema.oneOf ?? []).map((each) => resolved(each, root)).filter((each) => each.type !== "null");
  if (choices.length < 2) return schema;
  const is = (each: Schema) => (each.enum ? each.enum.includes(value) : typeOf(value).includes(kindOf(each) ?? ""));
  const chosen = value === undefined ? choices[0] : (choices.find(is) ?? null);
  const { anyOf, oneOf, ...own } = schema;
  return chosen ? { ...chosen, ...own } : schema;
}

const typeOf = (value: unknown): string[] =>
  Array.isArray(value) ? ["array"] : Number.isInteger(value) ? ["integer", "number"] : [typeof value];

/** `folds`: what is neither required nor set is folded away, of a list only what it names, and texts without a limit are one line. */
export function SchemaForm({ schema, values, change, faults, root = schema, path = "", deep = 0, folds = false }: {
  schema: Schema;
  values: Values;
  change: (values: Values) => void;
  faults: Fault[];
  root?: Schema;
  path?: string;
  deep?: number;
  folds?: boolean | string[];
}) {
  const [begun] = useState(() => new Set(Object.keys(values))); // what a person sets stays where it was set
  const set = (name: string, value: unknown) => {
    const next = { ...values };
    if (value === undefined) delete next[name];
    else next[name] = value;
    change(next);
  };
  const own = resolved(schema, root);
  const isNeeded = (name: string) => own.required?.includes(name) ?? false;
  const fields = Object.entries(own.properties ?? {}); // stored schemas are sorted by key, so what is required comes first
  const field = ([name, each]: [string, Schema]) => (
    <Field
      key={name}
      name={name}
      schema={alternative(resolved(each, root), values[name], root)}
      folds={folds}
      root={root}
      path={`${path}/${name}`}
      deep={deep}
      required={isNeeded(name)}
      value={values[name]}
      set={(value) => set(name, value)}
      faults={below(faults, `${path}/${name}`)}
    />
  );
  const needed = fields.filter(([name]) => isNeeded(name));
  const others = fields.filter(([name]) => !isNeeded(name));
  if (!folds) return [...needed, ...others].map(field);
  const isFolded = ([name]: [string, Schema]) => !begun.has(name) && (folds === true || folds.includes(name));
  const more = others.filter(isFolded);
  return (
    <>
      {needed.map(field)}
      {others.filter((other) => !isFolded(other)).map(field)}
      {more.length > 0 && (
        <details className="more">
          <summary className="fold row small soft">More: {more.map(([name]) => name).join(", ")}</summary>
          <div className="formgrid">{more.map(field)}</div>
        </details>
      )}
    </>
  );
}

/** Whether a value has words: an empty text or list says nothing. */
const isSaid = (value: unknown): boolean => value !== undefined && value !== null && spoken(value) !== "";

/** A value in a sentence: a list without brackets, and not all of a long one. */
function spoken(value: unknown): string {
  const all = (Array.isArray(value) ? value : [value]).map(text);
  const whole = all.join(", ");
  return whole.length <= MOST_SPOKEN ? whole : all.length > 1 ? `${all.slice(0, 3).join(", ")} and ${all.length - 3} more` : `${whole.slice(0, MOST_SPOKEN)}…`;
}

interface FieldProps {
  name: string;
  schema: Schema;
  root: Schema;
  path: string;
  deep: number;
  required: boolean;
  value: unknown;
  set: (value: unknown) => void;
  faults: Fault[];
  folds: boolean | string[];
}

function Field(props: FieldProps) {
  const { name, schema, root, path, deep, required, value, set, faults, folds } = props;
  const id = useId();
  const kind = kindOf(schema);
  const items = schema.items ? resolved(schema.items, root) : undefined;
  const nested = deep < DEEPEST && kind === "object" && schema.properties && (value === undefined || isObject(value));
  if (nested)
    return (
      <fieldset className="nested">
        <legend>
          {schema.title ?? name} {!required && <span className="hint">optional</span>}
        </legend>
        {schema.description && <p className="hint"><Coded text={schema.description} /></p>}
        <SchemaForm schema={schema} root={root} path={path} deep={deep + 1} folds={folds} values={isObject(value) ? value : {}} change={(next) => set(Object.keys(next).length || required ? next : undefined)} faults={faults} />
      </fieldset>
    );
  if (deep < DEEPEST && kind === "array" && items && kindOf(items) === "object" && items.properties && (value === undefined || Array.isArray(value))) return <Items {...props} items={items} />;
  const example = schema.examples?.[0];
  const more = [example !== undefined ? `Example: ${spoken(example).replace(/\.$/, "")}.` : "", isSaid(schema.default) ? `Without one: ${spoken(schema.default)}` : ""].filter(Boolean).join(" ");
  const common = { id, required: required && schema.default === undefined, "aria-describedby": `${id}-hint ${id}-error`, "aria-invalid": faults.length > 0 || undefined };
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
        <input {...common} type="checkbox" required={false} checked={value === undefined ? schema.default === true : value === true} onChange={(event) => set(event.target.checked)} />
      ) : kind === "integer" || kind === "number" ? (
        <NumberField common={common} value={value} set={set} />
      ) : kind === "array" && (!items || kindOf(items) === "string") && (value === undefined || Array.isArray(value)) ? (
        <ListField common={common} value={value ?? []} set={set} />
      ) : kind === "string" && (value === undefined || typeof value === "string") ? (
        (folds ? String(value ?? "").length > 80 : (schema.maxLength ?? 1000) > 200) ? (
          <textarea {...common} rows={typeof value === "string" && value.length > 300 ? 10 : 4} value={typeof value === "string" ? value : ""} onChange={(event) => set(event.target.value || undefined)} />
        ) : (
          <input {...common} type="text" value={typeof value === "string" ? value : ""} onChange={(event) => set(event.target.value || undefined)} />
        )
      ) : (
        <JsonField common={common} value={value} set={set} />
      )}
      <p className="hint" id={`${id}-hint`}>
        <Coded text={schema.description ?? ""} /> {more}
      </p>
      {faults.map((fault, index) => (
        <p key={index} className="error" id={index ? undefined : `${id}-error`}>
          {fault.path !== path && <code>{fault.path}</code>} {fault.message}
        </p>
      ))}
    </div>
  );
}

/** A list of objects: one form for each, which can be added and taken out. */
function Items({ name, schema, items, root, path, deep, required, value, set, faults, folds }: FieldProps & { items: Schema }) {
  const rows = Array.isArray(value) ? value : [];
  const put = (next: unknown[]) => set(next.length || required ? next : undefined);
  return (
    <fieldset className="nested">
      <legend>
        {schema.title ?? name} {!required && <span className="hint">optional</span>}
      </legend>
      {schema.description && <p className="hint"><Coded text={schema.description} /></p>}
      {rows.map((row, index) => (
        <Item key={index} name={name} number={index + 1} row={row} folds={rows.length > MOST_OPEN} isBad={below(faults, `${path}/${index}`).length > 0} takeOut={() => put(rows.filter((_, at) => at !== index))}>
          <SchemaForm schema={items} root={root} path={`${path}/${index}`} deep={deep + 1} folds={folds} values={isObject(row) ? row : {}} change={(next) => put(rows.map((each, at) => (at === index ? next : each)))} faults={faults} />
        </Item>
      ))}
      <button type="button" className="btn slim" onClick={() => put([...rows, {}])}>
        <Icon name="plus" />
        Add to {schema.title ?? name}
      </button>
      {faults.filter((fault) => fault.path.endsWith(path)).map((fault, index) => (
        <p key={index} className="error">
          {fault.message}
        </p>
      ))}
    </fieldset>
  );
}

/** Items of a list whose forms are all open; of a longer one each opens by itself, so that it can be looked through. */
const MOST_OPEN = 10;
const NAMES = ["title", "name", "id", "key", "path", "summary"];

function Item({ name, number, row, folds, isBad, takeOut, children }: { name: string; number: number; row: unknown; folds: boolean; isBad: boolean; takeOut: () => void; children: ReactNode }) {
  const [open, setOpen] = useState(!folds || !isObject(row) || Object.keys(row).length === 0);
  const called = isObject(row) ? NAMES.map((key) => row[key]).find(isSaid) : undefined;
  const isOpen = open || isBad;
  return (
    <div className="nested item">
      <div className="row top">
        <button type="button" className="btn slim bare grow" aria-expanded={isOpen} onClick={() => setOpen(!open)}>
          <span className="hidden">{name} </span>
          <b>{number}</b> {!isOpen && isSaid(called) && spoken(called)}
        </button>
        <button type="button" className="btn slim bare end" aria-label={`Take out ${name} ${number}`} onClick={takeOut}>
          <Icon name="x" />
        </button>
      </div>
      {isOpen && children}
    </div>
  );
}

/** A number. What is typed stays as it is: `0.` is on the way to 0.5, and is 0. */
function NumberField({ common, value, set }: { common: object; value: unknown; set: (value: unknown) => void }) {
  const [typed, setTyped] = useState("");
  const read = (text: string): unknown => (text.trim() === "" ? undefined : Number.isFinite(Number(text)) ? Number(text) : text);
  return (
    <input
      {...common}
      type="text"
      inputMode="decimal"
      value={read(typed) === value ? typed : String(value ?? "")}
      onChange={(event) => {
        setTyped(event.target.value);
        set(read(event.target.value));
      }}
    />
  );
}

/** Texts, one on each line; an empty line is none of them. */
function ListField({ common, value, set }: { common: object; value: unknown[]; set: (value: unknown) => void }) {
  const [typed, setTyped] = useState("");
  const read = (text: string): string[] => text.split("\n").filter((line) => line.trim());
  return (
    <textarea
      {...common}
      rows={3}
      placeholder="one on each line"
      value={text(read(typed)) === text(value) ? typed : value.join("\n")}
      onChange={(event) => {
        const lines = read(event.target.value);
        setTyped(event.target.value);
        set(lines.length ? lines : undefined);
      }}
    />
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
        placeholder="JSON"
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

const isObject = (value: unknown): value is Values => typeof value === "object" && value !== null && !Array.isArray(value);

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
