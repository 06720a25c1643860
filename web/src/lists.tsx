// Runs, queue, activity, projects and search: lists with filters, each with the command that shows the same.
import { useEffect, useMemo, useRef, useState } from "react";
import { ask, onLive, query, useAct, useAsk, type LiveEvent } from "./api";
import { useKeys } from "./keys";
import { Cli, Empty, Flag, Problem, Segments, State, Waiting } from "./parts";
import { go, to } from "./route";
import { Log } from "./run_history";
import { age, count, folder, span, stateWord } from "./words";

export interface RunRow {
  run: string;
  title: string;
  template: string;
  state: string;
  iteration: number;
  tainted?: boolean;
  started_at: string;
  updated_at: string;
  waiting_on?: string;
  stale?: boolean;
  stuck?: boolean;
  imported?: boolean;
}

const WAITS: Record<string, string> = { human: "you", agent: "the agent", job: "the server", reviewer: "a reviewer", none: "" };

export function Runs({ query: given }: { query: URLSearchParams }) {
  const [status, setStatus] = useState(given.get("status") ?? "");
  const [at, setAt] = useState(0);
  const { data, error } = useAsk<{ runs: RunRow[]; cursor?: string }>(`/runs${query({ status: status || null, limit: 100 })}`);
  const rows = data?.runs ?? [];
  const open = (row?: RunRow) => row && go(to("runs", row.run));
  useKeys({
    j: () => setAt(Math.min(rows.length - 1, at + 1)),
    k: () => setAt(Math.max(0, at - 1)),
    o: () => open(rows[at]),
    Enter: document.activeElement instanceof HTMLAnchorElement || document.activeElement instanceof HTMLButtonElement ? undefined : () => open(rows[at]),
  });
  return (
    <>
      <header className="row wrap">
        <h1>Runs</h1>
        <span className="muted">{data ? count(rows.length, "run") : ""}</span>
        <a className="btn solid end" href="#/start" title="wfe-mcp start TEMPLATE">
          Start a run
        </a>
      </header>
      <div className="filters">
        <Segments label="State" names={["all", "running", "waiting", "paused", "blocked", "failed", "completed"]} now={status || "all"} choose={(name) => setStatus(name === "all" ? "" : name)} />
        <span className="end">
          <Cli text={`wfe-mcp list${status ? ` --status ${status}` : ""}`} />
        </span>
      </div>
      <Problem error={error} />
      {!data && !error && <Waiting />}
      {data && !rows.length && (
        <Empty
          title={status ? `No run is ${stateWord(status)}` : "No run yet"}
          steps={[
            { say: "Start one here, or let your agent start it.", cli: "wfe-mcp start" },
            { say: "See a run played in a scratch folder.", cli: "wfe-mcp demo" },
          ]}
        >
          A run is one piece of work: the phases of a template, with what the agent hands in and what the gates say of it.
        </Empty>
      )}
      {rows.length > 0 && (
        <table className="records panel">
          <caption className="hidden">Runs, newest first</caption>
          <thead>
            <tr>
              <th>Run</th>
              <th>State</th>
              <th>Waits for</th>
              <th>Template</th>
              <th>Started</th>
              <th>Last change</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((each, index) => (
              <tr key={each.run} aria-current={index === at ? "true" : undefined}>
                <td>
                  <a href={to("runs", each.run)} onFocus={() => setAt(index)}>
                    {each.title}
                  </a>{" "}
                  <span className="muted code">{each.run}</span> {each.tainted && <Flag kind="weak">tainted</Flag>} {each.stuck && <Flag kind="warning">stuck</Flag>}{" "}
                  {each.stale && <span className="tag">stale</span>} {each.imported && <span className="tag">imported</span>}
                </td>
                <td data-label="State">
                  <State state={each.state} />
                </td>
                <td data-label="Waits for">{WAITS[each.waiting_on ?? ""] ?? each.waiting_on}</td>
                <td data-label="Template">{each.template}</td>
                <td data-label="Started" className="num" title={each.started_at}>{age(each.started_at)} ago</td>
                <td data-label="Last change" className="num" title={each.updated_at}>{age(each.updated_at)} ago</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

interface Job {
  job: string;
  queue: string;
  kind: string;
  state: string;
  priority: string;
  created_at: string;
  run?: string | null;
  phase?: string | null;
  position?: number | null;
  estimate_s?: number | null;
  run_at?: string;
  error?: string;
  cancelling?: boolean;
}

export function Queue() {
  const { data, error, reload } = useAsk<{ jobs: Job[]; queues: { queue: string; waiting: number; running: number; average_wait_s?: number | null; average_run_s?: number | null }[] }>("/queue?limit=200");
  const [act, busy, refused] = useAct();
  useEffect(() => {
    const timer = setInterval(reload, 3000); // a job that only runs writes no event
    return () => clearInterval(timer);
  }, [reload]);
  return (
    <>
      <header className="row wrap">
        <h1>Queue</h1>
        <span className="muted">what the server works on</span>
        <span className="end">
          <Cli text="wfe-mcp jobs list" />
        </span>
      </header>
      <Problem error={error ?? refused} />
      {!data && !error && <Waiting />}
      {data && (
        <>
          <dl className="figures" style={{ marginTop: "0.75rem" }}>
            {data.queues.map((each) => (
              <div key={each.queue}>
                <dt>{each.queue}</dt>{" "}
                <dd>
                  {each.running} running, {each.waiting} waiting{each.average_run_s ? `, ${span(each.average_run_s)} each` : ""}
                </dd>
              </div>
            ))}
          </dl>
          {!data.jobs.length && (
            <Empty title="No job yet" steps={[{ say: "A worker keeps working when no client is open.", cli: "wfe-mcp worker" }]}>
              Checks, reviews and models that work a phase appear here, with their place in the queue.
            </Empty>
          )}
          {data.jobs.length > 0 && (
            <table className="records panel">
              <caption className="hidden">Jobs, newest first</caption>
              <thead>
                <tr>
                  <th>Job</th>
                  <th>State</th>
                  <th>For</th>
                  <th>Priority</th>
                  <th>Made</th>
                  <th>
                    <span className="hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {data.jobs.map((each) => (
                  <tr key={each.job}>
                    <td>
                      <b>{each.kind}</b> <span className="muted code">{each.job}</span>
                    </td>
                    <td data-label="State">
                      <State state={each.state === "done" ? "completed" : each.state === "queued" ? "pending" : each.state}>{each.state}</State>
                      {each.position ? ` place ${each.position}` : ""}
                      {each.estimate_s ? `, in about ${span(each.estimate_s)}` : ""}
                      {each.run_at ? `, not before ${each.run_at}` : ""} {each.error && <p className="s-failed words small">{each.error}</p>}
                    </td>
                    <td data-label="For">
                      {each.run ? (
                        <a href={to("runs", each.run, "graph", each.phase ?? "")}>
                          {each.run} {each.phase}
                        </a>
                      ) : (
                        ""
                      )}
                    </td>
                    <td data-label="Priority">{each.priority}</td>
                    <td data-label="Made" className="num">{age(each.created_at)} ago</td>
                    <td>
                      {["queued", "running"].includes(each.state) && (
                        <button type="button" className="btn slim" disabled={busy || each.cancelling} title={`wfe-mcp jobs cancel ${each.job}`} onClick={() => act(async () => { await ask(`/queue/${encodeURIComponent(each.job)}/cancel`, { reason: "cancelled in the dashboard" }); reload(); })}>
                          Cancel
                        </button>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </>
      )}
    </>
  );
}

const PAGE = 500;

export function Activity({ query: given }: { query: URLSearchParams }) {
  const [events, setEvents] = useState<LiveEvent[]>([]);
  const [kind, setKind] = useState(given.get("type") ?? "");
  const [actor, setActor] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const [whole, setWhole] = useState(false);
  const first = useRef(0);
  const older = async () => {
    const { data } = await ask<{ events: LiveEvent[]; last: number }>(`/activity${query({ limit: PAGE, before: first.current || null })}`);
    first.current = data.last ?? 0;
    if (data.events.length < PAGE) setWhole(true);
    setEvents((was) => [...was, ...data.events.filter((each) => !was.some((one) => one.position === each.position))]);
  };
  useEffect(() => {
    older().catch(setError);
    return onLive((heard) => {
      if ("event" in heard) setEvents((was) => (was.some((one) => one.position === heard.event.position) ? was : [heard.event, ...was]));
    }) as () => void;
  }, []); // eslint-disable-line
  const kinds = useMemo(() => [...new Set(events.map((each) => each.type))].sort(), [events]);
  const actors = useMemo(() => [...new Set(events.map((each) => each.actor))].sort(), [events]);
  const shown = events.filter((each) => (!kind || each.type === kind) && (!actor || each.actor === actor));
  const save = () => {
    const lines = shown.map((each) => JSON.stringify(each)).join("\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines + "\n"], { type: "application/jsonl" }));
    link.download = "activity.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <>
      <header className="row wrap">
        <h1>Activity</h1>
        <span className="muted">every event of every run, newest first</span>
      </header>
      {error && <p className="note no">{error.message}</p>}
      <div className="filters">
        <label className="row small soft">
          <span>Kind</span>
          <select value={kind} onChange={(event) => setKind(event.target.value)}>
            <option value="">all</option>
            {kinds.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <label className="row small soft">
          <span>Who</span>
          <select value={actor} onChange={(event) => setActor(event.target.value)}>
            <option value="">everybody</option>
            {actors.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <button type="button" className="btn slim end" onClick={save}>
          Export {shown.length} as JSON lines
        </button>
      </div>
      <div className="panel">
        <Log events={shown} empty="Nothing has happened yet. Start a run: what it does appears here at once." run />
      </div>
      {!whole && events.length > 0 && (
        <p style={{ marginTop: "0.75rem" }}>
          <button type="button" className="btn slim" onClick={() => void older().catch(setError)}>
            Show older events
          </button>
        </p>
      )}
    </>
  );
}

interface ProjectData {
  project: string;
  root: string;
  created_at: string;
  default_template?: string;
  templates: { name: string; title: string; version: string; default?: boolean; state?: string; description?: string }[];
  checks: { check: string; argv: string[]; where: string }[];
  roles: { role: string; provider: string; model?: string }[];
  runs: RunRow[];
}

export function Projects({ id }: { id: string }) {
  const { data, error } = useAsk<{ projects: { project: string; root: string; created_at: string }[] }>(id ? null : "/projects");
  if (id) return <Project id={id} />;
  return (
    <>
      <header className="row wrap">
        <h1>Projects</h1>
        <span className="end">
          <Cli text="wfe-mcp init" />
        </span>
      </header>
      <Problem error={error} />
      {!data && !error && <Waiting />}
      {data && (
        <ul className="panel plist" style={{ marginTop: "0.75rem" }}>
          {data.projects.map((each) => (
            <li key={each.project}>
              <a href={to("projects", each.project)}>
                <span />
                <b>{folder(each.root)}</b>
                <span className="muted">since {each.created_at.slice(0, 10)}</span>
                <small>{each.root}</small>
              </a>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Project({ id }: { id: string }) {
  const { data, error } = useAsk<ProjectData>(`/projects/${encodeURIComponent(id)}`);
  if (error && !data) return <Problem error={error} />;
  if (!data) return <Waiting />;
  return (
    <>
      <header className="stack">
        <h1>{folder(data.root)}</h1>
        <p className="soft code">{data.root}</p>
      </header>
      <section className="section">
        <header>
          <h2>Open runs</h2>
        </header>
        {data.runs.length ? (
          <ul className="panel plist">
            {data.runs.map((each) => (
              <li key={each.run}>
                <a href={to("runs", each.run)}>
                  <span />
                  <span>{each.title}</span>
                  <State state={each.state} />
                  <small>{each.template}, {age(each.updated_at)} ago</small>
                </a>
              </li>
            ))}
          </ul>
        ) : (
          <p className="soft">None. <a href="#/start">Start one.</a></p>
        )}
      </section>
      <section className="section">
        <header>
          <h2>Checks</h2>
        </header>
        {data.checks.length ? (
          <dl className="kv panel body" style={{ padding: "0.75rem" }}>
            {data.checks.map((each) => (
              <div key={each.check} style={{ display: "contents" }}>
                <dt>{each.check}</dt>
                <dd>
                  <code>{each.argv.join(" ")}</code> <span className="tag">{each.where}</span>
                </dd>
              </div>
            ))}
          </dl>
        ) : (
          <p className="soft">No check is configured: gates of the kind command cannot run. Next: <code>wfe-mcp init</code></p>
        )}
      </section>
      <section className="section">
        <header>
          <h2>Templates</h2>
          <span className="soft">the default is {data.default_template || "not set"}</span>
        </header>
        <ul className="panel plist">
          {data.templates.map((each) => (
            <li key={each.name}>
              <a href={to("templates", each.name)}>
                <span />
                <b>{each.name}</b>
                <span className="muted">{each.version}</span>
                <small>{each.title}</small>
              </a>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}

interface Hit {
  kind: string;
  run?: string;
  phase?: string;
  title?: string;
  at: string;
  text?: string;
  open?: string;
}

export function Search({ text }: { text: string }) {
  const [typed, setTyped] = useState(text);
  const [kind, setKind] = useState("all");
  const { data, error } = useAsk<{ hits: Hit[] }>(text ? `/search${query({ query: text, kind: kind === "all" ? null : kind, limit: 50 })}` : null, () => false);
  return (
    <>
      <h1>Search</h1>
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          go(`#/search?q=${encodeURIComponent(typed)}`);
        }}
      >
        <input type="text" aria-label="Words to search for" style={{ maxWidth: "30rem" }} value={typed} onChange={(event) => setTyped(event.target.value)} />
        <button className="btn solid">Search</button>
        <Segments label="Kind" names={["all", "run", "artifact", "event", "decision", "finding"]} now={kind} choose={setKind} />
      </form>
      <Problem error={error} />
      {data && !data.hits.length && <p className="soft">Nothing found. Try fewer words: every one of them must occur.</p>}
      {data && data.hits.length > 0 && (
        <ul className="panel plist">
          {data.hits.map((each, index) => (
            <li key={index}>
              <a href={each.run ? to("runs", each.run, "graph", each.phase ?? "") : "#/search"}>
                <span />
                <span>
                  <span className="tag">{each.kind}</span> {each.title || each.run} {each.phase}
                </span>
                <span className="muted num">{age(each.at)} ago</span>
                <small className="words">{each.text}</small>
              </a>
            </li>
          ))}
        </ul>
      )}
      <p style={{ marginTop: "0.75rem" }}>
        <Cli text={`wfe-mcp find ${text ? JSON.stringify(text) : "WORDS"}`} />
      </p>
    </>
  );
}
