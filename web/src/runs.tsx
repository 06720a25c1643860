// Every run, newest first, by state; a hundred at a time.
import { query, useAsk } from "./api";
import type { RunList } from "./api_types";
import { cli } from "./cli";
import { ProjectChoice, useProject } from "./in_project";
import { useLines } from "./keys";
import { Cli, Empty, Flag, Integrity, PageHead, Problem, Records, Segments, State, Waiting } from "./parts";
import { go, to, useKept } from "./route";
import { useRoleSomewhere } from "./session";
import { age, count, progress, runWord } from "./words";

const STATES = ["all", "running", "stuck", "waiting", "paused", "blocked", "failed", "completed", "cancelled"];

export function Runs({ query: given }: { query: URLSearchParams }) {
  const [kept, setStatus] = useKept("status", given.get("status") ?? "");
  const status = STATES.slice(1).includes(kept) ? kept : ""; // an address can name any
  const shown = useProject();
  const cursor = given.get("cursor");
  const isStuck = status === "stuck"; // no status of a run: those without progress that wait for no person
  const { data, error } = useAsk<RunList>(`/runs${query({ status: isStuck ? "" : status, stuck: isStuck ? "true" : "", project: shown.id, cursor, limit: 100 })}`, shown.concerns);
  const choose = (name: string) => (cursor ? go(`#/runs${query({ status: name })}`) : setStatus(name));
  const isAuthor = useRoleSomewhere("author");
  const rows = data?.runs ?? [];
  const [at, setAt] = useLines(rows, (row) => to("runs", row.run));
  return (
    <>
      <PageHead title="Runs" about={data && (cursor ? count(rows.length, "older run") : `${data.cursor ? "the newest " : ""}${count(rows.length, "run")}`)}>
        <a className="btn end" href="#/compare" title={cli`wfe-mcp compare ONE OTHER`}>
          Compare two
        </a>
        {isAuthor && (
          <a className="btn solid" href="#/start" title={cli`wfe-mcp start TEMPLATE`}>
            Start a run
          </a>
        )}
      </PageHead>
      <div className="filters">
        <Segments label="State" names={STATES} now={status || "all"} choose={(name) => choose(name === "all" ? "" : name)} />
        <ProjectChoice at={shown} />
        <span className="end">
          <Cli text={cli`wfe-mcp list ${isStuck ? ["--stuck"] : status ? ["--status", status] : []} ${shown.cli}`} />
        </span>
      </div>
      <Problem error={error} />
      {!data && !error && <Waiting />}
      {data && !rows.length && (
        <Empty
          title={cursor ? "No older run" : status ? `No run is ${runWord(status)}` : "No run yet"}
          steps={[
            { say: "Start one here, or let your agent start it.", cli: "wfe-mcp start" },
            { say: "See a run played in a scratch folder.", cli: "wfe-mcp demo" },
          ]}
        >
          A run is one piece of work: the phases of a template, with what the agent hands in and what the gates say of it.
        </Empty>
      )}
      {rows.length > 0 && (
        <Records says="Runs, newest first" heads={["Run", shown.many && "Project", "State", "Phase", "Waits for", "Template", "Started", "Last change"]}>
          {rows.map((each, index) => (
            <tr key={each.run} aria-current={index === at ? "true" : undefined}>
              <td>
                <a href={to("runs", each.run)} onFocus={() => setAt(index)}>
                  {each.title}
                </a>{" "}
                <span className="muted code">{each.run}</span> <Integrity run={each} /> {each.stuck && <Flag kind="warning">stuck</Flag>}{" "}
                {each.missing && <Flag kind="warning">folder missing</Flag>} {each.stale && <span className="tag">stale</span>} {each.imported && <span className="tag">imported</span>}
              </td>
              {shown.many && <td data-label="Project">{shown.names.get(each.project ?? "")}</td>}
              <td data-label="State">
                <State state={each.state} run />
              </td>
              <td data-label="Phase">{progress(each)}</td>
              <td data-label="Waits for">{each.waits_for}</td>
              <td data-label="Template">{each.template}</td>
              <td data-label="Started" className="num" title={each.started_at}>{age(each.started_at)} ago</td>
              <td data-label="Last change" className="num" title={each.updated_at}>{age(each.updated_at)} ago</td>
            </tr>
          ))}
        </Records>
      )}
      {(cursor || data?.cursor) && (
        <p className="row" style={{ marginTop: "0.75rem" }}>
          {cursor && (
            <a className="btn slim" href={`#/runs${query({ status })}`}>
              Newest runs
            </a>
          )}
          {data?.cursor && (
            <a className="btn slim" href={`#/runs${query({ status, cursor: data.cursor })}`}>
              Older runs
            </a>
          )}
        </p>
      )}
    </>
  );
}
