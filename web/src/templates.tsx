// Templates: the list, with what can be done with each; and the way to the editor.
import { useState } from "react";
import { query, useAct, useAsk } from "./api";
import type { TemplateList } from "./api_types";
import { cli } from "./cli";
import { ProjectChoice, useProject } from "./in_project";
import { useLines } from "./keys";
import { Cli, Coded, PageHead, Problem, Waiting } from "./parts";
import { send } from "./pin";
import { go, to } from "./route";
import { useRole } from "./session";
import { Clone, Import, Unreadable } from "./template_actions";
import { Editor } from "./template_editor";
import { grouped } from "./words";

export function Templates({ name, view }: { name: string; view: string }) {
  const at = useProject({ one: true });
  const { data, error, reload } = useAsk<TemplateList>(name ? null : `/templates${query({ project: at.id })}`, () => false);
  const [isAuthor, isAdmin] = [useRole("author", at.id), useRole("admin", at.id)];
  const [cloning, setCloning] = useState("");
  const [act, busy, refused] = useAct(reload);
  const rows = grouped(data?.templates ?? []).flatMap(([, lines]) => lines);
  const [marked, mark] = useLines(rows, (row) => to("templates", row.name));
  if (name) return <Editor key={`${at.id} ${name}`} name={name} view={view} />;
  const makeDefault = (each: string) => act(() => send(`/templates/${encodeURIComponent(each)}/use`, { action: "default" }));
  return (
    <>
      <PageHead title="Templates" about="what a run can start from; the default starts where none is named">
        <span className="end row wrap">
          <ProjectChoice at={at} one />
          {isAdmin && <Import done={(made) => go(to("templates", made))} />}
          <Cli text={cli`wfe-mcp templates list`} />
        </span>
      </PageHead>
      <Problem error={error ?? refused} />
      {!data && !error && <Waiting />}
      <Unreadable names={data?.unreadable} />
      {cloning && <Clone name={cloning} close={() => setCloning("")} />}
      {data && (
        <table className="records panel" style={{ marginTop: "0.75rem" }}>
          <caption className="hidden">Templates, the default first</caption>
          <thead>
            <tr>
              <th>Template</th>
              <th>What it is for</th>
              <th>Version</th>
              <th>From</th>
              <th>
                <span className="hidden">Actions</span>
              </th>
            </tr>
          </thead>
          {grouped(data.templates).map(([heading, lines]) => (
            <tbody key={heading}>
              {heading && (
                <tr>
                  <th scope="rowgroup" colSpan={5}>
                    {heading}
                  </th>
                </tr>
              )}
              {lines.map((line) => (
                <tr key={line.name} aria-current={line === rows[marked] ? "true" : undefined}>
                  <td className="nowrap">
                    <a href={to("templates", line.name)} onFocus={() => mark(rows.indexOf(line))}>{line.name}</a> {line.default && <span className="tag" title="Starts where no template is named">default</span>} {line.state && <span className="tag">{line.state}</span>}
                  </td>
                  <td>
                    {line.title}
                    <p className="muted small"><Coded text={line.description ?? ""} /></p>
                  </td>
                  <td data-label="Version" className="num">{line.version}</td>
                  <td data-label="From" className="nowrap">{line.source || "wfe-mcp"}</td>
                  <td>
                    <span className="row acts">
                      {isAuthor && (
                        <a className="btn slim" href={to("start", line.name)} title={cli`wfe-mcp start ${line.name}`}>
                          Start
                        </a>
                      )}
                      {isAdmin && (
                        <button type="button" className="btn slim" aria-label={`Clone ${line.name}`} title={cli`wfe-mcp templates clone ${line.name} NEW`} onClick={() => setCloning(line.name)}>
                          Clone…
                        </button>
                      )}
                      {isAdmin && !line.default && (
                        <button type="button" className="btn slim bare" disabled={busy} aria-label={`Make ${line.name} the default`} title={cli`wfe-mcp templates default ${line.name}`} onClick={() => makeDefault(line.name)}>
                          Default
                        </button>
                      )}
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          ))}
        </table>
      )}
    </>
  );
}
