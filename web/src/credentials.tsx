// Credentials: names, kinds and dates of what checks log in with; a value is typed once and never shown again.
import { useState } from "react";
import { useAct, useAsk } from "./api";
import type { CredentialsView, CredentialView } from "./api_types";
import { cli } from "./cli";
import { Cli, Field, Options, Problem, Section, State } from "./parts";
import { send } from "./pin";

export function Credentials({ project }: { project: string }) {
  const { data, error, reload } = useAsk<CredentialsView>(`/credentials${project && `?project=${encodeURIComponent(project)}`}`, () => false);
  const [open, setOpen] = useState<CredentialView | "new" | null>(null);
  const [act, busy, refused] = useAct(reload);
  const remove = (each: CredentialView) => act(() => send(`/credentials/${encodeURIComponent(each.name)}/delete`, { project, scope: each.scope }));
  const kinds = data?.kinds ?? {};
  return (
    <Section id="credentials" title="Credentials" about="what checks log in with, by name; a value is never shown" acts={
      <button type="button" className="btn slim end" aria-expanded={open === "new"} title={cli`wfe-mcp credential add NAME`} onClick={() => setOpen(open ? null : "new")}>
        {open ? "Close the form" : "Add a credential"}
      </button>
    }>
      <Problem error={error ?? refused} />
      {open && <Values key={open === "new" ? "" : open.name} of={open === "new" ? null : open} kinds={kinds} project={project} done={() => { setOpen(null); reload(); }} />}
      {data?.credentials.length ? (
        <ul className="panel lines">
          {data.credentials.map((credential) => (
            <li key={`${credential.scope} ${credential.name}`}>
              <b>{credential.name}</b>
              <span className="soft only-said">{[credential.kind, `of this ${credential.scope}`, ...(credential.given_to ?? []).map((to) => `given to ${to}`), credential.used?.[0] && `last used by ${credential.used[0].to}, ${credential.used[0].at.slice(0, 10)}`].filter(Boolean).join(", ")}</span>
              {credential.expires_at && <State state={credential.state === "expired" ? "failed" : credential.state === "valid" ? "passed" : "waiting"}>{`${credential.state === "expired" ? "expired" : "expires"} ${credential.expires_at.slice(0, 10)}`}</State>}
              <span className="end row wrap">
                <button type="button" className="btn slim" title={cli`wfe-mcp credential rotate ${credential.name}`} aria-label={`Rotate ${credential.name}`} onClick={() => setOpen(credential)}>
                  Rotate
                </button>
                <button type="button" className="btn slim bare" disabled={busy} title={cli`wfe-mcp credential delete ${credential.name}`} aria-label={`Delete ${credential.name}`} onClick={() => remove(credential)}>
                  Delete
                </button>
              </span>
            </li>
          ))}
        </ul>
      ) : (
        <p className="soft">
          None is stored. A check gets one by its name in .wfe/config.toml: <code>{'credentials = { npm = "NPM_TOKEN" }'}</code>
        </p>
      )}
    </Section>
  );
}

/** The values of a new credential, or new ones of one that is there. */
function Values({ of, kinds, project, done }: { of: CredentialView | null; kinds: CredentialsView["kinds"]; project: string; done: () => void }) {
  const [name, setName] = useState(of?.name ?? "");
  const [kind, setKind] = useState(of?.kind ?? "token");
  const [expires, setExpires] = useState("");
  const [values, setValues] = useState<Record<string, string>>({});
  const [act, busy, refused] = useAct();
  const command = of ? cli`wfe-mcp credential rotate ${of.name}` : cli`wfe-mcp credential add --kind ${[kind]} ${name || "NAME"}`;
  const set = (part: string, value: string) => setValues((before) => ({ ...before, [part]: value }));
  return (
    <form
      className="panel pad stack"
      aria-label={of ? `Rotate ${of.name}` : "Add a credential"}
      onSubmit={(event) => {
        event.preventDefault();
        act(async () => {
          const body = { project, values, expires, ...(of ? { scope: of.scope } : { name, kind }) };
          await send(of ? `/credentials/${encodeURIComponent(of.name)}/rotate` : "/credentials", body);
          done();
        });
      }}
    >
      <div className="pair">
        {!of && (
          <>
            <Field label="Name">
              <input type="text" required pattern="[A-Za-z0-9][A-Za-z0-9_\-]*" title="letters, digits, hyphens" value={name} onChange={(event) => setName(event.target.value)} />
            </Field>
            <Field label="Kind">
              <select value={kind} onChange={(event) => { setKind(event.target.value); setValues({}); }}>
                <Options of={Object.keys(kinds)} />
              </select>
            </Field>
          </>
        )}
        {(kinds[kind] ?? []).map((part, index) => (
          <label key={part.name} className="field">
            <span>
              {part.name} {!part.required && <span className="hint">may be empty</span>}
            </span>
            {part.lines ? (
              <textarea rows={3} autoFocus={!!of && !index} autoComplete="off" spellCheck={false} required={part.required} value={values[part.name] ?? ""} onChange={(event) => set(part.name, event.target.value)} />
            ) : (
              <input type={part.secret ? "password" : "text"} autoFocus={!!of && !index} autoComplete="off" required={part.required && part.secret} value={values[part.name] ?? ""} onChange={(event) => set(part.name, event.target.value)} />
            )}
          </label>
        ))}
        <Field label="Expires" hint="90d, or a date; empty: never">
          <input type="text" value={expires} onChange={(event) => setExpires(event.target.value)} />
        </Field>
      </div>
      <p className="soft small">It is encrypted in the database, with your PIN, and goes only to the checks that your trusted configuration names.</p>
      <Problem error={refused} />
      <span className="row wrap">
        <button className="btn solid" disabled={busy} title={command}>
          {of ? "Rotate it" : "Store it"}
        </button>
        <Cli text={command} />
      </span>
    </form>
  );
}
