// What happened in a run: its events, every attempt, its checkpoints.
import { useEffect, useMemo, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { ask, query, useAct, useAsk, useRetry, whenChanged, type Refused } from "./api";
import type { ActivityView, CheckpointList, CheckpointView, DecisionLine, EventList, EventView, LineageView } from "./api_types";
import { cli } from "./cli";
import { Icon } from "./icons";
import { Ask, Choose, Cli, Flag, Problem, State, Waiting } from "./parts";
import { send } from "./pin";
import { type Back, Foreseen, goBack, useForeseen } from "./rollback";
import { go, to, useKept } from "./route";
import { useRole } from "./session";
import { age, capital, count } from "./words";

const CHECKPOINTS: Record<string, string> = { start: "Before", completion: "After", manual: "By hand", safety: "Before files were put back" };

const taken = (at: CheckpointView): string => [CHECKPOINTS[at.why] ?? at.why, at.phase].filter(Boolean).join(" ");

/** Checkpoints that are shown at once: the newest. */
const FIRST = 12;

/** Pixels of a line; on a phone a sentence has two, and the run is below it. */
const LINE = 32;
const TWO_LINES = 52;
const THREE_LINES = 74;

/** Whether the page is being printed: then what is out of view is in it too. */
function usePrinting(): boolean {
  const [isPrinting, setPrinting] = useState(false);
  useEffect(() => {
    const over = new AbortController();
    window.addEventListener("beforeprint", () => flushSync(() => setPrinting(true)), over);
    window.addEventListener("afterprint", () => setPrinting(false), over);
    return () => over.abort();
  }, []);
  return isPrinting;
}

/** A log of any length: only the lines in view are in the page. `run`: of every run, with the line that is marked. */
export function Log({ events, empty, run }: { events: (EventView & Partial<ActivityView>)[]; empty: string; run?: { marked: number; mark: (line: number) => void } }) {
  const [top, setTop] = useState(0);
  const [openLine, setOpenLine] = useState<EventView | null>(null);
  const isPrinting = usePrinting();
  const row = window.innerWidth >= 720 ? LINE : run ? THREE_LINES : TWO_LINES;
  if (!events.length) return <p className="soft" style={{ padding: "0.75rem" }}>{empty}</p>;
  const from = isPrinting ? 0 : Math.max(0, Math.floor(top / row) - 10);
  return (
    <>
      <div className="events" tabIndex={0} role="region" aria-label={`${count(events.length, "event")}, newest first`} onScroll={(event) => setTop(event.currentTarget.scrollTop)}>
        <div className="spacer" style={{ height: events.length * row }}>
          {events.slice(from, isPrinting ? undefined : from + 60).map((each, index) => (
            <div key={`${each.run ?? ""}${each.seq}`} className={run ? "line of-run" : "line"} aria-current={run?.marked === from + index ? "true" : undefined} style={{ top: (from + index) * row, height: row }}>
              <time className="muted num" title={`${each.at}, event ${each.seq}`}>{age(each.at)} ago</time>
              <button type="button" className="event-text" title={each.text} onClick={() => setOpenLine(each)}>
                {each.text}
              </button>
              {run && each.run && (
                <a className="soft" href={to("runs", each.run)} title={each.title} onFocus={() => run.mark(from + index)}>
                  {each.title || each.run}
                </a>
              )}
            </div>
          ))}
        </div>
      </div>
      {openLine && (
        <Ask title={openLine.text} onClose={() => setOpenLine(null)}>
          <p className="soft">
            Event {openLine.seq}, {openLine.type}, {openLine.at}, by {openLine.actor} ({openLine.channel})
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

export function Events({ run }: { run: string }) {
  const [events, setEvents] = useState<EventView[]>([]);
  const [kind, setKind] = useKept("kind", "");
  const [isRead, setRead] = useState(false);
  const [error, setError] = useState<Refused | null>(null);
  const last = useRef(0);
  const again = useRef(() => {});
  useRetry(error, () => again.current());
  useEffect(() => {
    let on = true;
    const more = async () => {
      for (;;) {
        const { data } = await ask<EventList>(`/runs/${encodeURIComponent(run)}/events${query({ after: last.current, limit: 1000 })}`);
        const fresh = data.events.filter((each) => each.seq > last.current);
        if (!on) return;
        setRead(true);
        setError(null);
        if (!fresh.length) return;
        last.current = fresh[fresh.length - 1]?.seq ?? last.current;
        setEvents((was) => [...was, ...fresh]);
      }
    };
    let reading = Promise.resolve();
    const next = () => void (reading = reading.then(more).catch((reason: Refused) => void (on && setError(reason))));
    again.current = next;
    next();
    const off = whenChanged(next, (event) => event.run === run);
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
        <Choose label="Kind" all={`all ${events.length}`} names={kinds} now={kind} choose={setKind} />
        <Cli text={cli`wfe-mcp log ${run}`} />
      </div>
      <Problem error={error} />
      {isRead ? <Log events={shown} empty="No events of this kind." /> : !error && <Waiting />}
    </>
  );
}

/** Who decided on an attempt, and when: a person, or a standing grant of theirs. Why one was sent back is the reason of the attempt. */
export function Decided({ decisions }: { decisions: DecisionLine[] | undefined }) {
  return (decisions ?? []).map((each, index) => (
    <p key={index} className="words soft small" style={{ flex: "1 0 100%" }}>
      {capital(each.decision === "rejected" ? "sent back" : each.decision)} by {each.actor}, <time title={each.at}>{age(each.at)} ago</time>
      {each.run && ` in run ${each.run}`}
      {each.void && ", which no longer counts"}
      {each.comment && `: ${each.comment}`}
    </p>
  ));
}

export function Lineage({ run }: { run: string }) {
  const { data, error } = useAsk<LineageView>(`/runs/${encodeURIComponent(run)}/attempts`, (event) => event.run === run);
  if (error && !data) return <Problem error={error} />;
  if (!data) return <Waiting />;
  const phases = [...new Set(data.attempts.map((attempt) => attempt.phase))];
  return (
    <ul className="lineage">
      {phases.map((phase) => (
        <li key={phase} style={{ padding: "0.5rem 0.75rem", borderBottom: "var(--border)" }}>
          <h2 className="label">{phase}</h2>
          <ol>
            {data.attempts
              .filter((attempt) => attempt.phase === phase)
              .map((attempt) => (
                <li key={attempt.attempt} className="row wrap small" style={{ padding: "0.25rem 0" }}>
                  <span className="num">Attempt {attempt.attempt}</span>
                  {attempt.iteration > 1 && <span className="muted">iteration {attempt.iteration}</span>}
                  <State state={attempt.is_newest ? attempt.state : attempt.ended ? attempt.ended : attempt.state === "completed" ? "superseded" : attempt.state} />
                  {attempt.restores ? <span className="tag">restores attempt {attempt.restores}</span> : null}
                  {attempt.recovery && <span className="tag">recovered by {attempt.recovery}</span>}
                  {attempt.forced && <Flag kind="weak">forced</Flag>}
                  {attempt.revision ? (
                    <a href={to("artifact", run, attempt.phase, attempt.revision)}>
                      {attempt.artifact} revision {attempt.revision}
                    </a>
                  ) : null}
                  {attempt.reason && <span className="words soft">{attempt.reason}</span>}
                  <Decided decisions={attempt.decisions} />
                  {(attempt.feedback ?? []).filter((text) => !data.attempts.some((one) => one.phase === phase && one.attempt < attempt.attempt && one.reason === text)).map((text, index) => (
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

/** `ended`: the state of a run that is over: going back opens it again, which only a person does. */
export function Checkpoints({ run, project, ended, reload }: { run: string; project: string | undefined; ended: string; reload: () => void }) {
  const { data } = useAsk<CheckpointList>(`/runs/${encodeURIComponent(run)}/checkpoints`, (event) => event.run === run);
  const [back, setBack] = useState<CheckpointView | null>(null);
  const [step, setStep] = useState<Exclude<Back, "rollback"> | "">("");
  const [files, setFiles] = useState(true);
  const [fork, setFork] = useState<{ at: CheckpointView; compares: boolean } | null>(null);
  const [all, setAll] = useState(false);
  const would = useForeseen(run, files, back ? "rollback" : step, back?.checkpoint);
  const [act, busy, error] = useAct();
  const steers = useRole("author", project);
  const found = data?.checkpoints ?? [];
  if (!found.length) return null;
  const id = encodeURIComponent(run);
  const takeBack = (way: Back) => act(async () => { await goBack(`/runs/${id}/${way}`, { ...(back && { to: back.checkpoint }), files, shown: would.data?.shown }); reload(); });
  return (
    <section className="section late" aria-label="Checkpoints">
      <header>
        <h2>Checkpoints</h2>
        <span className="soft">A rollback is added to the log; nothing is deleted.</span>
        {steers && <span className="row end">
          {data?.undo && <button type="button" className="btn slim" title={`Undo ${data.undo}: ${cli`wfe-mcp undo ${run}`}`} disabled={busy} onClick={() => { setFiles(false); setStep("undo"); }}>
            <Icon name="back" />
            Undo the last command…
          </button>}
          {data?.redo && <button type="button" className="btn slim" title={`Redo ${data.redo}: ${cli`wfe-mcp redo ${run}`}`} disabled={busy} onClick={() => { setFiles(false); setStep("redo"); }}>
            <Icon name="redo" />
            Redo…
          </button>}
        </span>}
      </header>
      <Problem error={error} />
      <ul className="panel cps">
        {found.slice(0, all ? undefined : FIRST).map((each) => (
          <li key={each.checkpoint}>
            <b>{each.checkpoint}</b>
            <span>
              {taken(each)} {each.note} {each.files === false && <span className="muted">state only</span>}
            </span>
            <time className="muted num" title={each.at}>{age(each.at)} ago</time>
            {steers && <span className="row">
              <button type="button" className="btn slim" title={cli`wfe-mcp rollback ${run} ${each.checkpoint}`} aria-label={`Roll back… to ${each.checkpoint}`} onClick={() => { setFiles(each.files !== false); setBack(each); }}>
                <Icon name="back" />
                Roll back…
              </button>
              <button type="button" className="btn slim" title={cli`wfe-mcp start --from ${[`${run}@${each.checkpoint}`]}`} aria-label={`Fork… at ${each.checkpoint}`} disabled={busy} onClick={() => setFork({ at: each, compares: false })}>
                <Icon name="fork" />
                Fork…
              </button>
              <button type="button" className="btn slim" title={cli`wfe-mcp start --from ${[`${run}@${each.checkpoint}`]}, then wfe-mcp compare ${run} THE_FORK`} aria-label={`Fork and compare… at ${each.checkpoint}`} disabled={busy} onClick={() => setFork({ at: each, compares: true })}>
                Fork and compare…
              </button>
            </span>}
          </li>
        ))}
      </ul>
      {found.length > FIRST && (
        <p className="after">
          <button type="button" className="btn slim" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? "Show the newest only" : `Show ${count(found.length - FIRST, "older checkpoint")}`}
          </button>
        </p>
      )}
      {step && (
        <Ask title={step === "undo" ? "Undo the last command?" : "Redo what was undone last?"} onClose={() => setStep("")}>
          <label className="row">
            <input type="checkbox" checked={files} onChange={(event) => setFiles(event.target.checked)} /> Restore the files too
          </label>
          <Foreseen of={would} kind={step} />
          <Cli text={cli`wfe-mcp ${step} ${run} ${files ? ["--files"] : []}`} />
          <form method="dialog" className="row">
            <button className="btn solid" disabled={!would.data} onClick={() => takeBack(step)}>
              {step === "undo" ? "Undo" : "Redo"}
            </button>
            <button className="btn">Keep the run as it is</button>
          </form>
        </Ask>
      )}
      {fork && (
        <Ask title={`Start a fork at ${fork.at.checkpoint}?`} onClose={() => setFork(null)}>
          <p>
            A new run starts from the state of this one then: {taken(fork.at)}, {age(fork.at.at)} ago. This run and its files stay as they are.
          </p>
          <Cli text={cli`wfe-mcp start --from ${[`${run}@${fork.at.checkpoint}`]}`} />
          <form method="dialog" className="row">
            <button
              className="btn solid"
              onClick={() =>
                act(async (isHere) => {
                  const made = await send<unknown>(`/runs/${id}/fork`, { at: fork.at.checkpoint });
                  if (made.run && isHere()) go(fork.compares ? to("compare", run, made.run) : to("runs", made.run));
                })
              }
            >
              Start the fork
            </button>
            <button className="btn">Start no run</button>
          </form>
        </Ask>
      )}
      {back && (
        <Ask title={`Roll back to ${back.checkpoint}?`} onClose={() => setBack(null)}>
          <p>
            {ended ? `The run is ${ended}; it opens again, which only you decide. ` : ""}Phases after it begin again. Checkpoint: {taken(back)}, {age(back.at)} ago.
          </p>
          <label className="row">
            <input type="checkbox" checked={files} disabled={back.files === false} onChange={(event) => setFiles(event.target.checked)} /> Restore the files too
          </label>
          <Foreseen of={would} />
          <Cli text={cli`wfe-mcp rollback ${run} ${back.checkpoint} ${files ? [] : ["--no-files"]}`} />
          <form method="dialog" className="row">
            <button className="btn solid" disabled={!would.data} onClick={() => takeBack("rollback")}>
              Roll back
            </button>
            <button className="btn">Keep the run as it is</button>
          </form>
        </Ask>
      )}
    </section>
  );
}
