// Two runs side by side: inputs, phases, times, costs, and the artifacts that differ.
import { useState } from "react";
import { ask, beginsOrEnds, query, useAct, useAsk } from "./api";
import type { ComparisonView, NoPhase, PhaseSide, RunList, RunSide } from "./api_types";
import { cli } from "./cli";
import { Cli, Crumbs, Field, Flag, Integrity, PageHead, Problem, Records, Section, State, Waiting } from "./parts";
import { Changes } from "./rendered";
import { go, to } from "./route";
import { count, isReported, money, person, runWord, span, tokens } from "./words";

/** The most runs that one answer lists. */
const PAGE = 200;

export function Compare({ left, right }: { left: string; right: string }) {
  const runs = useAsk<RunList>(`/runs${query({ limit: PAGE })}`, beginsOrEnds);
  const [older, setOlder] = useState<RunList | null>(null);
  const [act, busy, refused] = useAct();
  const newest = runs.data?.runs ?? [];
  const listed = [...newest, ...(older?.runs ?? []).filter((each) => !newest.some((one) => one.run === each.run))];
  const next = (older ?? runs.data)?.cursor;
  const showOlder = () =>
    act(async () => {
      const { data: page } = await ask<RunList>(`/runs${query({ limit: PAGE, cursor: next })}`);
      setOlder({ ...page, runs: [...listed, ...page.runs] });
    });
  const both = left !== "" && right !== "";
  const { data, error } = useAsk<ComparisonView>(both ? `/compare?left=${encodeURIComponent(left)}&right=${encodeURIComponent(right)}` : null, (event) => event.run === left || event.run === right);
  const pick = (name: string, value: string, chosen: (run: string) => void) => (
    <Field label={name}>
      <select value={value} onChange={(event) => chosen(event.target.value)}>
        <option value="">choose a run</option>
        {value && !listed.some((each) => each.run === value) && <option>{value}</option>}
        {listed.map((each) => (
          <option key={each.run} value={each.run}>
            {each.title} ({each.template}, {runWord(each.state)}, {each.run})
          </option>
        ))}
      </select>
    </Field>
  );
  return (
    <>
      <Crumbs items={[{ text: "Runs", to: "#/runs" }, ...(left ? [{ text: `run ${left}`, to: to("runs", left) }] : []), "compare"]} />
      <PageHead title="Compare two runs">
        {both && (
          <span className="end">
            <Cli text={cli`wfe-mcp compare ${left} ${right}`} />
          </span>
        )}
      </PageHead>
      <div className="pair" style={{ marginTop: "0.75rem" }}>
        {pick("One run", left, (run) => go(to("compare", run, right || left)))}
        {pick("The other run", right, (run) => go(to("compare", left || run, run)))}
      </div>
      {next && (
        <p className="row soft">
          The newest {count(listed.length, "run")} can be chosen.
          <button type="button" className="btn slim" disabled={busy} onClick={showOlder}>
            List older runs too
          </button>
        </p>
      )}
      <Problem error={error ?? runs.error ?? refused} />
      {both && !data && !error && <Waiting />}
      {!both && <p className="soft" style={{ marginTop: "0.75rem" }}>Choose two runs of one project: a retry of the same task, a fork, or the same template with another model.</p>}
      {data && <Body data={data} left={left} right={right} />}
    </>
  );
}

type Row = [string, (side: RunSide) => React.ReactNode];

function Body({ data, left, right }: { data: ComparisonView; left: string; right: string }) {
  const [one, two] = data.runs;
  const unlike = data.phases.filter((phase) => !phase.same).length;
  const figures: Row[] = [
    ["State", (side) => <State state={side.state} run />],
    ["Integrity", (side) => (side.tainted || side.weakened_gates ? <Integrity run={side} /> : "no gate was forced or weakened")],
    ["Template", (side) => `${side.template} ${side.version}`],
    ["From start to end", (side) => span(side.total_s)],
    ["Working", (side) => span(side.seconds.working ?? 0)],
    [`Waiting for ${person()}`, (side) => span(side.seconds.human ?? 0)],
    ...(isReported(data.runs) ? ([["Tokens", (side) => tokens(side.tokens)], ["Cost", (side) => money(side.cost_usd)]] as Row[]) : []),
  ];
  return (
    <>
      <Records says="The two runs" heads={["What", <a href={to("runs", left)}>{one.title}</a>, <a href={to("runs", right)}>{two.title}</a>]} className="records panel compare" style={{ marginTop: "1rem" }}>
        {figures.map(([name, say]) => (
          <tr key={name}>
            <td className="muted">{name}</td>
            <td data-label={one.run}>{say(one)}</td>
            <td data-label={two.run}>{say(two)}</td>
          </tr>
        ))}
      </Records>
      <Section title="Inputs" about={data.inputs.length ? count(data.inputs.length, "difference") : "the same"}>
        {data.inputs.length > 0 && <div className="panel body pad"><Changes changes={data.inputs} /></div>}
      </Section>
      <Section title="Phases" about={unlike ? `${unlike} of ${count(data.phases.length, "phase")} differ in state, attempts, gates or artifact` : "all the same but for their times"}>
        <Records says="Phases of both runs" heads={["Phase", one.run, two.run, "Artifact"]} className="records panel compare">
          {data.phases.map((phase) => (
            <tr key={phase.phase} className={phase.same ? "" : "unlike"}>
              <td>
                <b>{phase.phase}</b> {!phase.same && <Flag kind="warning">differs</Flag>}
              </td>
              {phase.sides.map((side, index) => (
                <td key={index} data-label={data.runs[index]?.run}>
                  <Side side={side} />
                </td>
              ))}
              <td data-label="Artifact">
                {phase.artifact === "differs" ? (
                  <a href={`${to("artifact", right, phase.phase)}?against=${encodeURIComponent(`${left}:${phase.phase}`)}`}>Show the difference</a>
                ) : (
                  <span className="muted">{phase.artifact || "none"}</span>
                )}
              </td>
            </tr>
          ))}
        </Records>
      </Section>
      <Section title="Template" about={data.template.length ? count(data.template.length, "difference") : "the same definition"}>
        {data.template.length > 0 && <div className="panel body pad"><Changes changes={data.template} /></div>}
      </Section>
    </>
  );
}

function Side({ side }: { side: PhaseSide | NoPhase }) {
  if (!("state" in side)) return <span className="muted">not in this run</span>;
  return (
    <span className="stack">
      <span className="row wrap">
        <State state={side.state} />
        <span className="muted num">{count(side.attempts, "attempt")}</span>
        {side.seconds?.working ? <span className="muted num">{span(side.seconds.working)} of work</span> : null}
        {side.cost_usd != null && <span className="muted num">{money(side.cost_usd)}</span>}
      </span>
      {(side.gates ?? []).length > 0 && <span className="small soft">{side.gates?.join(", ")}</span>}
    </span>
  );
}
