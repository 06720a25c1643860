// Full-text search of the history.
import { useEffect, useState } from "react";
import { ask, query, useAct, useAsk } from "./api";
import type { FoundView, HitView } from "./api_types";
import { cli, inFolder } from "./cli";
import { ProjectChoice, useProject, type InProject } from "./in_project";
import { Cli, Problem, Segments, Waiting } from "./parts";
import { go, to } from "./route";
import { age, folder } from "./words";

/** The page of what was found: a work item, the revision of an artifact, else its phase, else its run. */
export function place(hit: HitView, at: InProject): string {
  if (hit.item) return to("items", at.idOf(hit.project), hit.item);
  if (!hit.run) return "#/search";
  if (hit.revision && hit.phase) return to("artifact", hit.run, hit.phase, hit.revision);
  return to("runs", hit.run, "list", ...(hit.phase ? [hit.phase] : []));
}

export function Search({ text }: { text: string }) {
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  const [kind, setKind] = useState("all");
  const at = useProject();
  const path = `/search${query({ query: text, kind: kind === "all" ? null : kind.replace(" ", "_"), limit: 50, project: at.id, all: at.id ? null : "true" })}`;
  const { data, answer, error } = useAsk<FoundView>(text ? path : null, () => false);
  const [more, setMore] = useState<{ of: FoundView; hits: HitView[]; cursor?: string } | null>(null);
  const [act, busy, refused] = useAct();
  const { hits, cursor } = data && more?.of === data ? more : { hits: data?.hits ?? [], cursor: data?.cursor };
  const showMore = (of: FoundView) =>
    act(async () => {
      const next = (await ask<FoundView>(`${path}&${new URLSearchParams({ cursor: cursor ?? "" })}`)).data;
      setMore({ of, hits: [...hits, ...next.hits], cursor: next.cursor });
    });
  return (
    <div className="narrow">
      <h1>Search</h1>
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          go(`#/search?q=${encodeURIComponent(typed)}`);
        }}
      >
        <input type="text" aria-label="Words to search for" style={{ maxWidth: "30rem" }} value={typed} onChange={(event) => setTyped(event.target.value)} />
        <button className="btn solid">Search</button>
        <ProjectChoice at={at} />
        <Segments label="Kind" names={["all", "run", "artifact", "event", "decision", "finding", "blocker", "attachment", "work item"]} now={kind} choose={setKind} />
      </form>
      <Problem error={error ?? refused} />
      {text && !data && !error && <Waiting />}
      {data?.not_indexed ? <p className="soft" role="status">{answer?.summary}</p> : null}
      {data && !hits.length && <p className="soft">Nothing found. Try fewer words: every one of them must occur.</p>}
      {hits.length > 0 && (
        <ul className="panel plist">
          {hits.map((hit, index) => (
            <li key={index}>
              <a href={place(hit, at)} title={inFolder(hit.open ?? "", hit.project || undefined)}>
                <span />
                <span>
                  <span className="tag">{hit.kind.replace("_", " ")}</span> {[hit.title || hit.run, hit.phase, hit.run_title, hit.project ? folder(hit.project) : ""].filter(Boolean).join(", ")}
                </span>
                <span className="muted num">{age(hit.at)} ago</span>
                {hit.text && <small className="words">{hit.text}</small>}
              </a>
            </li>
          ))}
        </ul>
      )}
      {data && cursor && (
        <button type="button" className="btn" style={{ marginTop: "0.75rem" }} disabled={busy} onClick={() => showMore(data)}>
          Show more
        </button>
      )}
      <p style={{ marginTop: "0.75rem" }}>
        <Cli text={cli`wfe-mcp find ${at.cli} ${text || "WORDS"}`} />
      </p>
    </div>
  );
}
