// One artifact: its fields, as Markdown, JSON or text, how it differs from any other, and its JSON beside the schema.
import { useState } from "react";
import { query, useAsk } from "./api";
import type { ActivityView, ArtifactPage, DifferenceView, RunList } from "./api_types";
import { cli } from "./cli";
import { Cli, Crumbs, NotThere, Problem, Section, Segments, Waiting } from "./parts";
import { Changes, Parts, type Part } from "./rendered";
import { go, to } from "./route";
import { age, count } from "./words";

const VIEWS = ["Fields", "Markdown", "JSON", "Text", "Difference", "Beside schema"];

const MANY = 60_000;
const cut = (text: string): string => (text.length > MANY ? `${text.slice(0, MANY)}\n[cut: ${MANY.toLocaleString("en")} of ${text.length.toLocaleString("en")} characters]` : text);

export function ArtifactPage({ run, phase, revision, query: given }: { run: string; phase: string; revision: number; query: URLSearchParams }) {
  const id = encodeURIComponent(run);
  const { data, error } = useAsk<ArtifactPage>(`/runs/${id}/artifact${query({ phase, revision: revision || null })}`, (event: ActivityView) => event.run === run && event.payload?.phase === phase);
  const asked = given.get("against") ?? "";
  const [view, setView] = useState(asked ? "Difference" : "Fields");
  if (error && !data) return <NotThere error={error} list="#/runs" called="all runs" />;
  if (!data) return <Waiting />;
  const json = JSON.stringify(data.content, null, 2);
  const before = data.revisions.filter((each) => each.revision < data.revision).pop();
  const against = asked || (before ? String(before.revision) : "");
  const show = (name: string) => to("artifact", run, phase, Number(name.split(" ")[1]));
  return (
    <>
      <Crumbs items={[{ text: "Runs", to: "#/runs" }, { text: `run ${run}`, to: to("runs", run) }, { text: phase, to: to("runs", run, "list", phase) }, data.artifact]} />
      <header className="headline">
        <h1>{data.artifact}</h1>
        <p className="who">
          <span>
            revision {data.revision} of {data.revisions.length}, attempt {data.attempt}, {data.schema}
          </span>
          <span title={data.at}>{age(data.at)} ago, {data.source}</span>
          <code title={data.sha256}>{data.sha256.slice(0, 12)}</code>
          {data.note && <span className="words">{data.note}</span>}
        </p>
      </header>
      <div className="filters">
        <Segments label="View" names={VIEWS} now={view} choose={setView} />
        {data.revisions.length > 1 && (
          <label className="row small soft">
            <span>Revision</span>
            <select value={`Revision ${data.revision}`} onChange={(event) => go(show(event.target.value))}>
              {data.revisions.map((each) => (
                <option key={each.revision}>Revision {each.revision}</option>
              ))}
            </select>
          </label>
        )}
        <span className="end row wrap">
          <a className="btn slim" href={to("form", run, phase)}>
            Edit…
          </a>
          <Cli text={cli`wfe-mcp artifact show ${data.revisions.length > 1 ? ["--revision", data.revision] : []} ${run} ${data.artifact}`} />
        </span>
      </div>
      <h2 className="hidden">{view}</h2>
      {view === "Fields" && <div className="panel body pad"><Parts parts={data.parts as Part[]} /></div>}
      {view === "Markdown" && <pre className="block wrapped" tabIndex={0} aria-label="As Markdown">{cut(data.markdown)}</pre>}
      {view === "JSON" && <pre className="block" tabIndex={0} aria-label="As JSON">{cut(json)}</pre>}
      {view === "Text" && (data.text ? <pre className="block wrapped" tabIndex={0} aria-label="As text">{cut(data.text)}</pre> : <p className="soft">This is a bundle of files: see its fields.</p>)}
      {view === "Difference" && <Diff run={run} data={data} against={against} />}
      {view === "Beside schema" && (
        <div className="beside even">
          <section className="panel" aria-label="As it was submitted">
            <header><h2>As it was submitted</h2></header>
            <pre className="block flat" tabIndex={0}>{cut(json)}</pre>
          </section>
          <section className="panel" aria-label="Schema">
            <header><h2>Schema</h2> <span className="soft">{data.schema}</span></header>
            <pre className="block flat" tabIndex={0}>{cut(JSON.stringify(data.json_schema, null, 2))}</pre>
          </section>
        </div>
      )}
      {(data.drafts ?? []).length > 0 && (
        <Section title="Refused submissions">
          <ul className="panel plist">
            {data.drafts?.map((draft) => (
              <li key={draft.artifact} className="row wrap pad">
                <b>{draft.artifact}</b> attempt {draft.attempt}, {count(draft.faults, "fault")}, {age(draft.at)} ago
                <span className="end"><Cli text={cli`wfe-mcp artifact show ${["--phase", phase]} ${run} ${draft.artifact}`} /></span>
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}

function Diff({ run, data, against }: { run: string; data: ArtifactPage; against: string }) {
  const id = encodeURIComponent(run);
  const runs = useAsk<RunList>("/runs?limit=100", () => false);
  const { data: found, error } = useAsk<DifferenceView>(against ? `/runs/${id}/artifacts${query({ phase: data.phase, revision: data.revision, against })}` : null, () => false);
  const known = [...data.revisions.map((revision) => String(revision.revision)), ...(runs.data?.runs ?? []).map((each) => `${each.run}:${data.phase}`)];
  const choose = (value: string) => go(`${to("artifact", run, data.phase, data.revision)}?against=${encodeURIComponent(value)}`);
  return (
    <div className="panel">
      <header>
        <label className="row small soft">
          <span>What changed since</span>
          <select value={against} onChange={(event) => choose(event.target.value)}>
            <option value="">choose</option>
            {known.includes(against) || !against ? null : <option>{against}</option>}
            <optgroup label="of this phase">
              {data.revisions.filter((revision) => revision.revision !== data.revision).map((revision) => (
                <option key={revision.revision} value={revision.revision}>
                  revision {revision.revision}, attempt {revision.attempt}
                </option>
              ))}
            </optgroup>
            <optgroup label="of another run">
              {(runs.data?.runs ?? []).filter((each) => each.run !== run).map((each) => (
                <option key={each.run} value={`${each.run}:${data.phase}`}>
                  {each.title} ({each.run})
                </option>
              ))}
            </optgroup>
          </select>
        </label>
      </header>
      <div className="body">
        {!against && <p className="soft">This is the first revision. Choose another run to compare with.</p>}
        <Problem error={error} />
        {found && (
          <>
            <p className="soft" role="status">
              {found.difference.length ? count(found.difference.length, "difference") : "No difference"} from revision {found.against}
              {found.against_run ? ` of run ${found.against_run}` : ""} to revision {found.revision}.
            </p>
            {found.difference.length > 0 && <Changes changes={found.difference} />}
          </>
        )}
      </div>
    </div>
  );
}
