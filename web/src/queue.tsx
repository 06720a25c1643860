// The jobs of the server: what runs, what waits, and how to cancel it.
import { ask, query, useAct, useAsk, useLooks } from "./api";
import type { QueueState } from "./api_types";
import { cli } from "./cli";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, Empty, PageHead, Problem, Records, Soon, State, Waiting } from "./parts";
import { to } from "./route";
import { age, capital, span } from "./words";

const MOST = 200;

export function Queue() {
  const at = useProject({ one: true });
  const { data, error, reload } = useAsk<QueueState>(`/queue${query({ limit: MOST + 1, project: at.id })}`, at.concerns);
  const [act, busy, refused] = useAct(reload);
  useLooks(true, reload);
  return (
    <>
      <PageHead title="Queue" about={`what the server works on${data && data.jobs.length > MOST ? `; the newest ${MOST} jobs` : ""}`}>
        <span className="end row wrap">
          <a href={to("webhooks")}>Webhooks</a>
          <ProjectChoice at={at} one />
          <Cli text={cli`wfe-mcp jobs list`} />
        </span>
      </PageHead>
      <Problem error={error ?? refused} />
      {!data && !error && <Waiting />}
      {data && (
        <>
          <dl className="figures" style={{ marginTop: "0.75rem" }}>
            {data.queues.map((queue) => (
              <div key={queue.queue}>
                <dt>{queue.queue}</dt>{" "}
                <dd>
                  {queue.running} running, {queue.waiting} waiting{queue.average_run_s ? `, ${span(queue.average_run_s)} each` : ""}
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
            <Records says="Jobs, newest first" heads={["Job", "State", "For", "Priority", "Made"]} acts="Actions">
              {data.jobs.slice(0, MOST).map((job) => (
                <tr key={job.job} title={job.job}>
                  <td className="whole">
                    <b>{capital(job.does || job.kind)}</b>
                  </td>
                  <td data-label="State">
                    <State state={job.state === "done" ? "completed" : job.state === "queued" ? "pending" : job.state}>{job.state}</State>
                    {job.position ? ` place ${job.position}` : ""}
                    {job.estimate_s ? `, in about ${span(job.estimate_s)}` : ""}
                    <Soon at={job.run_at} says="begins" /> {job.error && <p className="s-failed words small">{job.error}</p>}
                  </td>
                  <td data-label="For">
                    {job.run ? (
                      <a href={to("runs", job.run, "graph", job.phase ?? "")}>
                        {[job.title || job.run, job.phase].filter(Boolean).join(", ")}
                      </a>
                    ) : (
                      ""
                    )}
                  </td>
                  <td data-label="Priority">{job.priority}</td>
                  <td data-label="Made" className="num" title={job.created_at}>{age(job.created_at)} ago</td>
                  <td>
                    {["queued", "running"].includes(job.state) && (
                      <button type="button" className="btn slim" disabled={busy || job.cancelling} title={cli`wfe-mcp jobs cancel ${job.job}`} aria-label={`Cancel: ${job.does || job.kind}`} onClick={() => act(() => ask(`/queue/${encodeURIComponent(job.job)}/cancel${query({ project: at.id })}`, { reason: "cancelled in the dashboard" }))}>
                        Cancel
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </Records>
          )}
        </>
      )}
    </>
  );
}
