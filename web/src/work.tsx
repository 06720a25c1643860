// The work items of a project or of all: a list by priority, the decisions about the architecture, and what is ready next.
import type { ReactNode } from "react";
import { query, useAsk } from "./api";
import type { Backlog, ItemLine } from "./api_types";
import { cli } from "./cli";
import { ProjectChoice, useProject, type InProject } from "./in_project";
import { DECIDED, KINDS, moveName, STATUSES, useMoving } from "./item_acts";
import { useLines } from "./keys";
import { Choose, Cli, Empty, Flag, Problem, Records, State, Waiting } from "./parts";
import { to, useKept } from "./route";
import { useRoleSomewhere } from "./session";
import { age, count } from "./words";

const WORDS: Record<number, string> = { 10: "critical", 8: "high", 5: "normal", 3: "low" };

/** 8 (high). */
export const priority = (number: number): string => (WORDS[number] ? `${number} ${WORDS[number]}` : String(number));

export const itemPage = (item: { project: string; id: string }): string => to("items", item.project, item.id);

/** Kinds but decisions, which have a list of their own. */
export const WORKED = KINDS.filter((kind) => kind !== "decision");

/** The items that fit, asked for again when one of the project changes. */
export function useBacklog(at: InProject, given: { kind?: string[]; status?: string[]; text?: string; order?: string; limit?: number } | null) {
  const { kind = [], status = [], ...rest } = given ?? {};
  const path = `/backlog${query({ ...rest, project: at.id })}`;
  const lists = [...kind.map((each) => ["kind", each]), ...status.map((each) => ["status", each])];
  const more = lists.length ? `${path.includes("?") ? "&" : "?"}${new URLSearchParams(lists)}` : "";
  return useAsk<Backlog>(given && path + more, () => false, false, (news) => !at.id || news.project === at.id);
}

/** The views of work, and what adds an item. */
export function WorkHead({ now, about, children }: { now: "list" | "board" | "decisions" | "claims"; about: string; children?: ReactNode }) {
  const views: [name: string, href: string][] = [["list", "#/items"], ["board", "#/items/board"], ["decisions", "#/items/decisions"], ["claims", "#/items/claims"]];
  const isAuthor = useRoleSomewhere("author");
  const kind = now === "decisions" ? "decision" : now === "claims" ? "claim" : "work";
  return (
    <header className="row wrap views">
      <h1>{now === "decisions" ? "Decisions" : now === "claims" ? "Claims" : "Work"}</h1>
      <span className="muted">{about}</span>
      <nav className="seg end" aria-label="View">
        {views.map(([name, href]) => (
          <a key={name} href={href} aria-current={name === now ? "page" : undefined}>
            {name}
          </a>
        ))}
      </nav>
      {children}
      {isAuthor && ["list", "board"].includes(now) && (
        <a className="btn" href="#/items/import" title={cli`wfe-mcp work import FILE`}>
          Import…
        </a>
      )}
      {isAuthor && <a className="btn solid" href={`#/items/new${kind === "work" ? "" : `?kind=${kind}`}`} title={cli`wfe-mcp ${kind} add TITLE`}>
        {kind === "decision" ? "Propose a decision" : kind === "claim" ? "Add a claim" : "Add an item"}
      </a>}
    </header>
  );
}

/** What the run of its milestone does with an item, else what it waits for. */
export function WorkFlag({ item }: { item: ItemLine }) {
  if (item.in_work)
    return (
      <Flag kind={item.stopped ? "warning" : "running"}>
        <span>
          {item.stopped ? "stopped in " : "in work by "}<a href={to("runs", item.in_work)}>run {item.in_work}</a>
          {item.stopped && `: ${item.stopped}`}
        </span>
      </Flag>
    );
  return item.waits_for?.length ? <Flag kind="skipped">waits for {item.waits_for.join(", ")}</Flag> : null;
}

/** The same, and what touches the same paths. */
export function ItemFlags({ item }: { item: ItemLine & { overlaps?: string[] } }) {
  return (
    <>
      <WorkFlag item={item} />
      {!!item.overlaps?.length && <Flag kind="warning">same files as {item.overlaps.join(", ")}</Flag>}
    </>
  );
}

/** How much of what is under it is over. */
export function Progress({ done = 0, parts = 0 }: { done?: number; parts?: number }) {
  if (!parts) return null;
  return (
    <span className="row small">
      <progress max={parts} value={done} aria-label="Progress" />
      <span className="num">
        {done} of {parts}
      </span>
    </span>
  );
}

const MOST = 200;

export function WorkList({ query: given }: { query: URLSearchParams }) {
  const [status, setStatus] = useKept("status", given.get("status") ?? "");
  const [kind, setKind] = useKept("kind", given.get("kind") ?? "");
  const [text, setText] = useKept("text", "");
  const [limit, setLimit] = useKept("limit", MOST);
  const shown = useProject();
  const statuses = status === "all" ? STATUSES : status ? [status] : [];
  const { data, error, reload } = useBacklog(shown, { kind: kind ? [kind] : WORKED, status: statuses, text, limit });
  const moving = useMoving(reload);
  const rows = data?.items ?? [];
  const [at, setAt] = useLines(rows, itemPage, { m: moving.choose });
  const filtered = !!(status || kind || text);
  return (
    <>
      <WorkHead now="list" about={data ? `${count(data.count, "item")}${status ? "" : " to do"}, highest priority first` : ""} />
      <div className="filters">
        <input type="search" aria-label="Words that an item has" placeholder="Filter by words" style={{ width: "14rem" }} value={text} onChange={(event) => setText(event.target.value)} />
        <Choose label="Status" all="to do" names={["all", ...STATUSES]} now={status} choose={setStatus} />
        <Choose label="Kind" all="any" names={WORKED} now={kind} choose={setKind} />
        <ProjectChoice at={shown} />
        <span className="end">
          <Cli text={cli`wfe-mcp work list ${kind ? ["--kind", kind] : []} ${status ? ["--status", status] : []}`} />
        </span>
      </div>
      <Problem error={error ?? moving.error} />
      {moving.asks}
      <p className="hidden" role="status">{moving.said}</p>
      {!data && !error && <Waiting />}
      {data && !rows.length && (
        <Empty
          title={filtered ? "No item fits" : "Nothing to do yet"}
          steps={[
            { say: "Add one here, or let your agent add it.", cli: "wfe-mcp work add TITLE" },
            { say: "See what can be started now.", cli: "wfe-mcp work next" },
          ]}
        >
          {filtered ? "Take a filter off to see more." : "Work items are what there is to do: tasks, bugs, requirements, ideas. An item says when it is done, and a run works it."}
        </Empty>
      )}
      {rows.length > 0 && (
        <Records says="Work items, highest priority first" heads={["Item", shown.many && "Project", "Kind", "Status", "Priority", "Progress", "Last change"]} className="records panel work">
          {rows.map((row, index) => (
            <tr key={`${row.project} ${row.id}`} aria-current={index === at ? "true" : undefined}>
              <td>
                <a href={itemPage(row)} onFocus={() => setAt(index)}>
                  {row.title}
                </a>{" "}
                <span className="muted code nowrap">{row.id}</span> <ItemFlags item={row} />
              </td>
              {shown.many && <td data-label="Project">{shown.names.get(row.project)}</td>}
              <td data-label="Kind">{row.kind}</td>
              <td data-label="Status">
                <State state={row.status}>{row.status}</State>
              </td>
              <td data-label="Priority" className="num">{priority(row.priority)}</td>
              <td data-label={row.parts ? "Progress" : undefined}>
                <Progress done={row.done} parts={row.parts} />
              </td>
              <td data-label="Last change" className="num" title={row.changed_at}>{age(row.changed_at ?? "")} ago</td>
            </tr>
          ))}
        </Records>
      )}
      {data && data.count > rows.length && (
        <p className="row" style={{ marginTop: "0.75rem" }}>
          <span className="soft">
            {rows.length} of {data.count.toLocaleString("en")} are shown.
          </span>
          {limit < 1000 && (
            <button type="button" className="btn slim" onClick={() => setLimit(1000)}>
              Show more
            </button>
          )}
        </p>
      )}
      {rows.length > 0 && (
        <p className="keybar">
          <span><kbd>j</kbd> / <kbd>k</kbd> move</span>
          <span><kbd>Enter</kbd> open</span>
          <span><kbd>m</kbd> give it another status</span>
          <span><kbd>?</kbd> all keys</span>
        </p>
      )}
    </>
  );
}

export function WorkDecisions() {
  const [status, setStatus] = useKept("status", "");
  const shown = useProject();
  const { data, error, reload } = useBacklog(shown, { kind: ["decision"], status: status === "all" ? DECIDED : status ? [status] : [], order: "newest" });
  const moving = useMoving(reload);
  const rows = data?.items ?? [];
  const [at, setAt] = useLines(rows, itemPage, { m: moving.choose });
  return (
    <>
      <WorkHead now="decisions" about="about the architecture; every prompt repeats those that are accepted" />
      <div className="filters">
        <Choose label="Status" all="proposed and accepted" names={["all", ...DECIDED]} now={status} choose={setStatus} />
        <ProjectChoice at={shown} />
        <span className="end">
          <Cli text={cli`wfe-mcp decision list ${status ? ["--status", status] : []}`} />
        </span>
      </div>
      <Problem error={error ?? moving.error} />
      {moving.asks}
      <p className="hidden" role="status">{moving.said}</p>
      {!data && !error && <Waiting />}
      {data && !rows.length && (
        <Empty title={status ? `No decision is ${status}` : "No decision yet"} steps={[{ say: "Propose one; anyone may.", cli: "wfe-mcp decision add TITLE" }]}>
          Anyone proposes a decision, you accept it with your PIN. From then on the prompts of runs have it.
        </Empty>
      )}
      {rows.length > 0 && (
        <ul className="panel lines decided" aria-label="Decisions">
          {rows.map((row, index) => (
            <li key={`${row.project} ${row.id}`} aria-current={index === at ? "true" : undefined}>
              <span className="grow">
                <a href={itemPage(row)} onFocus={() => setAt(index)}>
                  <b>{row.title}</b>
                </a>{" "}
                <span className="muted code">{row.id}</span> {shown.many && <span className="muted">{shown.names.get(row.project)}</span>}
              </span>
              <State state={row.status}>{row.status}</State>
              <span className="muted num" title={row.changed_at}>{age(row.changed_at ?? "")} ago</span>
              <span className="row">
                {(row.moves ?? []).map((move) => (
                  <button key={move.to} type="button" className="btn slim" disabled={moving.busy} aria-label={`${moveName(move, row.status)} ${row.id}`} onClick={() => moving.move(row, move.to)}>
                    {moveName(move, row.status)}
                  </button>
                ))}
              </span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

const NEXT = 3;

/** The items that can be started now, the highest priority first; nothing where none can. */
export function ReadyNext({ at }: { at: InProject }) {
  const { data, reload } = useBacklog(at, { status: ["ready"], limit: 50 });
  const moving = useMoving(reload);
  const free = (data?.items ?? []).filter((item) => item.moves?.some((move) => move.to === "active" && !move.refused) && !item.waits_for?.length);
  if (!free.length) return null;
  return (
    <section className="section news" aria-label="Ready next">
      <header>
        <h2>Ready next</h2>
        <span className="soft">{count(free.length, "work item")} can be started now</span>
        <a className="end" href="#/items?status=ready">
          Show all
        </a>
      </header>
      <Problem error={moving.error} />
      <ul className="panel">
        {free.slice(0, NEXT).map((each) => (
          <li key={`${each.project} ${each.id}`}>
            <a href={itemPage(each)}>{each.title}</a>
            <span className="soft">{[each.id, each.kind, `priority ${priority(each.priority)}`, at.many ? at.names.get(each.project) : ""].filter(Boolean).join(", ")}</span>
            <button type="button" className="btn slim" aria-label={`Start a run for ${each.id}`} onClick={() => moving.move(each, "active")}>
              Start…
            </button>
          </li>
        ))}
      </ul>
      {moving.asks}
    </section>
  );
}
