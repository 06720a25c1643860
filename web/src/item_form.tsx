// A work item as a form: to add one, and to change one. What is typed is kept over a reload, and over what others change.
import { useEffect, type ReactNode } from "react";
import { useAct } from "./api";
import type { Fault, ItemPage, ItemView } from "./api_types";
import { ClaimTests, type ClaimTest } from "./claim_tests";
import { cli } from "./cli";
import { useDraft } from "./draft";
import { ProjectChoice, useProject } from "./in_project";
import { KINDS } from "./item_acts";
import { Cli, Field, Options, Problem } from "./parts";
import { send } from "./pin";
import { leave, to } from "./route";
import { priority, useBacklog } from "./work";

export interface Fields {
  title: string;
  body: string;
  priority: number;
  parent: string;
  needs: string[];
  scopes: string[];
  criteria: string[];
  tags: string[];
  sequential: boolean;
}

const EMPTY: Fields = { title: "", body: "", priority: 5, parent: "", needs: [], scopes: [], criteria: [], tags: [], sequential: false };

const fieldsOf = (item: ItemPage): Fields => ({
  title: item.title, body: item.body ?? "", priority: item.priority, parent: item.parent ?? "", needs: item.needs ?? [], scopes: item.scopes ?? [],
  criteria: item.criteria ?? [], tags: item.tags ?? [], sequential: item.sequential ?? false,
});

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
const say = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : String(value)) || "nothing";
const lines = (text: string): string[] => text.split("\n");
const filled = (given: string[]): string[] => given.map((each) => each.trim()).filter(Boolean);

interface Draft {
  typed: Partial<Fields>;
  /** What the item was when the typing began, and the version that this was. */
  base: Fields | null;
  version: number;
}

const NONE: Draft = { typed: {}, base: null, version: 0 };

/** Change an item: what was typed is sent, and refused where another changed the item meanwhile. */
export function EditItem({ item, saved }: { item: ItemPage; saved: () => void }) {
  const [draft, setDraft] = useDraft<Draft>(`item ${item.project} ${item.id}`, NONE);
  const [act, busy, refused] = useAct();
  const now = fieldsOf(item);
  const names = Object.keys(draft.typed) as (keyof Fields)[];
  const others = draft.base ? (Object.keys(now) as (keyof Fields)[]).filter((name) => !same(now[name], draft.base?.[name])) : [];
  const last = item.history?.at(-1);
  const change = (name: keyof Fields, value: Fields[keyof Fields]) => {
    const { [name]: _, ...rest } = draft.typed;
    const typed = same(value, now[name]) ? rest : { ...rest, [name]: value };
    setDraft(Object.keys(typed).length ? { typed, base: draft.base ?? now, version: draft.version || item.version } : NONE);
  };
  const save = (version: number) =>
    act(async (isHere) => {
      const given = Object.fromEntries(names.map((name) => [name, clean(draft.typed[name])]));
      if (names.length) await send(`/items/${item.id}`, { item: given, project: item.project, version });
      setDraft(NONE);
      if (isHere()) saved();
    });
  return (
    <form
      className="formgrid"
      onSubmit={(event) => {
        event.preventDefault();
        save(draft.version);
      }}
    >
      {others.length > 0 && (
        <section className="panel stopped waits" role="alert" aria-label="Changed meanwhile">
          <header>
            <h2>
              {last?.actor ?? "Another person"} has changed {item.id} since you began
            </h2>
          </header>
          <div className="body stack">
            <p className="soft">Nothing that you typed is lost. Where you typed nothing, the form shows what it is now.</p>
            <dl className="kv tight">
              {others.map((name) => (
                <div key={name} style={{ display: "contents" }}>
                  <dt>{name}</dt>
                  <dd>
                    <span className="words">is now: {say(now[name])}</span>{" "}
                    {name in draft.typed && (
                      <button type="button" className="btn slim" onClick={() => change(name, now[name])}>
                        Take it
                      </button>
                    )}
                  </dd>
                </div>
              ))}
            </dl>
            <span className="row wrap">
              <button type="button" className="btn solid" disabled={busy} onClick={() => save(item.version)}>
                {names.length ? `Save my ${names.join(", ")} over it` : "Go on"}
              </button>
            </span>
          </div>
        </section>
      )}
      <ItemFields values={{ ...now, ...draft.typed }} change={change} faults={refused?.details ?? []} kind={item.kind} />
      <Problem error={refused} />
      <span className="row wrap">
        <button className="btn solid" disabled={busy}>
          {busy ? "Saving…" : "Save"}
        </button>
        <button
          type="button"
          className="btn"
          onClick={() => {
            setDraft(NONE);
            saved();
          }}
        >
          {names.length ? "Discard what I typed" : "Back"}
        </button>
        <Cli text={cli`wfe-mcp work edit ${item.id} ${names.flatMap((name) => OPTIONS[name].split(" "))}`} />
      </span>
    </form>
  );
}

const OPTIONS: Record<keyof Fields, string> = {
  title: "--title TEXT", body: "--body TEXT", priority: "--priority N", parent: "--parent ITEM", needs: "--needs ITEM", scopes: "--scope PATH",
  criteria: "--criterion TEXT", tags: "--tag TEXT", sequential: "--sequential",
};

const clean = (value: unknown): unknown => (Array.isArray(value) ? filled(value as string[]) : value);
const cleaned = (given: object): Record<string, unknown> => Object.fromEntries(Object.entries(given).map(([name, value]) => [name, clean(value)]));

/** What a new claim says besides its tests. */
const CLAIMED = ["title", "body", "priority", "parent", "tags"];

const HEADS: Record<string, [title: string, about: string, adds: string]> = {
  decision: ["Propose a decision", "Say what holds from now on, and why. Prompts repeat it once you accept it.", "Propose it"],
  claim: ["Add a claim", "Say what holds, and name checks that show it. Its status follows from their results; you and your agent set none.", "Add it"],
  "": ["Add a work item", "An item that says what to do and when it is done can be made ready, and a run can work it.", "Add it"],
};

/** Add an item. */
export function NewItem({ query: given }: { query: URLSearchParams }) {
  const at = useProject({ one: true });
  const [draft, setDraft] = useDraft<{ kind: string; values: Fields; tests?: ClaimTest[] }>(`item ${at.chosen} ${given}`, {
    kind: given.get("kind") ?? "task",
    values: { ...EMPTY, parent: given.get("parent") ?? "" },
  });
  const [act, busy, refused] = useAct();
  const { kind, values } = draft;
  const claims = kind === "claim";
  const tests = claims ? (draft.tests ?? []).map(cleaned) : [];
  const [title, about, adds] = HEADS[kind] ?? HEADS[""]!;
  useEffect(() => {
    if (given.get("project")) at.choose(given.get("project") ?? "");
  }, []); // eslint-disable-line
  const own = ["decision", "claim"].includes(kind);
  const command = cli`wfe-mcp ${own ? kind : "work"} add ${own || kind === "task" ? [] : ["--kind", kind]} ${tests.flatMap((test) => ["--test", JSON.stringify(test)])} ${values.title || "TITLE"}`;
  return (
    <>
      <h1>{title}</h1>
      <p className="soft" style={{ marginBottom: "1rem" }}>
        {about}
      </p>
      <form
        className="formgrid"
        onSubmit={(event) => {
          event.preventDefault();
          act(async (isHere) => {
            const set = Object.entries(values).filter(([name, value]) => !same(value, EMPTY[name as keyof Fields]) && (!claims || CLAIMED.includes(name)));
            const item = { ...cleaned(Object.fromEntries(set)), ...(tests.length ? { tests } : {}) };
            const made = await send<ItemView>("/items", { kind, item, project: at.id });
            setDraft({ kind, values: EMPTY });
            if (isHere()) leave(to("items", at.id, made.data.id));
          });
        }}
      >
        <ProjectChoice at={at} one />
        <Field label="Kind">
          <select value={kind} onChange={(event) => setDraft({ ...draft, kind: event.target.value })}>
            <Options of={[...KINDS, "claim"]} />
          </select>
        </Field>
        <ItemFields values={values} change={(name, value) => setDraft({ ...draft, values: { ...values, [name]: value } })} faults={refused?.details ?? []} kind={kind} isNew>
          {claims && <ClaimTests project={at.id} tests={draft.tests ?? []} change={(next) => setDraft({ ...draft, tests: next })} faults={refused?.details ?? []} />}
        </ItemFields>
        <Problem error={refused} />
        <span className="row wrap">
          <button className="btn solid" disabled={busy || !at.id} title={command}>
            {busy ? "Adding…" : adds}
          </button>
          <Cli text={command} />
        </span>
      </form>
    </>
  );
}

function ItemField({ name, label, hint, faults, children }: { name: string; label: string; hint?: string; faults: Fault[]; children: ReactNode }) {
  return (
    <Field label={label} hint={hint}>
      {children}
      {faults.filter((fault) => fault.path === `/item/${name}`).map((fault, index) => (
        <span key={index} className="hint s-failed">
          {fault.message}
        </span>
      ))}
    </Field>
  );
}

interface Given {
  values: Fields;
  change: (name: keyof Fields, value: Fields[keyof Fields]) => void;
  faults: Fault[];
  kind: string;
  isNew?: boolean;
  children?: ReactNode;
}

function ItemFields({ values, change, faults, kind, isNew, children }: Given) {
  const at = useProject({ one: true });
  const known = useBacklog(at, { limit: 500 }).data?.items ?? [];
  const decides = kind === "decision";
  const claims = kind === "claim";
  const area = (name: "criteria" | "scopes", label: string, hint: string) => (
    <ItemField name={name} label={label} hint={hint} faults={faults}>
      <textarea rows={2} value={values[name].join("\n")} onChange={(event) => change(name, lines(event.target.value))} />
    </ItemField>
  );
  const words = (name: "needs" | "tags", label: string, hint: string) => (
    <ItemField name={name} label={label} hint={hint} faults={faults}>
      <input type="text" list={name === "needs" ? "known-items" : undefined} value={values[name].join(", ")} onChange={(event) => change(name, event.target.value ? event.target.value.split(/, ?/) : [])} />
    </ItemField>
  );
  return (
    <>
      <ItemField name="title" label="Title" hint={claims ? (isNew ? "what holds, such as: answers take 100 ms at most" : "it and the tests stay as they were added") : ""} faults={faults}>
        <input type="text" required maxLength={200} readOnly={claims && !isNew} value={values.title} onChange={(event) => change("title", event.target.value)} />
      </ItemField>
      <ItemField name="body" label={decides ? "Why, and what follows from it" : claims ? "What it means" : "What is to be done, and why"} hint="Markdown" faults={faults}>
        <textarea rows={6} maxLength={20000} value={values.body} onChange={(event) => change("body", event.target.value)} />
      </ItemField>
      {children}
      {!decides && !claims && area("criteria", "Done when", "one criterion a line")}
      {!claims && area("scopes", "Paths that it is about", "one a line, * allowed; items that touch the same files warn each other")}
      {!decides && (
        <>
          <div className="pair">
            <ItemField name="priority" label="Priority" faults={faults}>
              <select value={values.priority} onChange={(event) => change("priority", Number(event.target.value))}>
                <Options of={[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]} says={priority} />
              </select>
            </ItemField>
            <ItemField name="parent" label={claims ? "Claimed about" : "Part of"} hint="an item, such as W-3" faults={faults}>
              <input type="text" list="known-items" value={values.parent} onChange={(event) => change("parent", event.target.value)} />
            </ItemField>
            {!(claims && isNew) && words("needs", claims ? "Follow-ups" : "Needs", `items that must be over ${claims ? "before it is taken up again" : "first"}, with commas`)}
            {words("tags", "Tags", "with commas")}
          </div>
          <datalist id="known-items">
            {known.map((each) => (
              <option key={each.id} value={each.id}>
                {each.title}
              </option>
            ))}
          </datalist>
          {kind === "milestone" && (
            <label className="row">
              <input type="checkbox" checked={values.sequential} onChange={(event) => change("sequential", event.target.checked)} /> Of the items under it, one is active at a time
            </label>
          )}
        </>
      )}
    </>
  );
}
