// What the time of a run went to: solid is work, an outline is waiting for you, hatching is waiting for others.
import type { TimelineView } from "./api_types";
import { clock, day, isReported, money, moment, span } from "./words";

const WORDS: Record<string, string> = {
  working: "worked", human: "waited for you", reviewer: "waited for a reviewer", checks: "waited for checks", job: "waited for the server",
  agent: "waited for the agent", paused: "paused",
};
const MOST = 200;
const DAY_MS = 24 * 3600 * 1000;

export function Timeline({ data, chosen, address }: { data: TimelineView; chosen: string; address: (phase: string) => string }) {
  const from = moment(data.since);
  const to = Math.max(moment(data.until), from + 1000);
  const place = (at: string) => (100 * (moment(at) - from)) / (to - from);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => from + part * (to - from));
  const isLong = to - from > DAY_MS;
  const says = isLong ? day : clock;
  const bars = (task: TimelineView["tasks"][number]) =>
    task.stretches.map((stretch, index) => {
      const open = !data.is_over && task.outcome === "open" && index === task.stretches.length - 1 && moment(stretch.until) >= moment(data.until); // what was rolled back has ended
      const kind = stretch.what === "working" ? (stretch.failed ? "failed" : open ? "running" : "") : stretch.what === "human" ? "you" : "other";
      const left = place(stretch.since);
      return <i key={index} className={`bar ${kind}`} style={{ left: `${left}%`, width: `${Math.max(0, place(stretch.until) - left)}%` }} title={`${WORDS[stretch.what] ?? stretch.what} ${span((moment(stretch.until) - moment(stretch.since)) / 1000)}, attempt ${stretch.attempt || 1}`} />;
    });
  const isRepeated = (phase: string) => data.tasks.filter((each) => each.phase === phase).length > 1;
  const reported = isReported(data.tasks);
  const waited = (seconds: Record<string, number>) => Object.entries(seconds).reduce((sum, [what, value]) => sum + (what === "working" ? 0 : value), 0);
  return (
    <div className="canvas-wide">
      <p className="row wrap small soft" style={{ padding: "0.5rem 0.75rem" }}>
        <span className="key"><i className="bar" />worked</span>
        <span className="key"><i className="bar failed" />attempt failed</span>
        <span className="key"><i className="bar running" />working now</span>
        <span className="key"><i className="bar you" />waited for you</span>
        <span className="key"><i className="bar other" />waited for others</span>
      </p>
      <table className="time">
        <caption className="hidden">Time of each phase; work apart from waiting</caption>
        <thead>
          <tr>
            <th>Phase</th>
            <th>
              <span className="axis" style={{ display: "block" }}>
                {ticks.map((at, index) => (
                  <span key={index} style={{ left: `${index * 25}%`, ...(index === 4 ? { transform: "translateX(-100%)" } : {}) }}>
                    {(index > 0 && says(at) === says(ticks[index - 1] ?? at)) || (isLong && index % 2) ? "" : says(at)}
                  </span>
                ))}
              </span>
            </th>
            <th className="num">Worked</th>
            <th className="num">Waited</th>
            {reported && <th className="num">Cost</th>}
          </tr>
        </thead>
        <tbody>
          {data.tasks.slice(0, MOST).map((task, index) => (
            <tr key={index} className={task.phase === chosen ? "sel" : ""}>
              <th scope="row">
                <a className="plain" href={address(task.phase)}>
                  {task.phase}
                </a>
                {(task.attempts > 1 || isRepeated(task.phase)) && <span className="muted"> {task.attempts > 1 ? `${task.attempts} attempts` : `attempt ${task.stretches.at(-1)?.attempt || 1}`}</span>}
              </th>
              <td>
                <div className="track">{bars(task)}</div>
              </td>
              <td className="num">{task.seconds.working ? span(task.seconds.working) : ""}</td>
              <td className="num">{waited(task.seconds) >= 1 ? span(waited(task.seconds)) : ""}</td>
              {reported && <td className={task.cost_usd == null ? "num muted" : "num"}>{money(task.cost_usd)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {data.tasks.length > MOST && <p className="note">{data.tasks.length - MOST} more phases are in the list.</p>}
    </div>
  );
}
