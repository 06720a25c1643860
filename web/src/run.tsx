// One run: what happens now, its phases as graph, list, timeline, log and lineage; what can be done with it.
import { useEffect, useMemo, useRef, useState } from "react";
import { ask, onLive, query, useAct, useAsk, type LiveEvent } from "./api";
import { Graph, subline, type GraphNode } from "./graph";
import { Icon } from "./icons";
import { useKeys } from "./keys";
import { useCommands } from "./palette";
import { send } from "./pin";
import { Ask, Cli, Crumbs, Flag, Gates, Problem, Segments, State, Waiting } from "./parts";
import { Value } from "./rendered";
import { go, to } from "./route";
import { Timeline, type TimelineData } from "./timeline";
import { age, capital, clock, count, folder, look, money, stateWord, tokens } from "./words";

interface RunData {
  template: string;
  version?: string;
  iteration: number;
  title?: string;
  worktree?: string;
  started_at?: string;
  blockers?: string[];
  tainted?: boolean;
  gates_weakened?: string[];
  gates?: { phase?: string; gate: string; what: string; weakens: boolean; key?: string; source?: string }[] | null;
  warnings?: string[];
  unproved?: string[];
  auto?: boolean;
  spent?: string;
  usage?: { calls: number; cost_usd: number; input_tokens?: number; output_tokens?: number; unpriced?: number };
  forked_from?: { run: string; event: number };
  imported?: boolean | object;
  reached?: string;
  phases: { phase: string; state: string; attempt: number; sha256?: string; artifact?: string; holder?: string; reason?: string; tools?: { artifact: string; calls: number }; verdicts?: { gate: string; verdict: string; message?: string; level?: string }[] }[];
}

interface Checkpoint {
  checkpoint: string;
  why: string;
  phase?: string;
  attempt?: number;
  at: string;
  note?: string;
  files?: boolean | null;
}

interface AttemptLine {
  phase: string;
  attempt: number;
  iteration: number;
  state: string;
  is_newest: boolean;
  reason?: string;
  started_at?: string;
  revision?: number;
  sha256?: string;
  artifact?: string;
  restores?: number;
  recovery?: string;
  forced?: boolean;
  feedback?: string[];
}

const TABS = ["Graph", "List", "Timeline", "Events", "Lineage"];
const CHECKPOINTS: Record<string, string> = { start: "Before", completion: "After" };
const OVER = ["completed", "cancelled", "failed"];
const WHO: Record<string, string> = { agent: "the agent works", human: "waiting for you", job: "the server works", reviewer: "a reviewer works", none: "" };

export function Run({ run, tab, phase }: { run: string; tab: string; phase: string }) {
  const mine = (event: LiveEvent) => event.run === run;
  const id = encodeURIComponent(run);
  const about = useAsk<RunData>(`/runs/${id}`, mine);
  const graph = useAsk<{ nodes: GraphNode[] }>(`/runs/${id}/graph`, mine);
  const view = TABS.find((each) => each.toLowerCase() === tab) ?? (window.innerWidth < 720 ? "List" : "Graph");
  const timeline = useAsk<TimelineData>(view === "Timeline" || view === "Graph" || view === "List" ? `/runs/${id}/timeline` : null, mine);
  const [direction, setDirection] = useState<"down" | "right">("down");
  const nodes = graph.data?.nodes ?? [];
  const open = (name: string) => go(to("runs", run, view.toLowerCase(), name));
  const show = (name: string) => go(phase ? to("runs", run, name.toLowerCase(), phase) : to("runs", run, name.toLowerCase()));
  const state = about.answer?.run_state ?? about.answer?.state ?? "";
  const at = nodes.findIndex((each) => each.phase === phase);
  useKeys({
    j: () => nodes.length && open(nodes[Math.min(nodes.length - 1, at + 1)]?.phase ?? ""),
    k: () => nodes.length && open(nodes[Math.max(0, at - 1)]?.phase ?? ""),
    f: () => show(TABS[(TABS.indexOf(view) + 1) % TABS.length] ?? "Graph"),
    Escape: () => phase && show(view),
  });
  if (about.error && !about.data) return <Problem error={about.error} />;
  if (!about.data) return <Waiting />;
  const data = about.data;
  const node = nodes.find((each) => each.phase === phase);
  return (
    <>
      <Crumbs items={[{ text: "Runs", to: "#/runs" }, folder(data.worktree ?? ""), run]} />
      <Head run={run} state={state} waiting={about.answer?.waiting_on ?? ""} data={data} nodes={nodes} reload={about.reload} />
      <Figures data={data} nodes={nodes} timeline={timeline.data} />
      {(data.blockers ?? []).map((each) => (
        <p key={each} className="note warn">
          {each}
        </p>
      ))}
      {[...(data.gates_weakened ?? []).map((each) => `Weakened gate. ${each}`)].map((each) => (
        <p key={each} className="note no">
          <Flag kind="weak">{each}</Flag>
        </p>
      ))}
      {[...(data.warnings ?? []), ...(data.unproved ?? [])].map((each) => (
        <p key={each} className="note warn">
          <Flag kind="warning">{each}</Flag>
        </p>
      ))}
      <div className="runbody">
        <div>
          <section className="panel" aria-label={view}>
            <header>
              <Segments label="View" names={TABS} now={view} choose={show} />
              {view === "Graph" && (
                <span className="end only-wide">
                  <Segments label="Direction" names={["↓", "→"]} now={direction === "down" ? "↓" : "→"} choose={(name) => setDirection(name === "↓" ? "down" : "right")} />
                </span>
              )}
            </header>
            {graph.error && <Problem error={graph.error} />}
            {view === "Graph" && nodes.length > 0 && <Graph nodes={nodes} chosen={phase} choose={open} direction={direction} />}
            {view === "List" && <List nodes={nodes} chosen={phase} choose={open} />}
            {view === "Timeline" && timeline.data && <Timeline data={timeline.data} chosen={phase} choose={open} />}
            {view === "Events" && <Events run={run} />}
            {view === "Lineage" && <Lineage run={run} />}
          </section>
          {view !== "Timeline" && view !== "Events" && view !== "Lineage" && timeline.data && timeline.data.tasks.length > 0 && (
            <section className="section late" aria-label="Timeline">
              <header>
                <h2>Timeline</h2>
              </header>
              <div className="panel">
                <Timeline data={timeline.data} chosen={phase} choose={open} />
              </div>
            </section>
          )}
          <Checkpoints run={run} over={OVER.includes(state)} reload={() => { about.reload(); graph.reload(); }} />
        </div>
        {node ? <Side key={node.phase} run={run} node={node} data={data} close={() => show(view)} /> : <Legend run={run} nodes={nodes} open={open} />}
      </div>
    </>
  );
}

function Head({ run, state, waiting, data, nodes, reload }: { run: string; state: string; waiting: string; data: RunData; nodes: GraphNode[]; reload: () => void }) {
  const [act, busy, error] = useAct();
  const [asking, setAsking] = useState(false);
  const control = (action: string, reason = "") => act(async () => { await send(`/runs/${encodeURIComponent(run)}/control`, { action, reason }); reload(); });
  const over = OVER.includes(state);
  const paused = state === "paused";
  const yours = nodes.filter((each) => each.state === "awaiting");
  const works = nodes.filter((each) => each.state === "running" && each.kind !== "loop");
  useCommands(
    "run",
    over
      ? []
      : [
          { name: paused ? "Continue the run" : "Pause the run", does: () => control(paused ? "resume" : "pause"), cli: `wfe-mcp ${paused ? "resume" : "pause"} ${run}` },
          { name: data.auto ? "Switch automatic mode off" : "Switch automatic mode on", does: () => control(data.auto ? "auto_off" : "auto_on"), cli: `wfe-mcp auto ${data.auto ? "off" : "on"} ${run}` },
          { name: "Cancel the run", does: () => setAsking(true), cli: `wfe-mcp cancel ${run}` },
        ],
  );
  return (
    <header className="runhead">
      <div className="grow" style={{ minWidth: "17rem" }}>
        <h1>{data.title || run}</h1>
        <p className="turn">
          <State state={state} pill>
            {capital(stateWord(state))}
          </State>
          {data.tainted && <State state="weakened" pill>Tainted: a gate was forced</State>}
          {works.length > 0 ? (
            <span>
              Working on{" "}
              {works.slice(0, 3).map((each, index) => (
                <span key={each.phase}>
                  {index > 0 && ", "}
                  <a href={to("runs", run, "graph", each.phase)}>{each.phase}</a>
                </span>
              ))}
            </span>
          ) : (
            !over && yours.length === 0 && <span>{capital(WHO[waiting] ?? waiting)}</span>
          )}
          {yours.length > 0 && (
            <span className="s-waiting state">
              <Icon name="waiting" />
              You: <a href="#/inbox">decide {yours.map((each) => each.phase).join(", ")}</a>
            </span>
          )}
        </p>
        <Problem error={error} />
      </div>
      {!over && (
        <span className="row wrap">
          <button type="button" className="btn" disabled={busy} title={`wfe-mcp ${paused ? "resume" : "pause"} ${run}`} onClick={() => control(paused ? "resume" : "pause")}>
            <Icon name={paused ? "play" : "pause"} />
            {paused ? "Continue" : "Pause"}
          </button>
          <button type="button" className="btn" disabled={busy} aria-pressed={!!data.auto} title={`wfe-mcp auto ${data.auto ? "off" : "on"} ${run}`} onClick={() => control(data.auto ? "auto_off" : "auto_on")}>
            Auto: {data.auto ? "on" : "off"}
          </button>
          <button type="button" className="btn" disabled={busy} title={`wfe-mcp cancel ${run}`} onClick={() => setAsking(true)}>
            <Icon name="stop" />
            Cancel…
          </button>
        </span>
      )}
      {asking && (
        <Ask title="Cancel this run?" onClose={() => setAsking(false)}>
          <p>Work ends, files stay as they are, and nothing is deleted. You can fork the run later.</p>
          <Cli text={`wfe-mcp cancel ${run}`} />
          <form method="dialog" className="row">
            <button className="btn no" onClick={() => control("cancel", "cancelled in the dashboard")}>
              Cancel the run
            </button>
            <button className="btn">Keep it</button>
          </form>
        </Ask>
      )}
    </header>
  );
}

function Figures({ data, nodes, timeline }: { data: RunData; nodes: GraphNode[]; timeline: TimelineData | null }) {
  const top = nodes.filter((each) => !each.parent);
  const done = top.filter((each) => ["completed", "skipped"].includes(each.state)).length;
  const usage = data.usage;
  const rows: [string, React.ReactNode][] = [
    ["Template", `${data.template} ${data.version ?? ""}`],
    ["Phases", `${done} of ${top.length} done`],
    ...(data.iteration > 1 ? [["Iteration", String(data.iteration)] as [string, string]] : []),
    ["Started", data.started_at ? `${age(data.started_at)} ago` : ""],
    ...(timeline ? ([["Time", spent(timeline)]] as [string, string][]) : []),
    ["Tokens", usage?.calls ? `${tokens(usage.input_tokens ?? 0)} in, ${tokens(usage.output_tokens ?? 0)} out` : "not reported"],
    ["Cost", usage?.calls ? `${money(usage.cost_usd)}${usage.unpriced ? ` + ${count(usage.unpriced, "call")} not priced` : ""}` : "not reported"],
    ...(data.reached ? ([["State", data.reached]] as [string, string][]) : []),
    ...(data.forked_from ? [["Forked from", <a key="f" href={to("runs", data.forked_from.run)}>{data.forked_from.run}</a>] as [string, React.ReactNode]] : []),
    [
      "Gates",
      data.gates_weakened?.length ? <Flag key="g" kind="weak">{count(data.gates_weakened.length, "weakened gate")}</Flag> : "as the template asks",
    ],
  ];
  return (
    <dl className="figures">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt> <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function spent(timeline: TimelineData): string {
  const total = (what: string) => timeline.tasks.reduce((sum, task) => sum + (task.seconds[what] ?? 0), 0);
  const waited = total("human");
  const say = (seconds: number) => (seconds < 60 ? `${Math.round(seconds)} s` : seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`);
  return `working ${say(total("working"))}, waiting for you ${say(waited)}`;
}

function List({ nodes, chosen, choose }: { nodes: GraphNode[]; chosen: string; choose: (phase: string) => void }) {
  return (
    <table className="records">
      <caption className="hidden">Phases</caption>
      <thead>
        <tr>
          <th>Phase</th>
          <th>State</th>
          <th>Gates</th>
          <th>Needs</th>
          <th>Model</th>
          <th>Tokens</th>
          <th>Cost</th>
        </tr>
      </thead>
      <tbody>
        {nodes.map((each) => (
          <tr key={each.phase} aria-current={each.phase === chosen || undefined}>
            <td>
              <a
                href={`#${each.phase}`}
                style={{ paddingLeft: `${each.parent ? 1 : 0}rem` }}
                onClick={(event) => {
                  event.preventDefault();
                  choose(each.phase);
                }}
              >
                {each.phase}
              </a>
            </td>
            <td data-label="State">
              <State state={each.state}>{subline(each)}</State> {(each.weakened || each.forced) && <Flag kind="weak">{each.forced ? "forced" : "weakened"}</Flag>}
            </td>
            <td data-label="Gates">
              <Gates gates={each.gates} />
            </td>
            <td data-label="Needs">{each.needs.join(", ")}</td>
            <td data-label="Model">{each.model ?? <span className="muted">not reported</span>}</td>
            <td data-label="Tokens" className={each.tokens == null ? "num muted" : "num"}>{tokens(each.tokens)}</td>
            <td data-label="Cost" className={each.cost_usd == null ? "num muted" : "num"}>{money(each.cost_usd)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const ROW = 32;

/** A log of any length: only the lines in view are in the page. */
export function Log({ events, empty, run = false }: { events: LiveEvent[]; empty: string; run?: boolean }) {
  const [top, setTop] = useState(0);
  const [openLine, setOpenLine] = useState<LiveEvent | null>(null);
  if (!events.length) return <p className="soft" style={{ padding: "0.75rem" }}>{empty}</p>;
  const from = Math.max(0, Math.floor(top / ROW) - 10);
  return (
    <>
      <div className="events" tabIndex={0} role="region" aria-label={`${count(events.length, "event")}, newest first`} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
        <div className="spacer" style={{ height: events.length * ROW }}>
          {events.slice(from, from + 60).map((each, index) => (
            <div key={`${each.run ?? ""}${each.seq}`} className="line" style={{ top: (from + index) * ROW }}>
              <span className="muted num">{run ? each.position : each.seq}</span>
              <time className="muted num" title={each.at}>{clock(each.at)} · {age(each.at)} ago</time>
              <button type="button" className="btn slim bare" style={{ justifyContent: "start" }} onClick={() => setOpenLine(each)}>
                {each.type}
              </button>
              <span>
                {run && (
                  <a href={to("runs", each.run)}>{each.title || each.run}</a>
                )}{" "}
                {String(each.payload?.phase ?? "")} {each.payload?.attempt ? `attempt ${String(each.payload.attempt)}` : ""}
              </span>
              <span className="soft">
                {each.actor} ({each.channel})
              </span>
            </div>
          ))}
        </div>
      </div>
      {openLine && (
        <Ask title={openLine.type} onClose={() => setOpenLine(null)}>
          <p className="soft">
            {openLine.at}, {openLine.actor} ({openLine.channel})
          </p>
          <pre className="block" tabIndex={0} style={{ maxHeight: "50vh", overflow: "auto" }}>{JSON.stringify(openLine.payload, null, 2)}</pre>
          <form method="dialog">
            <button className="btn">Close</button>
          </form>
        </Ask>
      )}
    </>
  );
}

function Events({ run }: { run: string }) {
  const [events, setEvents] = useState<LiveEvent[]>([]);
  const [kind, setKind] = useState("");
  const last = useRef(0);
  useEffect(() => {
    let on = true;
    const more = async () => {
      for (;;) {
        const { data } = await ask<{ events: LiveEvent[] }>(`/runs/${encodeURIComponent(run)}/events${query({ after: last.current, limit: 1000 })}`);
        const fresh = data.events.filter((each) => each.seq > last.current);
        if (!on || !fresh.length) return;
        last.current = fresh[fresh.length - 1]?.seq ?? last.current;
        setEvents((was) => [...was, ...fresh]);
      }
    };
    let reading = Promise.resolve();
    const next = () => (reading = reading.then(more, more).catch(() => undefined));
    void next();
    const off = onLive((heard) => {
      if ("again" in heard || ("event" in heard && heard.event.run === run)) void next();
    });
    return () => {
      on = false;
      off();
    };
  }, [run]);
  const kinds = useMemo(() => [...new Set(events.map((each) => each.type))].sort(), [events]);
  const shown = useMemo(() => events.filter((each) => !kind || each.type === kind).reverse(), [events, kind]);
  return (
    <>
      <div className="filters" style={{ padding: "0 0.75rem" }}>
        <label className="row small soft">
          <span>Kind</span>
          <select value={kind} onChange={(event) => setKind(event.target.value)}>
            <option value="">all {events.length}</option>
            {kinds.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <Cli text={`wfe-mcp log ${run}`} />
      </div>
      <Log events={shown} empty="No events of this kind." />
    </>
  );
}

function Lineage({ run }: { run: string }) {
  const { data, error } = useAsk<{ attempts: AttemptLine[] }>(`/runs/${encodeURIComponent(run)}/attempts`, (event) => event.run === run);
  if (error && !data) return <Problem error={error} />;
  if (!data) return <Waiting />;
  const phases = [...new Set(data.attempts.map((each) => each.phase))];
  return (
    <ul className="lineage">
      {phases.map((phase) => (
        <li key={phase} style={{ padding: "0.5rem 0.75rem", borderBottom: "var(--border)" }}>
          <h2 className="label">{phase}</h2>
          <ol>
            {data.attempts
              .filter((each) => each.phase === phase)
              .map((each) => (
                <li key={each.attempt} className="row wrap small" style={{ padding: "0.25rem 0" }}>
                  <span className="num">Attempt {each.attempt}</span>
                  {each.iteration > 1 && <span className="muted">iteration {each.iteration}</span>}
                  <State state={each.is_newest ? each.state : each.state === "completed" ? "superseded" : each.state} />
                  {each.restores ? <span className="tag">restores attempt {each.restores}</span> : null}
                  {each.recovery && <span className="tag">recovered by {each.recovery}</span>}
                  {each.forced && <Flag kind="weak">forced</Flag>}
                  {each.revision ? (
                    <a href={to("artifact", run, each.phase, each.revision)} onClick={(event) => { event.preventDefault(); go(to("runs", run, "lineage", each.phase)); }}>
                      {each.artifact} revision {each.revision}
                    </a>
                  ) : null}
                  {each.reason && <span className="words soft">{each.reason}</span>}
                  {(each.feedback ?? []).map((text, index) => (
                    <p key={index} className="said words" style={{ flex: "1 0 100%" }}>
                      {text}
                    </p>
                  ))}
                </li>
              ))}
          </ol>
        </li>
      ))}
    </ul>
  );
}

function Checkpoints({ run, over, reload }: { run: string; over: boolean; reload: () => void }) {
  const { data } = useAsk<{ checkpoints: Checkpoint[] }>(`/runs/${encodeURIComponent(run)}/checkpoints`, (event) => event.run === run);
  const [back, setBack] = useState<Checkpoint | null>(null);
  const [files, setFiles] = useState(true);
  const [act, busy, error] = useAct();
  const found = data?.checkpoints ?? [];
  if (!found.length) return null;
  const id = encodeURIComponent(run);
  const roll = (to_: string) => act(async () => { await send(`/runs/${id}/rollback`, { to: to_, files }); reload(); });
  return (
    <section className="section late" aria-label="Checkpoints">
      <header>
        <h2>Checkpoints</h2>
        <span className="soft">A rollback is added to the log; nothing is deleted.</span>
        {!over && (
          <button type="button" className="btn slim end" title={`wfe-mcp undo ${run}`} disabled={busy} onClick={() => act(async () => { await send(`/runs/${id}/undo`, {}); reload(); })}>
            <Icon name="back" />
            Undo the last command
          </button>
        )}
      </header>
      <Problem error={error} />
      <ul className="panel cps">
        {found.slice(0, 12).map((each) => (
          <li key={each.checkpoint}>
            <b>{each.checkpoint}</b>
            <span>
              {CHECKPOINTS[each.why] ?? each.why} {each.phase} {each.note} {each.files === false && <span className="muted">state only</span>}
            </span>
            <time className="muted num" title={each.at}>{age(each.at)} ago</time>
            <span className="row">
              {!over && (
                <button type="button" className="btn slim" title={`wfe-mcp rollback ${run} ${each.checkpoint}`} onClick={() => { setFiles(each.files !== false); setBack(each); }}>
                  <Icon name="back" />
                  Roll back…
                </button>
              )}
              <button type="button" className="btn slim" title={`wfe-mcp start --from ${run}@${each.checkpoint}`} disabled={busy} onClick={() => act(async () => { const made = await send<unknown>(`/runs/${id}/fork`, { at: each.checkpoint }); if (made.run) go(to("runs", made.run)); })}>
                <Icon name="fork" />
                Fork
              </button>
            </span>
          </li>
        ))}
      </ul>
      {back && (
        <Ask title={`Roll back to ${back.checkpoint}?`} onClose={() => setBack(null)}>
          <p>
            Phases after it begin again. Checkpoint: {CHECKPOINTS[back.why] ?? back.why} {back.phase}, {age(back.at)} ago.
          </p>
          <label className="row">
            <input type="checkbox" checked={files} disabled={back.files === false} onChange={(event) => setFiles(event.target.checked)} /> Restore the files too
          </label>
          <Cli text={`wfe-mcp rollback ${run} ${back.checkpoint}${files ? "" : " --no-files"}`} />
          <form method="dialog" className="row">
            <button className="btn solid" onClick={() => roll(back.checkpoint)}>
              Roll back
            </button>
            <button className="btn">Keep the run as it is</button>
          </form>
        </Ask>
      )}
    </section>
  );
}

function Legend({ run, nodes, open }: { run: string; nodes: GraphNode[]; open: (phase: string) => void }) {
  const now = nodes.filter((each) => !["pending", "completed", "skipped"].includes(each.state));
  const shown = now.length ? now : nodes.slice(0, 12);
  return (
    <aside className="panel side" aria-label="Phases at work">
      <header>
        <b>{now.length ? "At work now" : "Phases"}</b>
      </header>
      <ul className="plist">
        {shown.slice(0, 14).map((each) => (
          <li key={each.phase}>
            <button type="button" onClick={() => open(each.phase)}>
              <span className={`s-${look(each.state) === "pending" ? "skipped" : look(each.state)}`}>
                <Icon name={look(each.state)} />
              </span>
              <span>{each.phase}</span>
              <Gates gates={each.gates} />
              <small>{subline(each)}</small>
            </button>
          </li>
        ))}
      </ul>
      <div className="body">
        <Cli text={`wfe-mcp watch ${run}`} />
      </div>
    </aside>
  );
}

interface Call {
  at: string;
  tool: string;
  ok?: boolean | null;
  ms?: number | null;
  input?: unknown;
  output?: unknown;
}

function Side({ run, node, data, close }: { run: string; node: GraphNode; data: RunData; close: () => void }) {
  const id = encodeURIComponent(run);
  const phase = data.phases.find((each) => each.phase === node.phase);
  const [tab, setTab] = useState("Gates");
  const mine = (event: LiveEvent) => event.run === run && (event.payload?.phase === node.phase || event.type.startsWith("Tool"));
  const artifact = useAsk<Record<string, unknown>>(tab === "Artifact" ? `/runs/${id}/artifacts${query({ phase: node.phase })}` : null, mine);
  const evidence = useAsk<{ evidence: { id: string; gate: number; kind: string; stage: string; at: string; facts: unknown; log?: string }[] }>(tab === "Evidence" ? `/runs/${id}/evidence${query({ phase: node.phase })}` : null, mine);
  const calls = useAsk<{ value?: Call[]; content?: Call[] } & Record<string, unknown>>(tab === "Tools" && phase?.tools ? `/runs/${id}/artifacts${query({ phase: node.phase, artifact: phase.tools.artifact })}` : null, mine);
  const lines = useAsk<{ attempts: AttemptLine[] }>(`/runs/${id}/attempts`, mine);
  const mineNow = (lines.data?.attempts ?? []).filter((each) => each.phase === node.phase);
  const told = mineNow[mineNow.length - 1]?.feedback ?? [];
  const [asking, setAsking] = useState<"" | "retry" | "skip">("");
  const [text, setText] = useState("");
  const [role, setRole] = useState("");
  const [act, busy, error] = useAct();
  const quoted = node.phase.includes("[") ? `'${node.phase}'` : node.phase;
  const over = !data.phases.some((each) => each.phase === node.phase && ["failed", "running", "gating", "awaiting", "ready", "pending", "blocked"].includes(each.state));
  const command = node.state === "awaiting" ? `wfe-mcp approve ${run} ${quoted}` : `wfe-mcp show ${run} --phase ${quoted}`;
  return (
    <aside className="panel side" aria-label={`Phase ${node.phase}`}>
      <header>
        <State state={node.state}>{""}</State>
        <b className="code grow">{node.phase}</b>
        <button type="button" className="btn bare icon-only slim" aria-label="Close" onClick={close}>
          <Icon name="x" />
        </button>
      </header>
      <div className="body">
        <dl className="kv tight">
          <dt>State</dt>
          <dd>
            <State state={node.state}>{subline(node)}</State>
          </dd>
          {(node.weakened || node.forced) && (
            <>
              <dt>Integrity</dt>
              <dd>
                <Flag kind="weak">{node.forced ? "accepted without its gates" : "a gate asks for less than the template"}</Flag>
              </dd>
            </>
          )}
          <dt>Works</dt>
          <dd>{phase?.holder || node.role || node.kind}</dd>
          <dt>Needs</dt>
          <dd>{node.needs.join(", ") || "nothing"}</dd>
          <dt>Model</dt>
          <dd>{node.model ?? "not reported"}</dd>
          <dt>Tokens</dt>
          <dd>{tokens(node.tokens)}</dd>
          <dt>Cost</dt>
          <dd>{money(node.cost_usd)}</dd>
        </dl>
        {node.reason && <p className="said words">{node.reason}</p>}
        {told.map((each, index) => (
          <div key={index} className="said">
            <b>Feedback to this attempt</b>
            <p className="words">{each}</p>
          </div>
        ))}
      </div>
      <div className="tabs" role="tablist" aria-label="About the phase">
        {["Gates", "Artifact", "Evidence", "Tools", "Attempts"].map((each) => (
          <button key={each} type="button" role="tab" aria-selected={each === tab} onClick={() => setTab(each)}>
            {each}
            {each === "Attempts" && mineNow.length > 1 ? ` ${mineNow.length}` : ""}
          </button>
        ))}
      </div>
      <div className="body" role="tabpanel" aria-label={tab}>
        {tab === "Gates" &&
          (node.gates.length ? (
            <ul className="stack">
              {node.gates.map((each, index) => {
                const verdict = phase?.verdicts?.find((one) => one.gate === each.gate);
                return (
                  <li key={index}>
                    <Gates gates={[each]} /> <b>{each.gate}</b> {each.state} {each.weakened && <Flag kind="weak">weakened</Flag>} {verdict?.level && <span className="tag">{verdict.level}</span>}
                    {verdict?.message && <p className="words soft small">{verdict.message}</p>}
                  </li>
                );
              })}
            </ul>
          ) : (
            <p className="soft">This phase has no gate: its schema decides.</p>
          ))}
        {tab === "Artifact" && (artifact.error ? <p className="soft">{artifact.error.message}</p> : artifact.data ? <Value value={artifact.data.content ?? artifact.data.value ?? artifact.data} /> : <Waiting />)}
        {tab === "Evidence" &&
          (evidence.data?.evidence.length ? (
            evidence.data.evidence.map((each) => (
              <details key={each.id}>
                <summary className="fold row">
                  <b>{each.kind}</b> <span className="muted">{age(each.at)} ago</span>
                </summary>
                <Value value={each.facts} />
              </details>
            ))
          ) : (
            <p className="soft">No gate has run here yet. Evidence is what the server runs itself.</p>
          ))}
        {tab === "Tools" &&
          (calls.data ? (
            <ol className="calls">
              {(calls.data.value ?? calls.data.content ?? []).map((each, index) => (
                <li key={index}>
                  <details>
                    <summary className="call">
                      <time>{clock(each.at)}</time>
                      <span className={each.ok === false ? "s-failed" : each.ok ? "s-passed" : "s-running"}>
                        <Icon name={each.ok === false ? "failed" : each.ok ? "passed" : "running"} />
                      </span>
                      <span className="what">
                        <b>{each.tool}</b> {JSON.stringify(each.input ?? "")}
                      </span>
                      <span className="took">{each.ms == null ? "" : `${each.ms} ms`}</span>
                    </summary>
                    <pre className="block">{typeof each.output === "string" ? each.output : JSON.stringify(each.output, null, 2)}</pre>
                  </details>
                </li>
              ))}
            </ol>
          ) : (
            <p className="soft">No tool calls are reported. Calls of your own client stay in that client.</p>
          ))}
        {tab === "Attempts" && (
          <ol className="stack">
            {mineNow.map((each) => (
              <li key={each.attempt}>
                <b>Attempt {each.attempt}</b> <State state={each.state} /> {each.sha256 && <code>{each.sha256}</code>}
                {each.reason && <p className="words soft small">{each.reason}</p>}
              </li>
            ))}
          </ol>
        )}
      </div>
      <div className="body stack">
        <Problem error={error} />
        {!over && (
          <p className="row wrap">
            {node.state === "awaiting" && (
              <a className="btn solid" href="#/inbox" title={command}>
                Decide
              </a>
            )}
            <button type="button" className="btn slim" disabled={busy} title={`wfe-mcp retry ${run} ${quoted}`} onClick={() => setAsking("retry")}>
              Retry…
            </button>
            <button type="button" className="btn slim" disabled={busy} title={`wfe-mcp skip ${run} ${quoted}`} onClick={() => setAsking("skip")}>
              Skip…
            </button>
          </p>
        )}
        <Cli text={command} />
      </div>
      {asking && (
        <Ask title={asking === "retry" ? `Retry ${node.phase}` : `Skip ${node.phase}`} onClose={() => setAsking("")}>
          <label className="field">
            <span>{asking === "retry" ? "Feedback to the next attempt" : "Reason"}</span>
            <textarea rows={3} value={text} onChange={(event) => setText(event.target.value)} />
          </label>
          {asking === "retry" && (
            <label className="field">
              <span>
                Role <span className="hint">another model; empty keeps the present one</span>
              </span>
              <input type="text" value={role} onChange={(event) => setRole(event.target.value)} />
            </label>
          )}
          <Cli text={asking === "retry" ? `wfe-mcp retry ${run} ${quoted}${role ? ` --role ${role}` : ""}` : `wfe-mcp skip ${run} ${quoted} --reason "${text}"`} />
          <form method="dialog" className="row">
            <button
              className="btn solid"
              onClick={() =>
                act(async () => {
                  if (asking === "retry") await send(`/runs/${id}/retry_phase`, { phase: node.phase, role, feedback: text });
                  else await send(`/runs/${id}/skip_phase`, { phase: node.phase, reason: text });
                })
              }
            >
              {asking === "retry" ? "Retry" : "Skip"}
            </button>
            <button className="btn">Back</button>
          </form>
        </Ask>
      )}
    </aside>
  );
}
