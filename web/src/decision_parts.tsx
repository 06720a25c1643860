// What a decision is about, below its head: outline, artifact, evidence, opinions.
import { useState } from "react";
import { type Shown, type ArtifactShown } from "./decision";
import { Stat, anchorOf, type FileDiff } from "./diff";
import { Icon } from "./icons";
import { Gates, Segments, State } from "./parts";
import { Changes, Parts, Value } from "./rendered";
import { age, look } from "./words";

export const sum = (files: FileDiff[], key: "added" | "removed"): number => files.reduce((total, each) => total + (each[key] ?? 0), 0);

export function Outline({ shown, files }: { shown: Shown; files: FileDiff[] }) {
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

export function Artifact({ artifact }: { artifact: ArtifactShown }) {
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

export function Evidence({ shown }: { shown: Shown }) {
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

export function Opinions({ shown }: { shown: Shown }) {
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
