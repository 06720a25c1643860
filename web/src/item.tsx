// One work item: what it says, what it waits for, its runs, what may be done with it, and the log of its changes.
import { useState, type ReactNode } from "react";
import { beginsOrEnds, query, useAct, useAsk } from "./api";
import type { ItemChange, ItemLine, ItemPage } from "./api_types";
import { cli } from "./cli";
import { useProject } from "./in_project";
import { Files } from "./item_files";
import { EditItem } from "./item_form";
import { ClaimParts } from "./claims";
import { KINDS, moveCommand, moveName, useMoving } from "./item_acts";
import { useKeys } from "./keys";
import { useCommands } from "./palette";
import { Address, Cli, Crumbs, Field, Flag, NotThere, Options, Problem, Section, State, Waiting } from "./parts";
import { Icon } from "./icons";
import { send } from "./pin";
import { Prose, type Block } from "./rendered";
import { go, leave, to } from "./route";
import { useRole } from "./session";
import { priority, Progress, WorkFlag } from "./work";
import { age, capital, count } from "./words";

/** What is promoted: work that has not begun. */
const EARLY = ["idea", "planned"];
const CLOSED = ["done", "dropped", "accepted", "deprecated", "superseded", "validated"];

export function ItemPageView({ project, id, edits }: { project: string; id: string; edits: boolean }) {
  const at = useProject();
  const { data, error, reload } = useAsk<ItemPage>(`/items/${encodeURIComponent(id)}/page${query({ project })}`, (event) => event.project === project && beginsOrEnds(event), false, (news) => news.project === project);
  const moving = useMoving(reload);
  const isAuthor = useRole("author", project);
  const moves = isAuthor ? (data?.moves ?? []) : [];
  const closed = !isAuthor || CLOSED.includes(data?.status ?? "");
  const show = () => leave(to("items", project, id));
  const edit = () => data && !closed && go(to("items", project, id, "edit"));
  useKeys({ e: () => void edit(), m: () => data && isAuthor && moving.choose(data), Escape: () => edits && show() });
  const [act, busy, refused] = useAct(reload);
  useCommands(
    "item",
    data
      ? [
          ...(closed ? [] : [{ name: `Edit ${data.id}`, does: () => void edit(), cli: cli`wfe-mcp work edit ${data.id}` }]),
          ...moves.filter((move) => !move.refused).map((move) => ({ name: `${moveName(move, data.status)} ${data.id}`, does: () => moving.move(data, move.to), cli: moveCommand(data, move.to) })),
        ]
      : [],
  );
  if (error && !data) return <NotThere error={error} list="#/items" called="all work items" />;
  if (!data) return <Waiting />;
  const decides = data.kind === "decision";
  const claims = data.kind === "claim";
  const promote = (kind: string) => act(() => send(`/items/${data.id}/promote`, { kind, project }));
  const first = moves.find((move) => move.takes === "run");
  const rest = moves.filter((move) => move !== first);
  const refusal = moves.find((move) => move.refused)?.refused ?? "";
  return (
    <>
      <Crumbs
        items={[
          decides ? { text: "Decisions", to: "#/items/decisions" } : claims ? { text: "Claims", to: "#/items/claims" } : { text: "Work", to: "#/items" },
          ...(at.names.size > 1 ? [at.names.get(project) ?? project] : []),
          ...(data.above ?? []).map((each) => ({ text: `${each.id} ${each.title}`, to: to("items", project, each.id) })),
          data.id,
        ]}
      />
      <header className="runhead">
        <div className="grow" style={{ minWidth: "17rem" }}>
          <h1>{data.title}</h1>
          <p className="turn">
            <State state={data.status} pill>
              {capital(data.status)}
            </State>
            <span className="tag">{data.kind}</span>
            <WorkFlag item={data} />
            {data.reason && !refusal.includes(data.reason) && <span className="soft">{data.reason}</span>}
            {data.gone_from_base && <span className="soft">{capital(data.gone_from_base)}</span>}
          </p>
        </div>
        <span className="row wrap">
          {first && (
            <button type="button" className={`btn ${first.refused ? "" : "solid"}`} disabled={moving.busy} title={first.refused || moveCommand(data, first.to)} onClick={() => moving.move(data, first.to)}>
              <Icon name="play" />
              {moveName(first, data.status)}
            </button>
          )}
          {!closed && !edits && (
            <a className="btn" href={to("items", project, data.id, "edit")} title={cli`wfe-mcp work edit ${data.id}`}>
              <Icon name="edit" />
              Edit
            </a>
          )}
          {rest.map((each) => (
            <button key={each.to} type="button" className="btn" disabled={moving.busy || !!each.refused} title={each.refused || moveCommand(data, each.to)} onClick={() => moving.move(data, each.to)}>
              {moveName(each, data.status)}
            </button>
          ))}
        </span>
      </header>
      <Problem error={moving.error ?? refused} />
      {moving.asks}
      <p className="hidden" role="status">{moving.said}</p>
      {refusal && <p className="note warn">{refusal}</p>}
      {data.overlaps?.map((overlap) => (
        <p key={overlap.run ?? overlap.id} className="note warn">
          <Flag kind="warning">
            <span>
              {overlap.run ? (
                <a href={to("runs", overlap.run)}>run {overlap.run}</a>
              ) : (
                <a href={to("items", project, overlap.id)}>{overlap.id}</a>
              )}{" "}
              {overlap.run ? "has changed" : "is active and touches"} {overlap.scopes.slice(0, 5).join(", ")}: {overlap.title}
            </span>
          </Flag>
        </p>
      ))}
      {edits && !closed ? (
        <EditItem item={data} saved={() => { reload(); show(); }} />
      ) : (
        <fieldset className="runbody" disabled={!isAuthor}>
          <div>
            <section className="panel" aria-label={decides ? "Why" : claims ? "What it means" : "What is to be done"}>
              <header>
                <h2>{decides ? "Why, and what follows from it" : claims ? "What it means" : "What is to be done"}</h2>
              </header>
              <div className="body">{data.text?.length ? <Prose blocks={data.text as unknown as Block[]} /> : <p className="muted">It does not say.</p>}</div>
            </section>
            <ClaimParts item={data} project={project} reload={reload} />
            {!decides && !claims && (
              <Section aria-label="Done when" title="Done when">
                {data.criteria?.length ? (
                  <ul className="panel lines">
                    {data.criteria.map((criterion) => (
                      <li key={criterion}>{criterion}</li>
                    ))}
                  </ul>
                ) : (
                  <p className="soft">
                    {data.kind === "milestone" ? "All items under it are done." : "No criterion yet: it cannot be made ready without one."}
                  </p>
                )}
              </Section>
            )}
            {(data.kind === "milestone" || !!data.parts) && (
              <section className="section" aria-label="Items under it">
                <header>
                  <h2>Items under it</h2>
                  <Progress done={data.done} parts={data.parts} />
                  {data.sequential && <span className="soft">one at a time</span>}
                  <a className="btn slim end" href={`#/items/new${query({ parent: data.id, project })}`}>
                    Add one
                  </a>
                </header>
                <Items items={data.children ?? []} project={project} none="None." />
              </section>
            )}
            <Files item={data.id} project={project} files={data.files ?? []} closed={closed} reload={reload} />
            <History changes={data.history ?? []} added={data.added_at} />
          </div>
          <aside className="panel side" aria-label="About it">
            <div className="body">
              <dl className="kv tight">
                {!decides && (
                  <Fact name="Priority">
                    <span className="num">{priority(data.priority)}</span>
                  </Fact>
                )}
                {at.names.size > 1 && <Fact name="Project">{at.names.get(project)}</Fact>}
                <Fact name="Added">{age(data.added_at)} ago</Fact>
                <Fact name="Changed">{age(data.changed_at ?? "")} ago</Fact>
                {!!data.scopes?.length && <Fact name="Paths"><Codes texts={data.scopes} /></Fact>}
                {!!data.tags?.length && <Fact name="Tags">{data.tags.map((tag) => <span key={tag}><span className="tag">{tag}</span> </span>)}</Fact>}
                {data.source && <Fact name="From">{data.source}</Fact>}
                {!!data.failures && <Fact name="Failures">{count(data.failures, "run")} in a row ended without success</Fact>}
                {data.branch && <Fact name="Branch"><code>{data.branch}</code></Fact>}
                {!!data.commits?.length && <Fact name="Commits"><Codes texts={data.commits.map((commit) => commit.slice(0, 12))} /></Fact>}
                {data.pull_request && <Fact name="Pull request"><Address of={data.pull_request} /></Fact>}
              </dl>
              {!decides && (
                <>
                  {!claims && <div>
                    <h2 className="label">Runs</h2>
                    {data.run_lines?.length ? (
                      <ul className="stack">
                        {data.run_lines.map((line) => (
                          <li key={line.run}>
                            <a href={to("runs", line.run)}>{line.title}</a> <State state={line.state} run />{" "}
                            <span className="muted small" title={line.at}>
                              {line.template}, {age(line.at)} ago
                            </span>
                          </li>
                        ))}
                      </ul>
                    ) : (
                      <p className="soft">No run has worked it yet.</p>
                    )}
                  </div>}
                  <div>
                    <h2 className="label">{claims ? "Follow-ups" : "Needs"}</h2>
                    <Items items={data.needed ?? []} project={project} none={claims ? "None: a falsified claim needs one before it is taken up again." : "Nothing: it waits for no other item."} />
                  </div>
                  {!!data.needed_by?.length && (
                    <div>
                      <h2 className="label">Needed by</h2>
                      <Items items={data.needed_by} project={project} none="" />
                    </div>
                  )}
                </>
              )}
              {!decides && !claims && !closed && !data.parts && data.kind !== "milestone" && (
                <p>
                  <a href={`#/items/new${query({ parent: data.id, project })}`}>Add an item under it</a>
                </p>
              )}
              {!decides && !claims && !closed && (
                <p>
                  <a href={`#/items/new${query({ kind: "claim", parent: data.id, project })}`}>Claim something about it</a>
                </p>
              )}
              {EARLY.includes(data.status) && !decides && (
                <Field label={data.status === "idea" ? "Plan it as" : "Make another kind of it"}>
                  <select value="" disabled={busy} onChange={(event) => event.target.value && promote(event.target.value)}>
                    <option value="">Choose a kind</option>
                    <Options of={KINDS.filter((each) => each !== "decision" && each !== data.kind)} />
                  </select>
                </Field>
              )}
              <Cli text={cli`wfe-mcp ${decides ? "decision" : claims ? "claim" : "work"} show ${data.id}`} />
            </div>
          </aside>
        </fieldset>
      )}
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div style={{ display: "contents" }}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const Codes = ({ texts }: { texts: string[] }) => texts.map((text) => (
  <span key={text}>
    <code>{text}</code>{" "}
  </span>
));

function Items({ items, project, none }: { items: ItemLine[]; project: string; none: string }) {
  if (!items.length) return <p className="soft">{none}</p>;
  return (
    <ul className="panel lines">
      {items.map((item) => (
        <li key={item.id}>
          <span className="grow">
            <a href={to("items", project, item.id)}>{item.title}</a> <span className="muted code">{item.id}</span> <WorkFlag item={item} />
          </span>
          <State state={item.status}>{item.status}</State>
        </li>
      ))}
    </ul>
  );
}

const SHOWN = 12;

/** Every change with who made it and when, newest first; a key marks what a person signed. */
function History({ changes, added }: { changes: ItemChange[]; added: string }) {
  const [all, setAll] = useState(false);
  const newest = [...changes].reverse();
  const shown = all ? newest : newest.slice(0, SHOWN);
  return (
    <section className="section late" aria-label="Changes">
      <header>
        <h2>Changes</h2>
        <span className="soft">
          {count(changes.length, "change")} in {age(added)}
        </span>
      </header>
      <ul className="panel lines">
        {shown.map((each, index) => (
          <li key={index}>
            <span className="grow">
              <Said change={each} isFirst={each === changes[0]} />
            </span>
            {each.signed && (
              <span className="flag state s-passed" title="Signed with the key of a person; wfe-mcp verify checks it">
                <Icon name="key" />
                signed
              </span>
            )}
            <span className="muted">{each.actor}</span>
            <span className="muted num" title={each.at}>{age(each.at)} ago</span>
          </li>
        ))}
      </ul>
      {!all && newest.length > SHOWN && (
        <button type="button" className="btn slim" onClick={() => setAll(true)}>
          Show all {newest.length}
        </button>
      )}
    </section>
  );
}

const LONG = 80;

/** A test, a result or a piece of evidence of a claim, in a few words. */
const told = (each: Record<string, unknown>): string => [each.name ?? each.test ?? each.ref, each.outcome ?? each.type ?? each.reason].filter(Boolean).map(String).join(" ");

function Said({ change, isFirst }: { change: ItemChange; isFirst: boolean }): ReactNode {
  const { status, reason, kind, ...others } = change.values;
  if (isFirst) return `Added as ${status === "idea" && kind === "idea" ? "an" : "a"} ${String(status)} ${String(kind) === String(status) ? "" : String(kind)}`.trim();
  const says = (value: unknown) => {
    const text = Array.isArray(value) ? value.map((each) => (typeof each === "object" ? told(each as Record<string, unknown>) : String(each))).join(", ") : String(value);
    return text.length > LONG ? `${text.slice(0, LONG)}…` : text || "nothing";
  };
  return (
    <>
      {status !== undefined && (
        <>
          became <State state={String(status)}>{String(status)}</State>
        </>
      )}
      {kind !== undefined && ` as a ${String(kind)}`}
      {!!reason && <span className="soft"> {String(reason)}</span>}
      {Object.entries(others)
        .filter(([name]) => name !== "failures")
        .map(([name, value], index) => (
          <span key={name}>
            {(index > 0 || status !== undefined) && "; "}
            {name === "body" ? "description changed" : name === "runs" ? `run ${says((value as string[]).at(-1))}` : `${name}: ${says(value)}`}
          </span>
        ))}
    </>
  );
}
