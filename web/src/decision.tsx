// One decision: what is asked, what is unusual, the change, the artifact, the evidence; the decision always in reach.
import { useEffect, useMemo, useRef, useState } from "react";
import { ask, useAct, useAsk } from "./api";
import { File, Stat, anchorOf, placeOf, type Comment, type FileDiff } from "./diff";
import { Icon } from "./icons";
import { weightLook } from "./inbox";
import { useKeys } from "./keys";
import { useCommands } from "./palette";
import { Cli, Crumbs, Gates, Problem, Segments, State, Waiting, type Gate } from "./parts";
import { Changes, Parts, Value, type FieldChange, type Part } from "./rendered";
import { go, to } from "./route";
import { age, capital, count, folder, look } from "./words";

interface Shown {
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

interface ArtifactShown {
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

interface DecisionData {
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
  shown_sha256: string;
  command: string;
  shown?: Shown | null;
}

type Choice = "" | "approve" | "reject";

/** Text that a person typed for this request; it survives a reload and a new revision. */
function useDraft<T>(key: string, start: T): [T, (value: T) => void] {
  const name = `wfe-draft ${key}`;
  const [value, setValue] = useState<T>(() => {
    const kept = sessionStorage.getItem(name);
    return kept ? (JSON.parse(kept) as T) : start;
  });
  return [
    value,
    (next) => {
      sessionStorage.setItem(name, JSON.stringify(next));
      setValue(next);
    },
  ];
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

const sum = (files: FileDiff[], key: "added" | "removed"): number => files.reduce((total, each) => total + (each[key] ?? 0), 0);

function Outline({ shown, files }: { shown: Shown; files: FileDiff[] }) {
  const jump = (id: string) => (event: React.MouseEvent) => {
    event.preventDefault();
    document.getElementById(id)?.scrollIntoView();
  };
  const row = (id: string, name: string, end?: React.ReactNode) => (
    <a href={`#${id}`} onClick={jump(id)}>
      {name}
      {end !== undefined && <span className="end">{end}</span>}
    </a>
  );
  return (
    <nav className="outline" aria-label="On this page">
      <ul>
        {shown.prompt && <li>{row("prompt", "Prompt")}</li>}
        <li>
          {row("change", "Change", <Stat added={sum(files, "added")} removed={sum(files, "removed")} />)}
          <ul className="sub">
            {files.slice(0, 12).map((each) => (
              <li key={each.path}>
                <a href={`#${anchorOf(each.path)}`} onClick={jump(anchorOf(each.path))}>
                  <span className="clip">{each.path}</span>
                </a>
              </li>
            ))}
          </ul>
        </li>
        {shown.artifact && <li>{row("artifact", "Artifact", `rev. ${shown.artifact.revision}`)}</li>}
        {(shown.earlier ?? []).length > 0 && <li>{row("earlier", "Earlier artifacts", shown.earlier?.length)}</li>}
        <li>{row("evidence", "Evidence", <Gates gates={shown.evidence ?? []} />)}</li>
        {(shown.opinions ?? []).length > 0 && <li>{row("opinions", "Opinions", shown.opinions?.length)}</li>}
        {(shown.attempts ?? []).length > 0 && <li>{row("attempts", "Earlier attempts", shown.attempts?.length)}</li>}
      </ul>
      <p className="keys">
        {[["n", "next file"], ["c", "comment on line"], ["v", "mark file viewed"], ["a", "approve"], ["s", "send back"], ["?", "all keys"]].map(([key, does]) => (
          <span key={key} style={{ display: "contents" }}>
            <kbd>{key}</kbd>
            {does}
          </span>
        ))}
      </p>
    </nav>
  );
}

function Artifact({ artifact }: { artifact: ArtifactShown }) {
  const [view, setView] = useState("Fields");
  const names = ["Fields", ...(artifact.against ? ["Difference"] : []), "JSON"];
  return (
    <section className="section" id="artifact">
      <header>
        <h2>Artifact</h2>
        <span className="soft">
          {artifact.name}, revision {artifact.revision}, schema {artifact.schema}
        </span>
        <span className="end">
          <Segments label="View of the artifact" names={names} now={view} choose={setView} />
        </span>
      </header>
      <div className="panel">
        <div className="body">
          {view === "JSON" ? (
            <pre className="block" tabIndex={0}>{JSON.stringify(artifact.content, null, 2)}</pre>
          ) : view === "Difference" ? (
            <Changes changes={artifact.changes ?? []} />
          ) : artifact.parts ? (
            <Parts parts={artifact.parts} />
          ) : (
            <Value value={artifact.content} />
          )}
        </div>
      </div>
    </section>
  );
}

function Evidence({ shown }: { shown: Shown }) {
  return (
    <section className="section" id="evidence">
      <header>
        <h2>Evidence</h2>
        <span className="soft">what the server ran itself</span>
      </header>
      <div className="panel ledger">
        {(shown.evidence ?? []).map((each, index) => (
          <details key={index}>
            <summary>
              <Gates gates={[each]} />
              <span className="gate-name">{each.gate}</span>
              <span className={`s-${look(each.state) === "pending" ? "skipped" : look(each.state)}`}>{each.state}</span>
              <span className="sentence">{each.text}</span>
              <span className="time muted small">{each.at ? `${age(each.at)} ago` : ""}</span>
            </summary>
            <div className="detail">
              <dl className="kv tight">
                {each.level && (
                  <>
                    <dt>Level</dt>
                    <dd>{each.level}</dd>
                  </>
                )}
                {(each.details ?? []).map((one) => (
                  <div key={one.name} style={{ display: "contents" }}>
                    <dt>{one.name}</dt>
                    <dd>
                      <Value value={one.value} />
                    </dd>
                  </div>
                ))}
              </dl>
            </div>
          </details>
        ))}
        {(shown.evidence ?? []).length === 0 && <p className="soft" style={{ padding: "0.75rem" }}>No gate ran before this one.</p>}
      </div>
    </section>
  );
}

function Opinions({ shown }: { shown: Shown }) {
  if (!shown.opinions?.length) return null;
  return (
    <section className="section" id="opinions">
      <header>
        <h2>Opinions</h2>
        <span className="soft">what reviewers claim</span>
      </header>
      {shown.opinions.map((each) => (
        <div key={each.reviewer} className="panel" style={{ marginBottom: "0.5rem" }}>
          <header>
            <Icon name="model" />
            <b>{each.reviewer}</b>
            <span className="soft">{each.model}</span>
            <State state={each.state} />
          </header>
          <div className="body stack">
            {each.summary && <p className="words">{each.summary}</p>}
            {(each.findings ?? []).map((one, index) => (
              <p key={index}>
                <span className={`sev ${one.severity}`}>{one.severity}</span> <b>{one.title}</b> {one.place && <code>{one.place}</code>}
                {one.detail && <span className="words"> {one.detail}</span>}
              </p>
            ))}
          </div>
        </div>
      ))}
    </section>
  );
}

function Bar({ data, shown, choice, setChoice, comments, viewed, files, reload, sent }: {
  data: DecisionData;
  shown: Shown;
  choice: Choice;
  setChoice: (choice: Choice) => void;
  comments: Comment[];
  viewed: number;
  files: number;
  reload: () => void;
  sent: () => void;
}) {
  const { request } = data;
  const [comment, setComment] = useDraft(`${request.id} comment`, "");
  const [feedback, setFeedback] = useDraft(`${request.id} feedback`, "");
  const [back, setBack] = useState("");
  const [pin, setPin] = useState("");
  const [phrase, setPhrase] = useState("");
  const [act, busy, error] = useAct();
  const stale = error?.code === "stale_revision";
  const needsKey = shown.assurance === "passkey";
  const reject = data.command.replace(" approve ", " reject ");

  const send = () =>
    act(async () => {
      const common = { pin, sha256: request.sha256, shown: data.shown_sha256 };
      try {
        if (choice === "approve") await ask(`/decisions/${request.id}/approve`, { ...common, comment, phrase });
        else await ask(`/decisions/${request.id}/reject`, { ...common, feedback, to: back, comments });
        sent();
        reload();
      } finally {
        setPin("");
      }
    });
  const pinField = (
    <label className="field">
      <span>
        PIN {needsKey && <span className="hint">this gate asks for a passkey</span>}
      </span>
      <input type="password" autoComplete="off" required value={pin} onChange={(event) => setPin(event.target.value)} />
    </label>
  );
  return (
    <section className="decide" aria-label="Your decision">
      {choice !== "" && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
        >
          <div className={`pane ${choice === "approve" ? "yes" : "back"}`}>
            <p className="then">
              {choice === "approve"
                ? `${shown.effect} Your decision is signed over the change, the evidence and everything else on this page.`
                : `A new attempt begins with your text${comments.length ? ` and ${count(comments.length, "line comment")}` : ""}.`}
            </p>
            {choice === "approve" ? (
              <label className="field">
                <span>
                  Comment <span className="hint">optional, kept with the decision</span>
                </span>
                <input type="text" autoFocus value={comment} onChange={(event) => setComment(event.target.value)} />
              </label>
            ) : (
              <>
                <label className="field">
                  <span>What should be different?</span>
                  <textarea autoFocus rows={3} required={!comments.length} value={feedback} onChange={(event) => setFeedback(event.target.value)} />
                </label>
                <label className="field">
                  <span>Back to</span>
                  <select value={back} onChange={(event) => setBack(event.target.value)}>
                    <option value="">{shown.phase} (attempt {request.attempt + 1})</option>
                    {(data.back_to ?? []).filter((each) => each !== shown.phase).map((each) => (
                      <option key={each} value={each}>
                        {each}
                      </option>
                    ))}
                  </select>
                </label>
              </>
            )}
            {choice === "approve" && shown.phrase && (
              <label className="field">
                <span>Type “{shown.phrase}”</span>
                <input type="text" required value={phrase} onChange={(event) => setPhrase(event.target.value)} />
              </label>
            )}
            {pinField}
            <span className="row">
              <button className={`btn ${choice === "approve" ? "yes" : "solid"} grow`} type="submit" disabled={busy} title={choice === "approve" ? data.command : reject}>
                {busy ? "Signing…" : choice === "approve" ? "Sign approval" : "Sign and send back"}
              </button>
              {(data.passkeys ?? []).length > 0 && (
                <a className="btn" href={`/decide/${request.id}`} title="Sign with a passkey on the plain page">
                  <Icon name="key" />
                  Passkey
                </a>
              )}
            </span>
            {error && (
              <p className="problem" role="alert">
                Nothing was decided. {error.message} {error.hint}{" "}
                {stale && (
                  <button type="button" className="btn slim" onClick={reload}>
                    Show what is open now
                  </button>
                )}
              </p>
            )}
          </div>
        </form>
      )}
      <div className="rest">
        <span className="choices" role="group" aria-label="Decision">
          <button type="button" className="btn" aria-pressed={choice === "approve"} title={data.command} onClick={() => setChoice(choice === "approve" ? "" : "approve")}>
            <Icon name="passed" />
            Approve
          </button>
          <button type="button" className="btn" aria-pressed={choice === "reject"} title={reject} onClick={() => setChoice(choice === "reject" ? "" : "reject")}>
            <Icon name="back" />
            Send back
          </button>
        </span>
        <span className="facts">
          {files > 0 && <span>{viewed} of {count(files, "file")} viewed</span>}
          {comments.length > 0 && <span>{count(comments.length, "line comment")}</span>}
          <span title="sha256 of everything on this page">
            signs <code>{data.shown_sha256.slice(0, 8)}</code>
          </span>
        </span>
        <span className="end">
          <Cli text={choice === "reject" ? reject : data.command} />
        </span>
      </div>
    </section>
  );
}
