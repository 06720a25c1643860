// Statistics of a project: every phase by template, with medians of its time.
import { useContext } from "react";
import { useAsk } from "./api";
import type { StatsList, WeekView } from "./api_types";
import { Cli, Flag, Problem, Records, Section } from "./parts";
import { to } from "./route";
import { Session } from "./session";
import { count, money, span, tokens } from "./words";

const of = (rate: { passed: number; of: number }): string => (rate.of ? `${rate.passed} of ${rate.of}` : "none yet");

const NEVER = () => false;

/** The last seven days in one line, with the way to all figures; nothing before something was done. */
export function Week() {
  const { data } = useAsk<WeekView>("/stats/week", NEVER);
  const project = useContext(Session)?.project;
  if (!data || (!data.attempts && !data.warnings)) return null;
  const used = data.tokens ? `${tokens(data.tokens)} tokens${data.cost_usd ? `, ${money(data.cost_usd)}` : ""}` : "";
  const figures = [`${count(data.finished, "run")} completed`, `${count(data.attempts, "attempt")} at ${count(data.phases, "phase")}`, used];
  return (
    <>
      <p className="soft small" id="week">
        Last seven days: {figures.filter(Boolean).join(", ")}. {project && <a href={to("projects", project)}>Statistics</a>}
      </p>
      {data.warnings?.map((warning) => <p key={warning} className="note warn">{warning}</p>)}
    </>
  );
}

export function Statistics({ id }: { id: string }) {
  const { data, error } = useAsk<StatsList>(`/projects/${encodeURIComponent(id)}/stats`, () => false);
  const reported = data?.phases.some((phase) => phase.tokens);
  return (
    <Section id="statistics" title="Statistics" about="of every run here; times are medians" acts={
      <span className="end">
        <Cli text="wfe-mcp stats" />
      </span>
    }>
      <Problem error={error} />
      {data?.warnings?.map((warning) => <p key={warning} className="note warn">{warning}</p>)}
      {data && !data.phases.length && <p className="soft">No phase has begun yet.</p>}
      {data && data.phases.length > 0 && (
        <Records says="Phases by template" heads={["Phase", "Runs", "Passed at once", "Passed in the end", "Attempts", "Work", "Waited for you", ...(reported ? ["Tokens", "Cost"] : [])]}>
          {data.phases.map((phase) => (
            <tr key={`${phase.template} ${phase.phase}`}>
              <td>
                <b>{phase.phase}</b> <span className="muted">{phase.template}</span> {phase.forced ? <Flag kind="weak">forced {count(phase.forced, "time")}</Flag> : null}
              </td>
              <td data-label="Runs" className="num">{phase.runs}</td>
              <td data-label="Passed at once" className="num">{of(phase.first_try)}</td>
              <td data-label="Passed in the end" className="num">{of(phase.in_the_end)}</td>
              <td data-label="Attempts" className="num">{phase.attempts}</td>
              <td data-label="Work" className="num">{phase.working ? span(phase.working.median_s) : "none"}</td>
              <td data-label="Waited for you" className="num">{phase.waiting.human ? span(phase.waiting.human.median_s) : "none"}</td>
              {reported && <td data-label="Tokens" className={phase.tokens ? "num" : "num muted"}>{tokens(phase.tokens || null)}</td>}
              {reported && <td data-label="Cost" className={phase.tokens ? "num" : "num muted"}>{money(phase.tokens ? phase.cost_usd : null)}</td>}
            </tr>
          ))}
        </Records>
      )}
    </Section>
  );
}
