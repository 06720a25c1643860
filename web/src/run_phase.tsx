// One phase of a run, beside the graph: gates, artifact, evidence, tools, attempts.
import { useState } from "react";
import { query, useAsk, useToolNews, useWritten } from "./api";
import type { ActivityView, ArtifactPage, EvidenceList, LineageView, RunView, ToolCallList } from "./api_types";
import { cli } from "./cli";
import { stateOf, subline, type GraphNode } from "./graph";
import { Icon } from "./icons";
import { Cli, Flag, Gates, Problem, Reason, Said, State, Waiting } from "./parts";
import { Remedies } from "./remedies";
import { Parts, Value, type Part } from "./rendered";
import { to } from "./route";
import { Decided } from "./run_history";
import { age, clock, isReported, money, tokens } from "./words";

/** Lines of a feedback that is not folded. */
const SHORT = 6;

export function Side({ run, node, data, close }: { run: string; node: GraphNode; data: RunView; close: () => void }) {
  const id = encodeURIComponent(run);
  const phase = data.phases.find((each) => each.phase === node.phase);
  const [tab, setTab] = useState("Gates");
  const mine = (event: ActivityView) => event.run === run && (event.payload?.phase === node.phase || event.type.startsWith("Tool"));
  const artifact = useAsk<ArtifactPage>(tab === "Artifact" ? `/runs/${id}/artifact${query({ phase: node.phase })}` : null, mine);
  const evidence = useAsk<EvidenceList>(tab === "Evidence" ? `/runs/${id}/evidence${query({ phase: node.phase })}` : null, mine);
  const calls = useAsk<ToolCallList>(tab === "Tools" ? `/runs/${id}/tool_calls${query({ phase: node.phase, attempt: phase?.attempt })}` : null, mine);
  useToolNews(run, node.phase, calls.reload);
  const lines = useAsk<LineageView>(`/runs/${id}/attempts`, mine);
  const mineNow = (lines.data?.attempts ?? []).filter((attempt) => attempt.phase === node.phase);
  const feedback = (mineNow[mineNow.length - 1]?.feedback ?? []).filter((each) => each !== node.reason);
  const checked = node.gates.some((gate) => gate.gate === "command");
  const decisions = mineNow[mineNow.length - 1]?.decisions ?? [];
  const command = node.state === "awaiting" ? cli`wfe-mcp approve ${run} ${node.phase}` : cli`wfe-mcp show ${run} --phase ${[node.phase]}`;
  const stopped = node.state === "failed";
  const remedies = <Remedies run={run} project={data.project} phase={node.phase} state={node.state} />;
  return (
    <aside className="panel side" aria-label={`Phase ${node.phase}`}>
      <header>
        <State state={stateOf(node)}>{""}</State>
        <b className="code grow">{node.phase}</b>
        <button type="button" className="btn bare icon-only slim" aria-label="Close" onClick={close}>
          <Icon name="x" />
        </button>
      </header>
      <div className="body">
        <dl className="kv tight">
          <dt>State</dt>
          <dd>
            <State state={stateOf(node)}>{subline(node)}</State>
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
          <dd>
            {works(node, phase?.holder)}
          </dd>
          <dt>Needs</dt>
          <dd>{node.needs.join(", ") || "nothing"}</dd>
          {isReported([node]) && (
            <>
              <dt>Model</dt>
              <dd>{node.model ?? "not reported"}</dd>
              <dt>Tokens</dt>
              <dd>{tokens(node.tokens)}</dd>
              <dt>Cost</dt>
              <dd>{money(node.cost_usd)}</dd>
            </>
          )}
        </dl>
        {node.reason && <Reason node={node} className="said" />}
        {stopped && remedies}
        {feedback.map((each, index) => (
          <details key={index} className="said" open={each.split("\n").length <= SHORT}>
            <summary className="fold row">
              <b>Feedback to this attempt</b>
            </summary>
            <Said text={each} isPrinted={checked && !decisions.length} className="" />
          </details>
        ))}
      </div>
      {node.state === "running" && <Writes run={run} phase={node.phase} attempt={phase?.attempt} />}
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
              {node.gates.map((gate, index) => {
                const before = node.gates.slice(0, index).filter((one) => one.gate === gate.gate).length; // a phase may have several of a kind
                const verdict = phase?.verdicts?.filter((one) => one.gate === gate.gate)[before];
                return (
                  <li key={index}>
                    <Gates gates={[gate]} /> <b>{gate.gate}</b> {gate.state} {gate.weakened && <Flag kind="weak">weakened</Flag>} {verdict?.level && <span className="tag">{verdict.level}</span>}
                    {verdict?.message && !decisions.some((one) => one.comment && verdict.message?.endsWith(one.comment)) && <Said text={verdict.message} isPrinted={gate.gate === "command"} className="soft small" />}
                  </li>
                );
              })}
            </ul>
          ) : (
            <p className="soft">This phase has no gate: its schema decides.</p>
          ))}
        {tab === "Gates" && <Decided decisions={decisions} />}
        {tab === "Artifact" &&
          (artifact.error?.code === "unknown_artifact" ? (
            <p className="soft">{artifact.error.message}</p>
          ) : artifact.error ? (
            <Problem error={artifact.error} />
          ) : artifact.data ? (
            <div className="stack">
              <p className="row wrap">
                <a className="btn slim" href={to("artifact", run, node.phase, artifact.data.revision)} title={cli`wfe-mcp artifact show ${run} ${artifact.data.artifact}`}>
                  Open {artifact.data.artifact}
                </a>
                <span className="muted small">revision {artifact.data.revision}</span>
              </p>
              <Parts parts={artifact.data.parts as Part[]} />
            </div>
          ) : (
            <Waiting />
          ))}
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
          (calls.data?.calls.length ? (
            <ol className="calls">
              {calls.data.calls.map((call, index) => (
                <li key={index}>
                  <details>
                    <summary className="call">
                      <time>{clock(call.at)}</time>
                      <span className={call.ok === false ? "s-failed" : call.ok ? "s-passed" : "s-running"}>
                        <Icon name={call.ok === false ? "failed" : call.ok ? "passed" : "running"} />
                      </span>
                      <span className="what">
                        <b>{call.tool}</b> {JSON.stringify(call.input ?? "")}
                      </span>
                      <span className="took">{call.ms == null ? "" : `${call.ms} ms`}</span>
                    </summary>
                    <pre className="block">{typeof call.output === "string" ? call.output : JSON.stringify(call.output, null, 2)}</pre>
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
                <b>Attempt {each.attempt}</b> <State state={each.ended || each.state} /> {each.sha256 && <code>{each.sha256}</code>}
                {each.reason && <Said text={each.reason} isPrinted={checked && !each.decisions?.length} className="soft small" />}
                <Decided decisions={each.decisions} />
              </li>
            ))}
          </ol>
        )}
      </div>
      <div className="body stack">
        {!stopped && remedies}
        <Cli text={command} />
      </div>
    </aside>
  );
}

/** What the model that works the phase writes, as it grows. */
export function Writes({ run, phase, attempt }: { run: string; phase: string; attempt?: number }) {
  const written = useWritten(run, phase);
  if (!written || (attempt && written.attempt !== attempt)) return null;
  return (
    <div className="writes" role="region" aria-label={`What the model writes in ${phase}`} tabIndex={0}>
      <p className="words small">{written.text}</p>
    </div>
  );
}

const KINDS: Record<string, string> = { human: "you", steps: "the server, step by step", llm: "a model", loop: "one item after another", flow: "another template" };

/** Who works a phase, in words: the role or kind, and the process that holds it only where one does. */
function works(node: GraphNode, holder = ""): string {
  const who = node.role ? `role ${node.role}` : (KINDS[node.kind] ?? "an agent");
  if (!holder || node.left || node.state !== "running") return who;
  const [host, pid] = holder.split(":");
  return holder.startsWith("api:") ? `${who}, over the API as ${holder.slice(4)}` : pid ? `${who}, in process ${pid} on ${host}` : `${who}, ${holder}`;
}
