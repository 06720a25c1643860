// One decision: what is asked, what is unusual, the change, the artifact, the evidence; the decision always in reach.
import { useEffect, useMemo, useRef, useState } from "react";
import { useAsk } from "./api";
import { type Choice, Bar } from "./decision_bar";
import { sum, Outline, Artifact, Evidence, Opinions } from "./decision_parts";
import { File, Stat, anchorOf, placeOf, type Comment, type FileDiff } from "./diff";
import { useDraft } from "./draft";
import { Icon } from "./icons";
import { weightLook } from "./inbox";
import { useKeys } from "./keys";
import { useCommands } from "./palette";
import { Crumbs, Gates, Problem, Segments, State, Waiting, type Gate } from "./parts";
import { Parts, Value, type FieldChange, type Part } from "./rendered";
import { go, to } from "./route";
import { age, capital, count, folder, look } from "./words";

export interface Shown {
  question: string;
  effect: string;
  assurance: string;
  phrase?: string;
  phase: string;
  inputs?: { name: string; value: unknown }[];
  unusual?: { weight: string; text: string; why?: string }[];
  changes?: { since: string; note?: string; files?: FileDiff[]; watched?: { name: string; value: string }[] }[];
  prompt?: { text?: string | null; file: string; changes?: FieldChange[] };
  artifact?: ArtifactShown;
  earlier?: ArtifactShown[];
  evidence?: (Gate & { text?: string; at?: string; level?: string; details?: { name: string; value: unknown }[] })[];
  opinions?: { reviewer: string; model: string; state: string; summary?: string; findings?: { severity: string; title: string; place?: string; detail?: string; recommendation?: string }[] }[];
  attempts?: { number: number; state: string; reason?: string }[];
  attachments?: { number: number; name: string; media_type: string; size_bytes: number; by: string }[];
}

export interface ArtifactShown {
  name: string;
  phase: string;
  revision: number;
  schema: string;
  content: unknown;
  parts?: Part[];
  against?: number;
  changes?: FieldChange[];
  written?: string[];
}

export interface DecisionData {
  request: { id: string; run_id: string; phase: string; attempt: number; stage: string; sha256: string; created_at: string; expires_at?: string | null };
  state: "open" | "answered" | "expired" | "closed";
  project: string;
  title: string;
  template: string;
  tainted?: boolean;
  gating?: boolean;
  newer?: string | null;
  answer?: { approved: boolean; actor: string; channel: string; comment: string; at: string; to?: string } | null;
  back_to?: string[];
  passkeys?: string[];
  buttons?: string[];
  /** What of it a person can edit: `prompt` or `artifact`. */
  editable?: string;
  shown_sha256: string;
  command: string;
  shown?: Shown | null;
}

export function Decision({ request, at }: { request: string; at: string }) {
  const run = useRef("");
  const { data, error, reload } = useAsk<DecisionData>(`/decisions/${encodeURIComponent(request)}`, (event) => event.run === run.current);
  run.current = data?.request.run_id ?? "";
  useEffect(() => {
    if (!data?.gating) return;
    const timer = setInterval(reload, 2000);
    return () => clearInterval(timer);
  }, [data?.gating, reload]);
  if (error && !data) return <Problem error={error} />;
  if (!data) return <Waiting />;
  return data.shown ? <Open key={data.shown_sha256} data={data} shown={data.shown} at={at} reload={reload} /> : <Closed data={data} />;
}

function Head({ data, shown }: { data: DecisionData; shown?: Shown }) {
  const { request } = data;
  return (
    <>
      <Crumbs items={[{ text: "Inbox", to: "#/inbox" }, folder(data.project), { text: `run ${request.run_id}`, to: to("runs", request.run_id) }]} />
      <header className="headline">
        <h1>
          {request.stage === "before" ? "Let work start on" : "Approve"} {request.phase}: {data.title}
        </h1>
        <p className="who">
          {data.state === "open" && <State state="waiting" pill>Waiting for you, {age(request.created_at)}</State>}
          {data.tainted && <State state="weakened" pill>Tainted run</State>}
          <span>
            {data.template}, phase {request.phase}, attempt {request.attempt}
          </span>
          {request.expires_at && <span>valid until {request.expires_at}</span>}
        </p>
        {shown && (
          <dl className="ask">
            {(shown.inputs ?? []).map((each) => (
              <div key={each.name} style={{ display: "contents" }}>
                <dt>{capital(each.name)}</dt>
                <dd className="words">{typeof each.value === "string" ? each.value : JSON.stringify(each.value)}</dd>
              </div>
            ))}
            <dt>Question</dt>
            <dd>
              {shown.question} {shown.effect}
            </dd>
            <dt>Evidence</dt>
            <dd className="glance">
              {(shown.evidence ?? []).map((each, index) => (
                <span key={index} className={`s-${look(each.state) === "pending" ? "skipped" : look(each.state)}`}>
                  <Gates gates={[each]} />
                  {each.gate}: {each.state}
                </span>
              ))}
            </dd>
          </dl>
        )}
      </header>
    </>
  );
}

function Closed({ data }: { data: DecisionData }) {
  const said = data.answer;
  return (
    <>
      <Head data={data} />
      <p className={`note ${data.state === "answered" ? "yes" : "warn"}`} role="status">
        {data.gating
          ? "The files have changed, and the gates run again. This page goes on by itself."
          : data.state === "answered" && said
            ? `${said.approved ? "Approved" : `Sent back${said.to ? ` to ${said.to}` : ""}`} by ${said.actor} (${said.channel}). ${said.comment}`
            : data.state === "expired"
              ? "This request has expired. Ask again with the command."
              : "This request is closed: its revision is not open any more."}
      </p>
      <p className="row wrap">
        {data.newer && (
          <a className="btn solid" href={to("inbox", data.newer)}>
            Show the open request
          </a>
        )}
        <a className="btn" href="#/inbox">
          Back to the Inbox
        </a>
        <a className="btn" href={to("runs", data.request.run_id)}>
          Show the run
        </a>
      </p>
    </>
  );
}

function Open({ data, shown, at, reload }: { data: DecisionData; shown: Shown; at: string; reload: () => void }) {
  const id = data.request.id;
  const [comments, setComments] = useDraft<Comment[]>(`${id} lines`, []);
  const [viewed, setViewed] = useDraft<string[]>(`${id} viewed`, []);
  const [folded, setFolded] = useState<Set<string>>(() => new Set(shown.artifact?.written ?? []));
  const [split, setSplit] = useState(() => localStorage.getItem("wfe-split") === "1");
  const [since, setSince] = useState(0);
  const [talking, setTalking] = useState("");
  const [choice, setChoice] = useState<Choice>("");
  const [file, setFile] = useState(-1);
  const change = shown.changes?.[since] ?? shown.changes?.[0];
  const files = useMemo(() => change?.files ?? [], [change]);

  useEffect(() => {
    if (at) document.getElementById(at)?.scrollIntoView();
  }, [at]);

  const talk = {
    comments,
    open: talking,
    setOpen: setTalking,
    save: (comment: Comment) => {
      const others = comments.filter((each) => placeOf(each.file, each.side, each.line) !== placeOf(comment.file, comment.side, comment.line));
      setComments(comment.text.trim() ? [...others, comment] : others);
      setTalking("");
    },
  };
  const fold = (path: string, open: boolean) =>
    setFolded((was) => {
      const next = new Set(was);
      if (open) next.delete(path);
      else next.add(path);
      return next;
    });
  const view = (path: string, on: boolean) => {
    setViewed(on ? [...new Set([...viewed, path])] : viewed.filter((each) => each !== path));
    fold(path, !on);
  };
  const goFile = (by: number) => {
    const next = Math.min(files.length - 1, Math.max(0, file + by));
    const path = files[next]?.path;
    if (!path) return;
    setFile(next);
    document.getElementById(anchorOf(path))?.scrollIntoView();
  };
  const commentHere = () => {
    const here = files[Math.max(0, file)];
    const hunk = here?.hunks?.[0];
    if (!here || !hunk) return;
    const index = Math.max(0, hunk.lines.findIndex((line) => line[0] === "+"));
    const number = hunk.new_start + hunk.lines.slice(0, index).filter((line) => line[0] !== "-").length;
    fold(here.path, true);
    setTalking(placeOf(here.path, "new", number));
  };
  const toggleSplit = (on: boolean) => {
    localStorage.setItem("wfe-split", on ? "1" : "0");
    setSplit(on);
  };
  useKeys({
    n: () => goFile(1),
    p: () => goFile(-1),
    c: commentHere,
    v: () => {
      const path = files[Math.max(0, file)]?.path;
      if (path) view(path, !viewed.includes(path));
    },
    a: () => setChoice("approve"),
    s: () => setChoice("reject"),
    x: () => setChoice("reject"),
    e: data.editable ? () => (data.editable === "prompt" ? setChoice("edit") : go(to("form", data.request.run_id, data.request.phase))) : undefined,
    Escape: () => setChoice(""),
  });
  useCommands("decision", [
    { name: `Approve ${shown.phase}`, does: () => setChoice("approve"), cli: data.command },
    { name: `Send ${shown.phase} back`, does: () => setChoice("reject"), cli: data.command.replace(" approve ", " reject ") },
    { name: split ? "Show the change in one column" : "Show the change side by side", does: () => toggleSplit(!split) },
    { name: "Show the run", does: () => go(to("runs", data.request.run_id)) },
  ]);

  const unusual = shown.unusual ?? [];
  const document_ = shown.artifact && !["change@1", "failing_test@1", "report"].includes(shown.artifact.schema);
  const changeSection = change && (
    <section className="section" id="change" key="change">
      <header>
        <h2>Change</h2>
        {change.note ? <span className="soft">unknown</span> : (
          <>
            <span className="soft">{count(files.length, "file")} since {change.since}</span>
            <Stat added={sum(files, "added")} removed={sum(files, "removed")} />
          </>
        )}
        <span className="end row wrap">
          {(shown.changes?.length ?? 0) > 1 && (
            <Segments label="Compare with" names={(shown.changes ?? []).map((each) => `Since ${each.since}`)} now={`Since ${change.since}`} choose={(name) => setSince((shown.changes ?? []).findIndex((each) => `Since ${each.since}` === name))} />
          )}
          <Segments label="Layout of the change" names={["Unified", "Split"]} now={split ? "Split" : "Unified"} choose={(name) => toggleSplit(name === "Split")} />
        </span>
      </header>
      {change.note ? <p className="note warn">{change.note}</p> : files.length === 0 ? <p className="soft">No file changed.</p> : null}
      {files.map((each) => (
        <File
          key={each.path}
          file={each}
          split={split}
          viewed={viewed.includes(each.path)}
          view={(on) => view(each.path, on)}
          open={!folded.has(each.path)}
          toggle={(on) => fold(each.path, on)}
          talk={talk}
          mark={[shown.artifact, ...(shown.earlier ?? [])].find((one) => one?.written?.includes(each.path))?.name}
        />
      ))}
      {(change.watched ?? []).map((each) => (
        <p key={each.name} className="note">
          <code>{each.name}</code> is ignored by git and {each.value}; a check may read it. Its content is not shown.
        </p>
      ))}
    </section>
  );
  const artifactSection = shown.artifact && <Artifact key="artifact" artifact={shown.artifact} />;
  return (
    <>
      <Head data={data} shown={shown} />
      {unusual.length === 0 ? (
        <section className="unusual none">Nothing unusual.</section>
      ) : (
        <section className="unusual" id="unusual">
          <h2>{count(unusual.length, "thing is unusual here", "things are unusual here")}</h2>
          <ul>
            {unusual.map((each, index) => (
              <li key={index} className={`s-${weightLook(each.weight)}`}>
                <span className={`state s-${weightLook(each.weight)}`}>
                  <Icon name={weightLook(each.weight)} />
                  {each.weight}
                </span>
                <span className="sentence">{each.text}</span>
                <span className="why">{each.why}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <div className="split" style={{ marginTop: "1.5rem" }}>
        <Outline shown={shown} files={files} />
        <div>
          {shown.prompt && (
            <section className="section" id="prompt">
              <header>
                <h2>Prompt</h2>
                <span className="soft">what the agent gets</span>
              </header>
              <pre className="block" tabIndex={0}>{shown.prompt.text ?? `The file ${shown.prompt.file} no longer holds what the gates judged.`}</pre>
            </section>
          )}
          {document_ ? [artifactSection, changeSection] : [changeSection, artifactSection]}
          {(shown.earlier ?? []).length > 0 && (
            <section className="section" id="earlier">
              <header>
                <h2>Earlier artifacts</h2>
              </header>
              {(shown.earlier ?? []).map((each) => (
                <details key={each.name} className="panel">
                  <summary className="fold row" style={{ padding: "0.5rem 0.75rem" }}>
                    <b>{each.name}</b> <span className="soft">of {each.phase}, revision {each.revision}</span>
                  </summary>
                  <div className="body">{each.parts ? <Parts parts={each.parts} /> : <Value value={each.content} />}</div>
                </details>
              ))}
            </section>
          )}
          <Evidence shown={shown} />
          <Opinions shown={shown} />
          {(shown.attachments ?? []).length > 0 && (
            <section className="section" id="attached">
              <header>
                <h2>Attached files</h2>
              </header>
              <ul className="panel plist">
                {(shown.attachments ?? []).map((each) => (
                  <li key={each.number}>
                    <a href={`/attachment/${id}/${each.number}`} target="_blank" rel="noopener">
                      <Icon name="file" />
                      {each.name}
                      <span className="muted num">{each.size_bytes.toLocaleString("en")} bytes</span>
                    </a>
                  </li>
                ))}
              </ul>
            </section>
          )}
          {(shown.attempts ?? []).length > 0 && (
            <section className="section" id="attempts">
              <header>
                <h2>Earlier attempts</h2>
              </header>
              <ul className="panel">
                {(shown.attempts ?? []).map((each) => (
                  <li key={each.number} className="row wrap" style={{ padding: "0.5rem 0.75rem" }}>
                    <b>Attempt {each.number}</b> <State state={each.state} /> <span className="words">{each.reason}</span>
                  </li>
                ))}
              </ul>
            </section>
          )}
        </div>
      </div>
      <Bar data={data} shown={shown} choice={choice} setChoice={setChoice} comments={comments} viewed={viewed.length} files={files.length} reload={reload} sent={() => setComments([])} />
    </>
  );
}
