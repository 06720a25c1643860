// Runs by what they wait for, or those of one template by the phase that they are at; a card is a run.
import { query, useAsk } from "./api";
import type { BoardView, NewsView, RunList, RunRow } from "./api_types";
import { cli } from "./cli";
import { isNew, NewMark } from "./news";
import { ProjectChoice, useProject } from "./in_project";
import { useLines } from "./keys";
import { Choose, Cli, Empty, Flag, Integrity, Problem, State, Waiting } from "./parts";
import { to, useKept } from "./route";
import { age, person, progress } from "./words";

const columnsOf = (): [name: string, fits: (run: RunRow) => boolean][] => [
  [`Waiting for ${person()}`, (run) => open(run) && run.state !== "paused" && run.waiting_on === "human"],
  ["At work", (run) => open(run) && run.state !== "paused" && run.waiting_on !== "human"],
  ["Paused", (run) => run.state === "paused"],
  ["Stopped", (run) => ["blocked", "failed"].includes(run.state)],
  ["Done", (run) => run.state === "completed" || run.state === "cancelled"],
];

/** What the server has of a template at most. */
const MOST_BY_PHASE = 100;

const open = (run: RunRow): boolean => !["blocked", "failed", "completed", "cancelled"].includes(run.state);

export function Board({ news }: { news: NewsView | null }) {
  const at = useProject();
  const { data, error } = useAsk<RunList>(`/runs${query({ limit: 200, project: at.id })}`, at.concerns);
  const [template, setTemplate] = useKept("template", "");
  const byPhase = useAsk<BoardView>(template ? `/board${query({ template, project: at.id })}` : null, at.concerns);
  const all = data?.runs ?? [];
  const columns: [name: string, runs: RunRow[]][] = byPhase.data
    ? [...byPhase.data.columns.map((column): [string, RunRow[]] => [column.title, column.runs ?? []]), ["Ended", byPhase.data.ended ?? []]]
    : columnsOf().map(([name, fits]) => [name, all.filter(fits)]);
  const cards = columns.flatMap(([, runs]) => runs);
  const [marked, mark] = useLines(cards, (run) => to("runs", run.run));
  if (error && !data) return <Problem error={error} />;
  if (!data) return <Waiting />;
  const templates = [...new Set(all.map((run) => run.template))].sort();
  const drawn = new Set(cards.map((run) => run.run)).size;
  const most = byPhase.data ? (drawn >= MOST_BY_PHASE ? drawn : 0) : data.cursor ? drawn : 0;
  return (
    <>
      <header className="row wrap" style={{ marginBottom: "0.75rem" }}>
        <h1>Board</h1>
        <span className="muted">{template ? "runs by the phase that they are at" : "runs by what they wait for"}{most > 0 && `; the newest ${most} runs`}</span>
        <span className="end row wrap">
          <ProjectChoice at={at} />
          {templates.length > 0 && (
            <Choose label="Columns" all="what runs wait for" names={templates} says={(each) => `phases of ${each}`} now={template} choose={setTemplate} />
          )}
          <Cli text={cli`wfe-mcp list ${template ? ["--template", template, "--by-phase"] : []} ${at.cli}`} />
        </span>
      </header>
      <Problem error={byPhase.error} />
      {(byPhase.data ?? data).warnings?.map((warning) => <p key={warning} className="note warn">{warning}</p>)}
      {all.length === 0 ? (
        <Empty title="No run yet" steps={[{ say: "Start one.", cli: "wfe-mcp start" }]}>
          Cards move by themselves as phases end and gates answer.
        </Empty>
      ) : (
        <div className="board" tabIndex={0} role="region" aria-label="Board">
          {columns.map(([name, runs], index) => {
            return (
              <section key={`${index} ${name}`} aria-label={name}>
                <h2>
                  {name} <span className="muted">{runs.length}</span>
                </h2>
                <ul>
                  {runs.map((run) => (
                    <li key={run.run}>
                      <a className="card" href={to("runs", run.run)} aria-current={run === cards[marked] ? "true" : undefined} onFocus={() => mark(cards.indexOf(run))}>
                        <b>{run.title}</b>
                        <span className="row wrap small">
                          <State state={open(run) && run.state !== "paused" && run.waiting_on === "human" ? "awaiting" : run.state} run />
                          <span>{progress(run)}</span>
                          {run.stuck && <Flag kind="warning">stuck</Flag>}
                          {run.stale && <span className="tag">stale</span>}
                        </span>
                        <span className="row wrap small muted">
                          {at.many && <span>{at.names.get(run.project ?? "")}</span>}
                          <span>{run.template}</span>
                          <span className="num end" title={run.updated_at}>{age(run.updated_at)}</span>
                        </span>
                        {isNew(news, run.run) && <NewMark />}
                        <Integrity run={run} />
                      </a>
                    </li>
                  ))}
                </ul>
              </section>
            );
          })}
        </div>
      )}
    </>
  );
}
