// Every event of every run, newest first.
import { useEffect, useMemo, useRef, useState } from "react";
import { ask, onLive, query, useRetry, type Refused } from "./api";
import type { ActivityList, ActivityView } from "./api_types";
import { ProjectChoice, useProject } from "./in_project";
import { useLines } from "./keys";
import { Choose, PageHead, Problem, Waiting } from "./parts";
import { to, useKept } from "./route";
import { Log } from "./run_history";
import { age, moment } from "./words";

const PAGE = 500;

/** What the engine notes for itself; a person who asks what happened does not mean it. */
const INNER = new Set(["RecordsKept", "DecisionSigned", "WhenAnswered", "LocksNamed", "NextJudged", "GatesOpened", "ApprovalAwaited", "PhaseReady"]);

/** A type of event as words: PhaseApproved, "phase approved". */
const inWords = (type: string) => type.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();

export function Activity({ query: given }: { query: URLSearchParams }) {
  const [events, setEvents] = useState<ActivityView[]>([]);
  const [kind, setKind] = useKept("type", given.get("type") ?? "");
  const [actor, setActor] = useKept("actor", "");
  const [all, setAll] = useKept("all", false);
  const [error, setError] = useState<Refused | null>(null);
  const [whole, setWhole] = useState(false);
  const first = useRef(0);
  const at = useProject();
  const [since, setSince] = useKept("since", given.get("since") ?? "");
  const wanted = useRef(at.id);
  wanted.current = at.id;
  const older = async () => {
    const asked = at.id;
    const { data } = await ask<ActivityList>(`/activity${query({ limit: PAGE, before: first.current || null, project: at.id })}`);
    if (wanted.current !== asked) return;
    setError(null);
    first.current = data.last ?? 0;
    setWhole(data.events.length < PAGE);
    setEvents((was) => [...was, ...data.events.filter((each) => !was.some((one) => one.position === each.position))]);
  };
  useRetry(error, () => void older().catch(setError));
  useEffect(() => {
    const anew = () => {
      first.current = 0;
      setEvents([]);
      setWhole(false);
      older().catch(setError);
    };
    anew();
    return onLive((heard) => {
      if ("again" in heard) anew();
      if ("event" in heard && (!at.id || heard.event.project === at.id)) setEvents((was) => (was.some((one) => one.position === heard.event.position) ? was : [heard.event, ...was]));
    }) as () => void;
  }, [at.id]); // eslint-disable-line
  const kinds = useMemo(() => [...new Set(events.map((each) => each.type))].sort(), [events]);
  const actors = useMemo(() => [...new Set(events.map((each) => each.actor))].sort(), [events]);
  const shown = events.filter((each) => (kind ? each.type === kind : all || !INNER.has(each.type)) && (!actor || each.actor === actor) && (!since || moment(each.at) > moment(since)));
  const [marked, mark] = useLines(shown, (each) => to("runs", each.run));
  const save = () => {
    const lines = shown.map((each) => JSON.stringify(each)).join("\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines + "\n"], { type: "application/jsonl" }));
    link.download = "activity.jsonl";
    link.click();
    URL.revokeObjectURL(link.href);
  };
  return (
    <>
      <PageHead title="Activity" about="what happened in every run, newest first" />
      <Problem error={error} />
      <div className="filters">
        <ProjectChoice at={at} />
        <Choose label="Kind" all="all" names={kinds} says={inWords} now={kind} choose={setKind} />
        <Choose label="Who" all="everybody" names={actors} now={actor} choose={setActor} />
        <label className="row small soft">
          <input type="checkbox" checked={all} onChange={(event) => setAll(event.target.checked)} /> Also what the engine notes for itself
        </label>
        {since && (
          <button type="button" className="btn slim" onClick={() => setSince("")}>
            Since your last visit, {age(since)} ago: show everything
          </button>
        )}
        <button type="button" className="btn slim end" onClick={save}>
          Export {shown.length} as JSON lines
        </button>
      </div>
      {!events.length && !whole ? !error && <Waiting /> : <div className="panel">
        <Log events={at.many ? shown.map((each) => ({ ...each, title: `${each.title} (${at.names.get(each.project) ?? ""})` })) : shown} empty="Nothing has happened yet. Start a run: what it does appears here at once." run={{ marked, mark }} />
      </div>}
      {!whole && events.length > 0 && (
        <p style={{ marginTop: "0.75rem" }}>
          <button type="button" className="btn slim" onClick={() => void older().catch(setError)}>
            Show older events
          </button>
        </p>
      )}
    </>
  );
}
