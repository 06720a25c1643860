// Runs by what they wait for; a card is a run.
import { useAsk } from "./api";
import type { RunRow } from "./runs";
import { Cli, Empty, Integrity, Problem, State, Waiting } from "./parts";
import { to } from "./route";
import { age } from "./words";

const COLUMNS: [name: string, fits: (run: RunRow) => boolean][] = [
  ["Waiting for you", (run) => open(run) && run.waiting_on === "human"],
  ["At work", (run) => open(run) && run.state !== "paused" && run.waiting_on !== "human"],
  ["Paused", (run) => run.state === "paused" && run.waiting_on !== "human"],
  ["Stopped", (run) => ["blocked", "failed"].includes(run.state)],
  ["Done", (run) => run.state === "completed" || run.state === "cancelled"],
];

const open = (run: RunRow): boolean => !["blocked", "failed", "completed", "cancelled"].includes(run.state);

export function Board() {
  const { data, error } = useAsk<{ runs: RunRow[] }>("/runs?limit=200");
  if (error && !data) return <Problem error={error} />;
  if (!data) return <Waiting />;
  return (
    <>
      <header className="row wrap" style={{ marginBottom: "0.75rem" }}>
        <h1>Board</h1>
        <span className="muted">runs by what they wait for</span>
        <span className="end">
          <Cli text="wfe-mcp list" />
        </span>
      </header>
      {data.runs.length === 0 ? (
        <Empty title="No run yet" steps={[{ say: "Start one.", cli: "wfe-mcp start" }]}>
          Cards move by themselves as phases end and gates answer.
        </Empty>
      ) : (
        <div className="board" tabIndex={0} role="region" aria-label="Board">
          {COLUMNS.map(([name, fits]) => {
            const runs = data.runs.filter(fits);
            return (
              <section key={name} aria-label={name}>
                <h2>
                  {name} <span className="muted">{runs.length}</span>
                </h2>
                <ul>
                  {runs.map((each) => (
                    <li key={each.run}>
                      <a className="card" href={to("runs", each.run)}>
                        <b>{each.title}</b>
                        <span className="row wrap small">
                          <State state={name === "Waiting for you" ? "awaiting" : each.state} />
                          <span className="muted">{each.template}</span>
                          <span className="muted num end">{age(each.updated_at)}</span>
                        </span>
                        <Integrity run={each} />
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
