// One run: what happens now, its phases as graph, list, timeline, log and lineage; what can be done with it.
import { useEffect, useState } from "react";
import { useAct, useAsk, useMoments } from "./api";
import type { ActivityView, GraphView, RunView, TimelineView } from "./api_types";
import { cli } from "./cli";
import { Graph, isTask, stateOf, subline, type GraphNode } from "./graph";
import { Icon } from "./icons";
import { useKeys } from "./keys";
import { useCommands } from "./palette";
import { Ask, Cli, Crumbs, Flag, Gates, NotThere, Problem, Records, Segments, State, Waiting } from "./parts";
import { send } from "./pin";
import { usePromise } from "./promise";
import { go, to } from "./route";
import { Operations } from "./operations";
import { RunInputs } from "./run_inputs";
import { useRole } from "./session";
import { Events, Lineage, Checkpoints } from "./run_history";
import { Stopped } from "./remedies";
import { Side, Writes } from "./run_phase";
import { Timeline } from "./timeline";
import { age, capital, count, folder, isReported, look, money, person, runWord, span, tokens } from "./words";

const TABS = ["Graph", "List", "Timeline", "Events", "Lineage"];

const OVER = ["completed", "cancelled", "failed"];

/** Whether a person is asked for a decision on a phase: a gate that waits for something else, such as trust, has its own line. */
const decidable = (node: GraphNode): boolean => node.state === "awaiting" && node.gates.some((gate) => gate.gate === "approval" && gate.state === "awaiting");

/** Some phases, each a link to where the graph shows it. */
function Places({ run, nodes }: { run: string; nodes: GraphNode[] }) {
  return nodes.slice(0, 3).map((node, index) => (
    <span key={node.phase}>
      {index > 0 && ", "}
      <a href={to("runs", run, "graph", node.phase)}>{node.phase}</a>
    </span>
  ));
}

const WHO: Record<string, string> = { agent: "waiting for the agent", job: "the server works", reviewer: "a reviewer works", none: "" };

export function Run({ run, tab, phase }: { run: string; tab: string; phase: string }) {
  const mine = (event: ActivityView) => event.run === run;
  const id = encodeURIComponent(run);
  const about = useAsk<RunView>(`/runs/${id}`, mine);
  const graph = useAsk<GraphView>(`/runs/${id}/graph`, mine);
  const view = TABS.find((each) => each.toLowerCase() === tab) ?? (window.innerWidth < 720 ? "List" : "Graph");
  const timeline = useAsk<TimelineView>(view === "Timeline" || view === "Graph" || view === "List" ? `/runs/${id}/timeline` : null, mine);
  const [direction, setDirection] = useState<"down" | "right">("down");
  const nodes = graph.data?.nodes ?? [];
  const works = nodes.some((each) => each.state === "running" || each.state === "gating");
  const moment = useMoments();
  useEffect(() => {
    if (!works || !moment) return;
    graph.reload(); // work that goes on writes no event
    timeline.reload();
  }, [moment]); // eslint-disable-line
  const address = (name: string) => to("runs", run, view.toLowerCase(), name);
  const open = (name: string) => go(address(name));
  const show = (name: string) => go(phase ? to("runs", run, name.toLowerCase(), phase) : to("runs", run, name.toLowerCase()));
  const close = () => go(to("runs", run, view.toLowerCase()));
  const state = about.answer?.run_state ?? about.answer?.state ?? "";
  const at = nodes.findIndex((each) => each.phase === phase);
  useKeys({
    j: () => nodes.length && open(nodes[Math.min(nodes.length - 1, at + 1)]?.phase ?? ""),
    k: () => nodes.length && open(nodes[Math.max(0, at - 1)]?.phase ?? ""),
    f: () => show(TABS[(TABS.indexOf(view) + 1) % TABS.length] ?? "Graph"),
    Escape: () => phase && close(),
  });
  if (about.error && !about.data) return <NotThere error={about.error} list="#/runs" called="all runs" />;
  if (!about.data) return <Waiting />;
  const data = about.data;
  const node = nodes.find((each) => each.phase === phase);
  const asked = nodes.filter((each) => decidable(each) || isTask(each)); // the head says these
  const failed = ["blocked", "failed", "waiting", "running"].includes(state) ? nodes.find((each) => each.state === "failed") : undefined;
  return (
    <>
      <Crumbs items={[{ text: "Runs", to: "#/runs" }, folder(data.worktree ?? ""), run]} />
      <Head run={run} state={state} waiting={about.answer?.waiting_on ?? ""} data={data} nodes={nodes} reload={about.reload} />
      <RunInputs run={run} title={data.title ?? ""} />
      <Figures data={data} nodes={nodes} timeline={timeline.data} />
      {failed ? (
        failed.phase !== phase && <Stopped run={run} project={data.project} node={failed} />
      ) : (
        (data.blockers ?? []).length > asked.length && (data.blockers ?? []).map((blocker) => (
          <p key={blocker} className="note warn">
            {blocker}
          </p>
        ))
      )}
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
      <div className={view === "Timeline" && !node ? "runbody whole" : "runbody"}>
        <div>
          <section className="panel" aria-label={view}>
            <header>
              <Segments label="View" names={TABS} now={view} choose={show} />
              {view === "Graph" && (
                <span className="end only-wide">
                  <Segments label="Direction" names={["down", "right"]} now={direction} choose={(name) => setDirection(name as typeof direction)} />
                </span>
              )}
            </header>
            {graph.error && <Problem error={graph.error} />}
            {view === "Graph" && nodes.length > 0 && <Graph nodes={nodes} chosen={phase} choose={open} direction={direction} />}
            {view === "List" && <List nodes={nodes} chosen={phase} address={address} />}
            {view === "Timeline" && timeline.data && <Timeline data={timeline.data} chosen={phase} address={address} />}
            {view === "Events" && <Events run={run} />}
            {view === "Lineage" && <Lineage run={run} />}
          </section>
          {view !== "Timeline" && view !== "Events" && view !== "Lineage" && timeline.data && timeline.data.tasks.length > 0 && (
            <section className="section late" aria-label="Timeline">
              <header>
                <h2>Timeline</h2>
              </header>
              <div className="panel">
                <Timeline data={timeline.data} chosen={phase} address={address} />
              </div>
            </section>
          )}
          <Operations run={run} operations={data.operations ?? []} left={data.undo_left ?? ""} reload={about.reload} />
          <Checkpoints run={run} project={data.project} ended={OVER.includes(state) ? state : ""} reload={() => { about.reload(); graph.reload(); }} />
        </div>
        {node ? <Side key={node.phase} run={run} node={node} data={data} close={close} /> : <Legend run={run} nodes={nodes} open={open} />}
      </div>
    </>
  );
}

function Head({ run, state, waiting, data, nodes, reload }: { run: string; state: string; waiting: string; data: RunView; nodes: GraphNode[]; reload: () => void }) {
  const [act, busy, error] = useAct(reload);
  const [asking, setAsking] = useState(false);
  const control = (action: string, reason = "") => act(() => send(`/runs/${encodeURIComponent(run)}/control`, { action, reason }));
  const over = OVER.includes(state);
  const [steers, decides] = [useRole("author", data.project), useRole("approver", data.project)];
  const paused = state === "paused";
  const auto = data.auto ?? true; // a value that is the default is left out of an answer
  const held = nodes.filter((node) => node.held && !node.parent);
  const follows = usePromise(run, paused ? "resume" : held.length > 0 && !over ? "proceed" : "").leads_to;
  const yours = nodes.filter(decidable);
  const tasks = nodes.filter(isTask);
  const works = nodes.filter((node) => node.state === "running" && node.kind !== "loop" && !node.left);
  const left = nodes.filter((node) => node.left);
  useCommands(
    "run",
    over || !steers
      ? []
      : [
          { name: paused ? "Resume the run" : "Pause the run", does: () => control(paused ? "resume" : "pause"), cli: cli`wfe-mcp ${paused ? "resume" : "pause"} ${run}` },
          { name: auto ? "Switch automatic mode off" : "Switch automatic mode on", does: () => control(auto ? "auto_off" : "auto_on"), cli: cli`wfe-mcp auto ${auto ? "off" : "on"} ${run}` },
          { name: "Cancel the run", does: () => setAsking(true), cli: cli`wfe-mcp cancel ${run}` },
        ],
  );
  return (
    <header className="runhead">
      <div className="grow" style={{ minWidth: "17rem" }}>
        <h1>{data.title || run}</h1>
        <p className="turn">
          <State state={state} pill>
            {capital(runWord(state))}
          </State>
          {data.stuck && <Flag kind="warning">no progress for {age(data.updated_at ?? "")}</Flag>}
          {data.tainted && <State state="weakened" pill>Tainted: a gate was forced</State>}
          {works.length > 0 ? (
            <span>
              Working on <Places run={run} nodes={works} />
            </span>
          ) : left.length > 0 ? (
            <span>
              The worker of <Places run={run} nodes={left} /> is gone; any agent can take it over
            </span>
          ) : (
            !over && yours.length === 0 && tasks.length === 0 && <span>{waiting === "job" && data.waits_for ? `Waiting for ${data.waits_for}` : capital(waiting === "human" ? `waiting for ${person()}` : (WHO[waiting] ?? waiting))}</span>
          )}
          {yours.length > 0 && (
            <span className="s-waiting state">
              <Icon name="waiting" />
              {decides ? (
                <span>
                  You: decide{" "}
                  {yours.map((your, index) => (
                    <span key={your.phase}>
                      {index > 0 && ", "}
                      <a href={to("ask", run, your.phase)}>{your.phase}</a>
                    </span>
                  ))}
                </span>
              ) : (
                <a href="#/inbox">{names(yours)}: for others to decide</a>
              )}
            </span>
          )}
          {data.stuck && waiting === "agent" && <span className="soft then">Tell your agent: Continue with wfe.</span>}
          {follows && <span className="soft then">{follows}</span>}
          {tasks.map((task) => (
            <span key={task.phase} className="s-waiting state">
              <Icon name="waiting" />
              {decides ? (
                <span>
                  You: <a href={to("form", run, task.phase)}>fill in {task.phase}</a>
                </span>
              ) : (
                <a href="#/inbox">{task.phase}: for others to fill in</a>
              )}
            </span>
          ))}
        </p>
        <Problem error={error} />
      </div>
      <span className="row wrap">
        <a className="btn" href={to("compare", run)} title={cli`wfe-mcp compare ${run} OTHER`}>
          Compare…
        </a>
      {!over && steers && (
        <>
          {!paused && held.length > 0 && (
            <button type="button" className="btn solid" disabled={busy} title={cli`wfe-mcp proceed ${run}`} onClick={() => control("proceed")}>
              <Icon name="play" />
              Continue
            </button>
          )}
          <button type="button" className="btn" disabled={busy} title={cli`wfe-mcp ${paused ? "resume" : "pause"} ${run}`} onClick={() => control(paused ? "resume" : "pause")}>
            <Icon name={paused ? "play" : "pause"} />
            {paused ? "Resume" : "Pause"}
          </button>
          <button type="button" className="btn" disabled={busy} aria-pressed={auto} title={cli`wfe-mcp auto ${auto ? "off" : "on"} ${run}`} onClick={() => control(auto ? "auto_off" : "auto_on")}>
            Auto: {auto ? "on" : "off"}
          </button>
          <button type="button" className="btn" disabled={busy} title={cli`wfe-mcp cancel ${run}`} onClick={() => setAsking(true)}>
            <Icon name="stop" />
            Cancel…
          </button>
        </>
      )}
      </span>
      {asking && (
        <Ask title="Cancel this run?" onClose={() => setAsking(false)}>
          <p>Work ends, files stay as they are, and nothing is deleted. You can fork the run later.</p>
          <Cli text={cli`wfe-mcp cancel ${run}`} />
          <form method="dialog" className="row">
            <button className="btn no" onClick={() => control("cancel", "cancelled in the dashboard")}>
              Cancel the run
            </button>
            <button className="btn" data-first>Keep it</button>
          </form>
        </Ask>
      )}
    </header>
  );
}

const names = (nodes: GraphNode[]): string => nodes.map((node) => node.phase).join(", ");

function Figures({ data, nodes, timeline }: { data: RunView; nodes: GraphNode[]; timeline: TimelineView | null }) {
  const top = nodes.filter((node) => !node.parent);
  const done = top.filter((each) => ["completed", "skipped"].includes(each.state)).length;
  const skipped = top.filter((each) => each.state === "skipped").length;
  const usage = data.usage;
  const rows: [string, React.ReactNode][] = [
    ["Template", `${data.template} ${data.version ?? ""}`],
    ["Phases", `${done} of ${top.length} done${skipped ? `, ${skipped} skipped` : ""}`],
    ...(data.iteration > 1 ? [["Iteration", String(data.iteration)] as [string, string]] : []),
    ["Started", data.started_at ? `${age(data.started_at)} ago` : ""],
    ...(timeline ? ([["Time", spent(timeline)]] as [string, string][]) : []),
    ...(usage?.calls
      ? ([
          ["Tokens", `${tokens(usage.input_tokens ?? 0)} in, ${tokens(usage.output_tokens ?? 0)} out`],
          ["Cost", [(usage.cost_usd || !usage.unpriced) && money(usage.cost_usd), usage.unpriced && `${count(usage.unpriced, "call")} not priced`].filter(Boolean).join(" + ")],
        ] as [string, string][])
      : []),
    ...(data.reached ? ([["State", data.reached]] as [string, string][]) : []),
    ...(/^work( item)?$/.test(data.triggered_by ?? "") && data.external_id && data.project ? ([["Works on", <a key="w" href={to("items", data.project, data.external_id)}>{data.external_id}</a>]] as [string, React.ReactNode][]) : []),
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

function spent(timeline: TimelineView): string {
  const total = (what: string) => timeline.tasks.reduce((sum, task) => sum + (task.seconds[what] ?? 0), 0);
  const waited = total("human");
  return `working ${span(total("working"))}, waiting for ${person()} ${span(waited)}`;
}

function List({ nodes, chosen, address }: { nodes: GraphNode[]; chosen: string; address: (phase: string) => string }) {
  const reported = isReported(nodes);
  return (
    <Records says="Phases" heads={["Phase", "State", "Gates", "Needs", ...(reported ? ["Model", "Tokens", "Cost"] : [])]} className={reported ? "records used" : "records"}>
      {nodes.map((node) => (
        <tr key={node.phase} aria-current={node.phase === chosen || undefined}>
          <td>
            <a href={address(node.phase)} style={{ paddingLeft: `${node.parent ? 1 : 0}rem` }}>
              {node.phase}
            </a>
          </td>
          <td data-label="State">
            <State state={stateOf(node)}>{subline(node)}</State> {(node.weakened || node.forced) && <Flag kind="weak">{node.forced ? "forced" : "weakened"}</Flag>}
          </td>
          <td data-label="Gates">
            <Gates gates={node.gates} />
          </td>
          <td data-label="Needs">{node.needs.join(", ")}</td>
          {reported && <Used node={node} />}
        </tr>
      ))}
    </Records>
  );
}

/** What a model took for a phase; empty before it has begun. */
function Used({ node }: { node: GraphNode }) {
  const cell = (name: string, value: string | number | null | undefined, text: string) => (
    <td data-label={name} className={value == null ? "num muted" : "num"}>{value == null && ["pending", "ready"].includes(node.state) ? "" : text}</td>
  );
  return (
    <>
      {cell("Model", node.model, node.model ?? "not reported")}
      {cell("Tokens", node.tokens, tokens(node.tokens))}
      {cell("Cost", node.cost_usd, money(node.cost_usd))}
    </>
  );
}

function Legend({ run, nodes, open }: { run: string; nodes: GraphNode[]; open: (phase: string) => void }) {
  const now = nodes.filter((node) => !["pending", "completed", "skipped", "cancelled", "superseded", "rolled_back"].includes(node.state));
  const shown = now.length ? now : nodes.slice(0, 12);
  return (
    <aside className="panel side" aria-label="Phases at work">
      <header>
        <b>{now.length ? "Now" : "Phases"}</b>
      </header>
      <ul className="plist">
        {shown.slice(0, 14).map((each) => (
          <li key={each.phase}>
            <button type="button" onClick={() => open(each.phase)}>
              <span className={`s-${look(stateOf(each)) === "pending" ? "skipped" : look(stateOf(each))}`}>
                <Icon name={look(stateOf(each))} />
              </span>
              <span>{each.phase}</span>
              <Gates gates={each.gates} />
              <small>{subline(each)}</small>
            </button>
            {each.state === "running" && <Writes run={run} phase={each.phase} />}
          </li>
        ))}
      </ul>
      <div className="body">
        <Cli text={cli`wfe-mcp ${now.length ? "watch" : "show"} ${run}`} />
      </div>
    </aside>
  );
}
