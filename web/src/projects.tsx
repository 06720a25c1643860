// Projects: their runs, checks and templates.
import { useState } from "react";
import { beginsOrEnds, useAct, useAsk } from "./api";
import type { InboxView, MoveView, ProjectContents, ProjectList, ProjectRow, ProjectView, TemplateList } from "./api_types";
import { chooseProject } from "./chosen";
import { cli } from "./cli";
import { Facts } from "./facts";
import { Findings } from "./findings";
import { Ask, Cli, Field, Flag, Integrity, NotThere, Options, PageHead, Problem, Records, Section, State, Waiting } from "./parts";
import { send } from "./pin";
import { go, to } from "./route";
import { useRole, useRoleSomewhere } from "./session";
import { Statistics } from "./statistics";
import { age, count, progress } from "./words";

export function Projects({ id, inbox }: { id: string; inbox: InboxView | null }) {
  const [folder_, setFolder] = useState("");
  const [name, setName] = useState("");
  const [template, setTemplate] = useState("");
  const offered = useAsk<TemplateList>(id ? null : "/templates", () => false);
  const { data, error, reload } = useAsk<ProjectList>(id ? null : "/projects", beginsOrEnds);
  const [act, busy, refused] = useAct(reload); // a folder whose template was refused is known from then on
  const addsOne = useRoleSomewhere("admin");
  if (id) return <Project id={id} inbox={inbox} />;
  return (
    <div className="narrow">
      <PageHead title="Projects">
        <span className="end">
          <Cli text="wfe-mcp init" />
        </span>
      </PageHead>
      <Problem error={error ?? refused} />
      {addsOne && <form
        className="filters"
        aria-label="Add a project"
        onSubmit={(event) => {
          event.preventDefault();
          act(async (isHere) => {
            const made = await send<ProjectView>("/projects", { folder: folder_, name, template });
            if (isHere()) go(to("projects", made.data.project));
          });
        }}
      >
        <label className="stack small" style={{ flex: "1 1 16rem" }}>
          Folder of the project
          <input type="text" required placeholder="an absolute path" value={folder_} onChange={(event) => setFolder(event.target.value)} />
        </label>
        <label className="stack small" style={{ flex: "1 1 16rem" }}>
          Name of the project
          <input type="text" placeholder="else the folder's" value={name} onChange={(event) => setName(event.target.value)} />
        </label>
        <label className="stack small" style={{ flex: "1 1 16rem" }}>
          Default template
          <input type="text" list="wfe-templates" placeholder="else the shipped one; also one of the folder's own" value={template} onChange={(event) => setTemplate(event.target.value)} />
          <datalist id="wfe-templates">
            <Options of={(offered.data?.templates ?? []).filter((each) => !["project", "stored"].includes(each.source ?? "")).map((each) => each.name)} />
          </datalist>
        </label>
        <button className="btn" disabled={busy} title={cli`wfe-mcp project add`}>
          Add a project
        </button>
        <span className="soft small">a folder of this machine; nothing in it changes</span>
      </form>}
      {!data && !error && <Waiting />}
      {data && (
        <ul className="panel plist" style={{ marginTop: "0.75rem" }}>
          {data.projects.map((project) => (
            <li key={project.project}>
              {project.missing ? (
                <Missing project={project} done={reload} />
              ) : (
                <>
                  <a href={to("projects", project.project)}>
                    <span />
                    <b>{project.name}</b>
                    <span className="muted">{count(project.open_runs ?? 0, "open run")}</span>
                    <small>{project.root}</small>
                  </a>
                  {project.earlier && <Earlier project={project} done={reload} />}
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** A project whose folder is gone: where it is now, or out of the list. */
function Missing({ project, done }: { project: ProjectRow; done: () => void }) {
  const [place, setPlace] = useState("");
  const [found, setFound] = useState<MoveView | null>(null);
  const [act, busy, refused] = useAct();
  const path = `/projects/${encodeURIComponent(project.project)}`;
  const move = (shown: string[]) =>
    act(async () => {
      const answer = (await send<MoveView>(`${path}/move`, { folder: place, shown })).data;
      setFound(answer);
      if (answer.moved) done();
    });
  return (
    <section className="stack" aria-label={`${project.name}, missing`} style={{ padding: "0.75rem" }}>
      <span className="row wrap">
        <b>{project.name}</b> <Flag kind="weak">folder missing</Flag>
        <span className="muted">{count(project.open_runs ?? 0, "open run")}</span>
      </span>
      <small className="words">{project.root}</small>
      <form
        className="filters"
        aria-label={`Where ${project.name} is now`}
        onSubmit={(event) => {
          event.preventDefault();
          move(found ? [...found.lines] : []);
        }}
      >
        <input type="text" required aria-label="Where it is now" placeholder="the folder in which it is now" value={place} onChange={(event) => { setPlace(event.target.value); setFound(null); }} />
        <button className="btn" disabled={busy} title={cli`wfe-mcp project move ${project.root}`}>
          {found ? "It is the same project" : "It was renamed or moved"}
        </button>
        <Forget project={project} busy={busy} act={act} done={done} />
      </form>
      {found && <ul className="words">{found.lines.map((line) => <li key={line}>{line.trim()}</li>)}</ul>}
      <Problem error={refused} />
    </section>
  );
}

/** A project whose folder is another one by now, such as after its .git was made anew. */
function Earlier({ project, done }: { project: ProjectRow; done: () => void }) {
  const [act, busy, refused] = useAct();
  return (
    <div style={{ padding: "0 0.75rem 0.5rem" }}>
      <div className="row wrap">
        <Flag kind="old">earlier: this folder is another project now</Flag>
        <Forget project={project} busy={busy} act={act} done={done} />
      </div>
      <Problem error={refused} />
    </div>
  );
}

const Forget = ({ project, busy, act, done }: { project: ProjectRow; busy: boolean; act: ReturnType<typeof useAct>[0]; done: () => void }) => (
  <button type="button" className="btn" disabled={busy} title={cli`wfe-mcp project forget ${project.project}`} onClick={() => act(async () => { await send(`/projects/${encodeURIComponent(project.project)}/forget`, {}); done(); })}>
    Forget it
  </button>
);

function Project({ id, inbox }: { id: string; inbox: InboxView | null }) {
  const { data, error, reload } = useAsk<ProjectView>(`/projects/${encodeURIComponent(id)}`, (event) => event.project === id);
  const [isAuthor, isAdmin] = [useRole("author", id), useRole("admin", id)];
  if (error && !data) return <NotThere error={error} list="#/projects" called="all projects" />;
  if (!data) return <Waiting />;
  const untrusted = inbox?.trust?.find((each) => each.folder === data.root);
  const choose = () => chooseProject(id); // the pages that these links lead to show one project at a time
  return (
    <div className="narrow">
      <header className="stack">
        <h1>{data.name}</h1>
        <p className="soft code">{data.root}</p>
        {isAdmin && <Rename key={data.name} id={id} name={data.name} done={reload} />}
      </header>
      <Section title="Open runs" acts={isAuthor && (
          <a className="btn slim end" href="#/start" onClick={choose}>
            Start a run
          </a>
      )}>
        {data.runs.length ? (
          <ul className="panel plist">
            {data.runs.map((run) => (
              <li key={run.run}>
                <a href={to("runs", run.run)}>
                  <span />
                  <span>{run.title} <Integrity run={run} /></span>
                  <State state={run.state} run />
                  <small>{[progress(run), run.template, `${age(run.updated_at)} ago`].filter(Boolean).join(", ")}</small>
                </a>
              </li>
            ))}
          </ul>
        ) : (
          <p className="soft">None. {isAuthor && <a href="#/start" onClick={choose}>Start one.</a>}</p>
        )}
      </Section>
      <p className="soft after">
        <a href="#/settings/providers" onClick={choose}>Providers and roles</a>: add a provider, test it, and say who fills which role.
      </p>
      <fieldset disabled={!isAdmin}>
        <Stack id={id} />
      </fieldset>
      <Section title="Checks">
        {data.checks.length ? (
          <dl className="kv panel body" style={{ padding: "0.75rem" }}>
            {data.checks.map((check) => (
              <div key={check.check} style={{ display: "contents" }}>
                <dt>{check.check}</dt>
                <dd>
                  <code>{check.argv.join(" ")}</code> <span className="tag">{check.where}</span>
                </dd>
              </div>
            ))}
          </dl>
        ) : (
          <p className="soft">
            {untrusted || data.untrusted ? (
              <>
                What its configuration runs counts once you trust it. {untrusted ? <a href={`/${untrusted.path}`}>Review it</a> : <Cli text="wfe-mcp trust" />}
              </>
            ) : (
              <>
                No check is configured: gates of the kind command cannot run. <Cli text="wfe-mcp init" />
              </>
            )}
          </p>
        )}
      </Section>
      <Section title="Templates" about={`the default is ${data.default_template || "not set"}`}>
        <ul className="panel plist">
          {data.templates.map((template) => (
            <li key={template.name}>
              <a href={to("templates", template.name)} onClick={choose}>
                <span />
                <b>{template.name}</b>
                <span className="muted">{template.version}</span>
                <small>{template.title}</small>
              </a>
            </li>
          ))}
        </ul>
      </Section>
      <Statistics id={id} />
    </div>
  );
}

/** Another name for the project; nothing on the disk changes. */
function Rename({ id, name, done }: { id: string; name: string; done: () => void }) {
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState(name);
  const [act, busy, refused] = useAct();
  const rename = () =>
    act(async () => {
      await send(`/projects/${encodeURIComponent(id)}/rename`, { name: typed });
      setOpen(false);
      done();
    });
  return (
    <>
      <p>
        <button type="button" className="btn slim" title={cli`wfe-mcp project rename ${id} NAME`} onClick={() => setOpen(true)}>
          Rename…
        </button>
      </p>
      {open && (
        <Ask title={`Rename ${name}`} onClose={() => setOpen(false)}>
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              rename();
            }}
          >
            <Field label="Name" hint="without one, it is called as its folder">
              <input type="text" maxLength={200} value={typed} onChange={(event) => setTyped(event.target.value)} />
            </Field>
            <Problem error={refused} />
            <span className="row">
              <button className="btn solid" disabled={busy}>
                Rename
              </button>
              <button type="button" className="btn" onClick={() => setOpen(false)}>
                Back
              </button>
            </span>
          </form>
        </Ask>
      )}
    </>
  );
}

/** What the files say: language, package manager and test runner of each folder; and checks that `init` would add. */
function Stack({ id }: { id: string }) {
  const { data, error, reload } = useAsk<ProjectContents>(`/projects/${encodeURIComponent(id)}/stack`, () => false);
  const proposed = data?.checks.filter((check) => !check.configured) ?? [];
  return (
    <>
    <Section id="stack" title="Stack" about="as its files say; nothing of it ran" acts={
      <span className="end">
        <Cli text="wfe-mcp project show" />
      </span>
    }>
      <Problem error={error} />
      {!data && !error && <Waiting />}
      {data && !data.stack?.length && <p className="soft">No manifest of a known tool chain is in this folder.</p>}
      {!!data?.stack?.length && (
        <Records says="Stack, the project&apos;s own folder first" heads={["Folder", "Language", "Package manager", "Test runner", "Check"]}>
          {data.stack.map((each, index) => (
            <tr key={index}>
              <td>{each.folder === "." ? "the project" : each.folder}</td>
              <td data-label="Language">{each.language}</td>
              <td data-label="Package manager">{each.manager}</td>
              <td data-label="Test runner">{each.runner || <span className="muted">none found</span>}</td>
              <td data-label="Check">{each.check && <><b>{each.check}</b> <code>{each.command?.join(" ")}</code></>}</td>
            </tr>
          ))}
        </Records>
      )}
      {proposed.length > 0 && (
        <div className="soft after" id="suggested">
          Suggested checks, which <code>{cli`wfe-mcp init`}</code> tries and adds when you confirm:
          <ul>
            {proposed.map((each) => (
              <li key={each.name}>
                <b>{each.name}</b> <code>{each.argv.join(" ")}</code> {each.why && <span className="muted">because of {each.why}</span>}
              </li>
            ))}
          </ul>
        </div>
      )}
    </Section>
    {data && <Findings findings={data.findings ?? []} />}
    {data && <Facts project={id} facts={data.facts ?? []} changed={reload} />}
    </>
  );
}
