// What waits for you: decisions, tasks, opinions, what failed or is held, runs that stopped or are paused, trust. Nothing is decided here: nothing is asked before it was shown.
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useAsk, type Refused } from "./api";
import type { ActivityView, DecisionData, InboxView, NewsView, Unusual } from "./api_types";
import { inFolder } from "./cli";
import { useProject } from "./in_project";
import { useKeys, useMarked } from "./keys";
import { isNew, NewMark, News } from "./news";
import { Choose, Cli, Empty, Flag, type Gate, Gates, PageHead, Problem, Waiting } from "./parts";
import { go, to, useKept } from "./route";
import { Week } from "./statistics";
import { StuckLine } from "./stuck";
import { ReadyNext } from "./work";
import { age, count, folder, moment, type Look } from "./words";
import { Icon } from "./icons";

export interface Item {
  key: string;
  run: string;
  kind: "Decisions" | "Tasks" | "Opinions" | "Stopped" | "Trust";
  icon: Look | "key" | "model" | "form";
  look: Look;
  title: string;
  about: string;
  project: string;
  at: string;
  href: string;
  cli: string;
  unusual: Unusual[];
  gates: Gate[];
  details: string[];
  /** Of a decision: its request, whose change is loaded once the line is chosen. */
  request: string;
  /** At a server: why it is not for who looks, and who can do it. */
  others: string;
}

/** The kind of a line, how it looks, and what it says about its phase; of the whole run where `ofRun`. */
type Stop = [kind: Item["kind"], look: Look, says: string, ofRun?: "ofRun"];

const FAILED: Stop = ["Stopped", "failed", "failed"];
/** What a run waits for → its line. */
const STOPS: Record<string, Stop> = {
  stopped: ["Stopped", "failed", "The run stopped", "ofRun"],
  paused: ["Stopped", "waiting", "The run is paused", "ofRun"],
  held: ["Stopped", "waiting", "is completed, and the run waits for you to continue"],
  manual: ["Tasks", "waiting", "is yours in place of a model"],
  changed_file: ["Stopped", "warning", "has a changed file"],
  needs_trust: ["Trust", "weak", "needs trust"],
  needs_credential: ["Stopped", "waiting", "waits for a credential"],
  damaged: ["Stopped", "failed", "The run cannot be read", "ofRun"],
  untrusted_step: ["Trust", "weak", "has a step that needs trust"],
};

const none = { run: "", unusual: [], gates: [], details: [], request: "", others: "" };

/** What an agent or the engine notes while it works: nothing waits for a person by it alone, and no stuck run moves by it alone. */
const AT_WORK = new Set(["DecisionSigned", "GatesOpened", "LocksNamed", "NextJudged", "SubmissionRefused", "WhenAnswered"]);

export const changesWaits = (event: ActivityView): boolean => !AT_WORK.has(event.type);

/** What waits for who looks: what was handed to them, then the oldest first. */
export const waits = (data: InboxView): Item[] => all(data).filter((each) => !each.others);

/** Everything that waits, also for others. */
function all(data: InboxView): Item[] {
  const items: Item[] = [
    ...data.decisions.map((decision): Item => ({
      ...none,
      others: decision.for_others ?? "",
      key: decision.request,
      run: decision.run,
      kind: "Decisions",
      icon: "waiting",
      look: "waiting",
      title: `${decision.stage === "before" ? "Let work start on" : "Approve"} ${decision.phase}: ${decision.title}`,
      about: `${decision.template}, ${decision.phase}, attempt ${decision.attempt}`,
      project: decision.project,
      at: decision.asked_at,
      href: to("inbox", decision.request),
      cli: inFolder(decision.command, decision.project),
      unusual: [...(decision.tainted ? [{ weight: "weakened" as const, text: "The run is tainted." }] : []), ...(decision.unusual ?? [])],
      gates: decision.evidence ?? [],
      details: [...(decision.handed ? [decision.handed.text] : []), decision.question],
      request: decision.request,
    })),
    ...(data.unasked ?? []).map((each): Item => ({
      ...none,
      others: each.for_others ?? "",
      key: `ask ${each.run} ${each.phase}`,
      run: each.run,
      kind: "Decisions",
      icon: "waiting",
      look: "waiting",
      title: `Approve ${each.phase}: ${each.title}`,
      about: `${each.template}, ${each.phase}`,
      project: each.project,
      at: each.since,
      href: to("ask", each.run, each.phase),
      cli: inFolder(each.command, each.project),
      details: [each.question, "Your agent has not asked for this decision, or the request has expired. Open it to decide."],
    })),
    ...(data.tasks ?? []).map((task): Item => ({
      ...none,
      others: task.for_others ?? "",
      key: `task ${task.run} ${task.phase}`,
      run: task.run,
      kind: "Tasks",
      icon: "form",
      look: "waiting",
      title: `Your task: ${task.title}`,
      about: `${task.about}, ${task.template}, ${task.phase}`,
      project: task.project,
      at: task.since,
      href: to("form", task.run, task.phase),
      cli: inFolder(task.command, task.project),
      details: [`${task.about} goes on when you have filled in the form.`],
    })),
    ...(data.opinions ?? []).map((opinion): Item => ({
      ...none,
      others: opinion.for_others ?? "",
      key: `${opinion.run} ${opinion.phase} ${opinion.reviewer}`,
      run: opinion.run,
      kind: "Opinions",
      icon: "model",
      look: "waiting",
      title: `Your opinion on ${opinion.phase}, as ${opinion.reviewer}: ${opinion.title}`,
      about: opinion.run,
      project: opinion.project,
      at: "",
      href: `/${opinion.path}`,
      cli: inFolder(opinion.command, opinion.project),
    })),
    ...(data.stopped ?? []).map((each): Item => {
      const [kind, look, says, ofRun] = STOPS[each.kind] ?? FAILED;
      return {
        ...none,
        others: each.for_others ?? "",
        key: `${each.kind} ${each.run} ${each.phase ?? ""}`,
        run: each.run,
        kind,
        icon: kind === "Trust" ? "key" : kind === "Tasks" ? "form" : look,
        look,
        title: `${each.phase && !ofRun ? `${each.phase} ` : ""}${says}: ${each.title}`,
        about: each.phase ? `${each.template}, ${each.phase}` : each.template,
        project: each.project,
        at: each.since,
        href: each.phase ? to("runs", each.run, "list", each.phase) : to("runs", each.run),
        cli: inFolder(each.command, each.project),
        details: each.blockers.length ? [...each.blockers] : [each.question],
      };
    }),
    ...(data.trust ?? []).map((each): Item => ({
      ...none,
      others: each.for_others ?? "",
      key: `trust ${each.folder}`,
      kind: "Trust",
      icon: "key",
      look: "weak",
      title: `Review and trust in ${folder(each.folder)}`,
      about: [...each.names.map((name) => (name === "own" ? "your own configuration" : name)), ...(each.runs ?? []).map((title) => `for ${title}`)].join(", "),
      project: each.folder,
      at: "",
      href: `/${each.path}`,
      cli: inFolder("wfe-mcp trust", each.folder),
    })),
  ];
  const handed = new Set(data.decisions.filter((decision) => decision.handed).map((decision) => decision.request));
  const late = (each: Item) => (each.at ? moment(each.at) : Infinity);
  return items.sort((one, two) => Number(handed.has(two.request)) - Number(handed.has(one.request)) || late(one) - late(two) || 0);
}

const SNOOZED = "wfe-snoozed";
const snoozes = (): string => localStorage.getItem(SNOOZED) ?? "{}";

function snoozeUntil(next: Record<string, number>): void {
  localStorage.setItem(SNOOZED, JSON.stringify(next));
  window.dispatchEvent(new Event("storage")); // the browser tells only the other tabs
}

/** When each snoozed item is due, in every tab the same. */
function useSnoozes(): Record<string, number> {
  const text = useSyncExternalStore((changed) => {
    window.addEventListener("storage", changed);
    return () => window.removeEventListener("storage", changed);
  }, snoozes);
  return useMemo(() => JSON.parse(text) as Record<string, number>, [text]);
}

/** Those of ``items`` that are not snoozed. */
export function useAwake(items: Item[]): Item[] {
  const snoozed = useSnoozes();
  return items.filter((each) => (snoozed[each.key] ?? 0) < Date.now());
}

function tomorrow(): number {
  const at = new Date();
  at.setDate(at.getDate() + 1);
  at.setHours(9, 0, 0, 0);
  return at.getTime();
}

const KINDS = ["All", "Decisions", "Tasks", "Opinions", "Stopped", "Trust"] as const;

export function Inbox({ data, error, news }: { data: InboxView | null; error: Refused | null; news: NewsView | null }) {
  const inProject = useProject();
  const { nameOf } = inProject;
  const [kind, setKind] = useKept<(typeof KINDS)[number]>("kind", "All");
  const [project, setProject] = useKept("project", "");
  const snoozed = useSnoozes();
  const [chosen, setChosen] = useState("");
  const mine = useMemo(() => (data ? waits(data) : []), [data, inProject.isKnown]);
  const others = useMemo(() => (data ? all(data).filter((each) => each.others) : []), [data]);
  const awake = useAwake(mine);
  const shown = awake.filter((each) => (kind === "All" || each.kind === kind) && (!project || each.project === project));
  const projects = [...new Set(mine.map((each) => each.project))];
  const at = Math.max(0, shown.findIndex((each) => each.key === chosen));
  const item = shown[at];

  useMarked(item?.key);

  const move = (by: number) => {
    const next = shown[Math.min(shown.length - 1, Math.max(0, at + by))];
    if (next) setChosen(next.key);
  };
  const open = (where = "") => {
    if (!item) return;
    if (item.href.startsWith("/")) location.assign(item.href);
    else go(item.href + where);
  };
  const snooze = (key: string, until: number) => {
    setChosen((shown[at + 1] ?? shown[at - 1])?.key ?? "");
    snoozeUntil({ ...snoozed, [key]: until });
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    Enter: () => open(),
    o: () => open(),
    d: () => open("/change"),
    h: () => item && snooze(item.key, tomorrow()),
    f: () => setKind(KINDS[(KINDS.indexOf(kind) + 1) % KINDS.length] ?? "All"),
  });

  if (!data) return error ? <Problem error={error} /> : <Waiting />;
  const asleep = mine.length - awake.length;
  return (
    <>
      <PageHead title="Inbox" about={mine.length ? `${count(awake.length, "thing waits", "things wait")} for you${awake.length ? ` in ${count(new Set(awake.map((each) => each.project)).size, "project")}. Oldest first` : " now"}.` : "Nothing waits for you."} />
      {mine.length === 0 ? (
        <>
          <Empty
            title="You are up to date"
            steps={[
              { say: "Start a run: your agent then works on its phases.", cli: "wfe-mcp start" },
              { say: "See what runs now.", cli: "wfe-mcp status" },
              { say: "Connect another agent to this engine.", cli: "wfe-mcp install" },
            ]}
          >
            Approvals, tasks, questions, phases that failed or are held, runs that stopped or are paused, and changed configuration appear here by themselves.
          </Empty>
          <StuckLine stuck={data.stuck} />
          <ReadyNext at={inProject} />
          <News news={news} />
          <Week />
        </>
      ) : (
        <>
          <div className="filters">
            <span className="seg" role="group" aria-label="Kind">
              {KINDS.map((each) => (
                <button key={each} type="button" aria-pressed={each === kind} onClick={() => setKind(each)}>
                  {each} {awake.filter((one) => each === "All" || one.kind === each).length}
                </button>
              ))}
            </span>
            {projects.length > 1 && (
              <Choose label="Project" all="all projects" names={projects} says={nameOf} now={project} choose={setProject} />
            )}
            {asleep > 0 && (
              <button type="button" className="btn slim bare end" onClick={() => snoozeUntil({})}>
                Wake {count(asleep, "snoozed item")}
              </button>
            )}
          </div>
          <div className="triage">
            <div>
              <ul className="panel inbox" aria-label="What waits for you">
                {shown.map((each) => (
                  <li key={each.key}>
                    <a className="item" href={each.href} aria-current={each === item ? "true" : undefined} onFocus={() => setChosen(each.key)}>
                      <span className={`s-${each.look}`}>
                        <Icon name={each.icon} />
                      </span>
                      <span className="title">{each.title}</span>
                      <span className="age num">{each.at ? age(each.at) : ""}</span>
                      <span className="meta">
                        <span>{nameOf(each.project)}</span>
                        <span>{each.about}</span>
                        {isNew(news, each.run) && <NewMark />}
                        <Flags unusual={each.unusual} />
                        <Gates gates={each.gates} />
                      </span>
                    </a>
                  </li>
                ))}
                {shown.length === 0 && <li className="note">Nothing of this kind waits. Press f for the next kind.</li>}
              </ul>
              <p className="keybar">
                <span><kbd>j</kbd> / <kbd>k</kbd> move</span>
                <span><kbd>Enter</kbd> open</span>
                <span><kbd>d</kbd> open at the diff</span>
                <span><kbd>h</kbd> snooze</span>
                <span><kbd>f</kbd> filter</span>
                <span><kbd>?</kbd> all keys</span>
              </p>
              <StuckLine stuck={data.stuck} />
              <ReadyNext at={inProject} />
              <News news={news} />
              <Week />
            </div>
            {item && <Peek place={nameOf(item.project)} item={item} snooze={() => snooze(item.key, tomorrow())} open={() => open()} />}
          </div>
        </>
      )}
      {others.length > 0 && (
        <details className="panel later" open={mine.length === 0}>
          <summary className="fold row">For others {others.length}</summary>
          <ul className="listing" aria-label="What waits for others">
            {others.map((other) => (
              <li key={other.key}>
                <a href={other.href}>{other.title}</a> <span className="soft">{other.others}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

const WEIGHTS: Record<string, Look> = { weakened: "weak", weak: "weak", failed: "failed", warning: "warning", skipped: "skipped", note: "old" };
const weightLook = (weight: string): Look => WEIGHTS[weight] ?? "warning";

function Flags({ unusual }: { unusual: Unusual[] }) {
  const kinds = [...new Set(unusual.map((each) => weightLook(each.weight)))];
  const words: Partial<Record<Look, string>> = { weak: "weakened", failed: "failed", warning: "warning", skipped: "skipped", old: "note" };
  return (
    <>
      {kinds.map((kind) => {
        const n = unusual.filter((each) => weightLook(each.weight) === kind).length;
        return (
          <Flag key={kind} kind={kind}>
            {n > 1 ? `${n} ${words[kind]}${kind === "warning" || kind === "old" ? "s" : ""}` : words[kind]}
          </Flag>
        );
      })}
    </>
  );
}

const SETTLES_MS = 250;
const FILES = 8;

/** The decision of the chosen line, whole; nothing is asked while the keys still move. */
function useChosen(request: string): DecisionData | null {
  const [settled, setSettled] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setSettled(request), SETTLES_MS);
    return () => clearTimeout(timer);
  }, [request]);
  const run = useRef("");
  const asks = settled !== "" && settled === request;
  const { data } = useAsk<DecisionData>(asks ? `/decisions/${encodeURIComponent(request)}` : null, (event) => !run.current || event.run === run.current);
  run.current = data?.request.run_id ?? "";
  return data;
}

function Peek({ item, place, snooze, open }: { item: Item; place: string; snooze: () => void; open: () => void }) {
  const whole = useChosen(item.request)?.shown;
  const files = whole?.changes?.[0]?.files ?? [];
  const known = item.unusual.map((each) => each.text);
  const unusual = [...item.unusual, ...(whole?.unusual ?? []).filter((each) => !known.includes(each.text))];
  return (
    <aside className="panel peek" aria-label="Preview">
      <header>
        <span className="grow">
          <b>{item.title}</b>
        </span>
      </header>
      <div className="body">
        <p>
          <span className={`state s-${item.look} pill`}>
            <Icon name={item.look} />
            {item.look === "failed" ? "Stopped" : "Waiting for you"}
            {item.at ? `, ${age(item.at)}` : ""}
          </span>
        </p>
        <p className="soft small">{[place, item.about].join(", ")}</p>
        {item.details.map((detail, index) => (
          <p key={index} className="soft words">
            {detail}
          </p>
        ))}
        {unusual.length > 0 && (
          <div>
            <h2 className="label">{count(unusual.length, "thing is unusual", "things are unusual")}</h2>
            <ul className="flags">
              {unusual.map((each, index) => (
                <li key={index}>
                  <span className={`s-${weightLook(each.weight)}`}>
                    <Icon name={weightLook(each.weight)} />
                  </span>
                  {each.text}
                </li>
              ))}
            </ul>
          </div>
        )}
        {item.request !== "" && (
          <div aria-busy={!whole}>
            <h2 className="label">Change</h2>
            {files.slice(0, FILES).map((file) => (
              <p key={file.path} className="stat">
                <span className="plus">+{file.added ?? 0}</span> <span className="minus">−{file.removed ?? 0}</span> <span>{file.path}</span>
              </p>
            ))}
            {files.length > FILES && <p className="soft">{count(files.length - FILES, "more file")}</p>}
            {whole && files.length === 0 && <p className="soft">{whole.changes?.[0]?.note || "No file changed."}</p>}
            {!whole && <p className="soft">Loading the change</p>}
          </div>
        )}
        {item.gates.length > 0 && (
          <div>
            <h2 className="label">Evidence</h2>
            <dl className="kv tight">
              {item.gates.map((gate, index) => (
                <div key={index} style={{ display: "contents" }}>
                  <dt>{gate.gate}</dt>
                  <dd>
                    <Gates gates={[gate]} /> {gate.text || gate.state}
                  </dd>
                </div>
              ))}
            </dl>
          </div>
        )}
        <div className="row">
          <button type="button" className="btn solid grow" title={item.cli} onClick={open}>
            {item.kind === "Decisions" ? "Open to decide" : "Open"} <kbd>Enter</kbd>
          </button>
          <button type="button" className="btn" onClick={snooze}>
            <Icon name="clock" />
            Snooze
          </button>
        </div>
        <Cli text={item.cli} />
      </div>
    </aside>
  );
}
