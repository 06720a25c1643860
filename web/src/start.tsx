// Start a run: a template, then its inputs as a form.
import { query, useAct, useAsk } from "./api";
import type { TemplateList } from "./api_types";
import { cli } from "./cli";
import { forget, useDraft } from "./draft";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, Coded, Field, NotThere, Problem, Waiting } from "./parts";
import { send } from "./pin";
import { leave, to } from "./route";
import { useRole } from "./session";
import { Unreadable } from "./template_actions";
import { TrustIt } from "./trust_it";
import { SchemaForm, type Schema } from "./schema_form";
import { grouped } from "./words";

interface Draft {
  values: Record<string, unknown>;
  title: string;
  auto: boolean;
}

export function Start({ template, started }: { template: string; started: () => void }) {
  const at = useProject({ one: true });
  const project = at.id;
  const { data, error } = useAsk<TemplateList>(`/templates${query({ project })}`, () => false);
  const whole = useAsk<{ template: { inputs?: Schema } & Record<string, unknown> }>(template ? `/templates/${encodeURIComponent(template)}${query({ project })}` : null, () => false);
  const [draft, setDraft] = useDraft<Draft>(`start ${at.chosen} ${template}`, { values: {}, title: "", auto: true });
  const { values, title, auto } = draft;
  const [act, busy, refused] = useAct();
  const isAuthor = useRole("author", project);
  const chosen = data?.templates.find((each) => each.name === template);
  const schema = whole.data?.template.inputs ?? {};
  const inputs = Object.entries(values).flatMap(([name, value]) => ["--input", `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`]);
  const command = cli`wfe-mcp start ${template} ${inputs} ${title ? ["--title", title] : []}`;
  if (!data && !error) return <Waiting />;
  if (!template)
    return (
      <>
        <h1>Start a run</h1>
        <p className="soft" style={{ marginBottom: "0.75rem" }}>Choose what the run should do. Your agent then works its phases, and the gates judge them.</p>
        <ProjectChoice at={at} one />
        <Problem error={error} />
        <Unreadable names={data?.unreadable} />
        {grouped(data?.templates ?? []).map(([heading, lines]) => (
          <section key={heading} className={heading && "section"}>
            {heading && (
              <header>
                <h2>{heading}</h2>
              </header>
            )}
            <ul className="panel plist">
              {lines.map((line) => (
                <li key={line.name}>
                  <a href={to("start", line.name)}>
                    <span />
                    <span>
                      <b>{line.title}</b> {line.default && <span className="tag" title="Starts where no template is named">default</span>}
                    </span>
                    <span className="muted code">{line.name}</span>
                    <small><Coded text={line.description ?? ""} /></small>
                  </a>
                </li>
              ))}
            </ul>
          </section>
        ))}
      </>
    );
  if (whole.error) return <NotThere error={whole.error} list="#/start" called="all templates" name={template} />;
  return (
    <>
      <h1>Start: {chosen?.title ?? template}</h1>
      <p className="soft">
        <Coded text={chosen?.description ?? ""} /> <a href={to("templates", template)}>Show the template</a>, or <a href="#/start">choose another one</a>.
      </p>
      <Problem error={refused} />
      {refused?.code === "needs_trust" && <TrustIt name={template} project={project} done={() => undefined} />}
      {whole.data && (
        <form
          className="formgrid"
          style={{ marginTop: "1rem" }}
          onSubmit={(event) => {
            event.preventDefault();
            act(async (isHere) => {
              const made = await send<unknown>("/runs", { template, inputs: values, title, project, auto });
              forget(`start ${at.chosen} ${template}`);
              started();
              if (isHere()) leave(to("runs", made.run ?? ""));
            });
          }}
        >
          <ProjectChoice at={at} one />
          <SchemaForm schema={schema} values={values} change={(next) => setDraft({ ...draft, values: next })} faults={refused?.details ?? []} />
          <Field label="Title" hint="what the run is about; else its inputs say it">
            <input type="text" value={title} onChange={(event) => setDraft({ ...draft, title: event.target.value })} />
          </Field>
          <label className="row">
            <input type="checkbox" checked={auto} onChange={(event) => setDraft({ ...draft, auto: event.target.checked })} /> Go on by itself when a phase passes
          </label>
          <span className="row wrap">
            <button className="btn solid" disabled={busy || !isAuthor} title={command}>
              {busy ? "Starting…" : "Start the run"}
            </button>
            {!isAuthor && <span className="soft">An author of the project starts runs.</span>}
            <Cli text={command} />
          </span>
        </form>
      )}
    </>
  );
}

