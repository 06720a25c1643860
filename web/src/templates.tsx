// Templates: the list, with what can be done with each; and the way to the editor.
import { useState } from "react";
import { query, useAct, useAsk } from "./api";
import type { TemplateList } from "./api_types";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, Problem, Waiting } from "./parts";
import { send } from "./pin";
import { go, to } from "./route";
import { useRole } from "./session";
import { Clone, Import } from "./template_actions";
import { Editor } from "./template_editor";
import { grouped } from "./words";

export function Templates({ name, view }: { name: string; view: string }) {
  const at = useProject({ one: true });
  const { data, error, reload } = useAsk<TemplateList>(name ? null : `/templates${query({ project: at.id })}`, () => false);
  const [isAuthor, isAdmin] = [useRole("author", at.id), useRole("admin", at.id)];
  const [cloning, setCloning] = useState("");
  const [act, busy, refused] = useAct();
  if (name) return <Editor key={name} name={name} view={view} />;
  const makeDefault = (each: string) =>
    act(async () => {
      await send(`/templates/${encodeURIComponent(each)}/use`, { action: "default" });
      reload();
    });
  return (
    <>
      <header className="row wrap">
        <h1>Templates</h1>
        <span className="muted">what a run can start from; the default starts where none is named</span>
        <span className="end row wrap">
          <ProjectChoice at={at} one />
          {isAdmin && <Import done={(made) => go(to("templates", made))} />}
          <Cli text={`wfe-mcp templates list${at.cli}`} />
        </span>
      </header>
      <Problem error={error ?? refused} />
      {!data && !error && <Waiting />}
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
              {lines.map((each) => (
                <tr key={each.name}>
                  <td className="nowrap">
                    <a href={to("templates", each.name)}>{each.name}</a> {each.default && <span className="tag" title="Starts where no template is named">default</span>} {each.state && <span className="tag">{each.state}</span>}
                  </td>
                  <td>
                    {each.title}
                    <p className="muted small">{each.description}</p>
                  </td>
                  <td data-label="Version" className="num">{each.version}</td>
                  <td data-label="From" className="nowrap">{each.source || "wfe-mcp"}</td>
                  <td>
                    <span className="row acts">
                      {isAuthor && (
                        <a className="btn slim" href={to("start", each.name)} title={`wfe-mcp start ${each.name}`}>
                          Start
                        </a>
                      )}
                      {isAdmin && (
                        <button type="button" className="btn slim" aria-label={`Clone ${each.name}`} title={`wfe-mcp templates clone ${each.name} NEW`} onClick={() => setCloning(each.name)}>
                          Clone…
                        </button>
                      )}
                      {isAdmin && !each.default && (
                        <button type="button" className="btn slim bare" disabled={busy} aria-label={`Make ${each.name} the default`} title={`wfe-mcp templates default ${each.name}`} onClick={() => makeDefault(each.name)}>
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
