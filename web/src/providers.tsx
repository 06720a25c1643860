// Providers: the models that can be called, where their keys are, and a test of each; one can be added here.
import { useState } from "react";
import { ask, useAct } from "./api";
import type { ProviderSetting, RoleSetting } from "./api_types";
import { cli } from "./cli";
import { Cli, Field, Flag, Options, Problem, Section, State } from "./parts";
import { send } from "./pin";
import { atServer } from "./session";

export interface Outcome {
  good: boolean;
  text: string;
}

export function Providers({ found, kinds, project, outcomes, busy, test, changed }: {
  found: ProviderSetting[];
  kinds: string[];
  project: string;
  outcomes: Record<string, Outcome>;
  busy: boolean;
  test: (name: string) => void;
  changed: () => void;
}) {
  const [adding, setAdding] = useState(false);
  const [keyOf, setKeyOf] = useState("");
  const [act, working, refused] = useAct(changed);
  const path = (name: string, what: string) => `/settings/providers/${encodeURIComponent(name)}/${what}`;
  const turn = (each: ProviderSetting) => act(() => ask(path(each.name, "enabled"), { project, enabled: !each.enabled }));
  const remove = (each: ProviderSetting) => act(() => send(path(each.name, "remove"), { project }));
  return (
    <Section id="providers" title="Providers" about="a key is named by where it comes from; it is never shown" acts={
      <button type="button" className="btn slim end" aria-expanded={adding} title={cli`wfe-mcp providers add NAME`} onClick={() => setAdding(!adding)}>
        {adding ? "Close the form" : "Add a provider"}
      </button>
    }>
      <Problem error={refused} />
      {found.length > 0 && !found.some((each) => each.roles?.length) && <p className="soft" style={{ marginBottom: "0.5rem" }}>None is needed: your own client does the work. A second model gives second opinions.</p>}
      {adding && <Add kinds={kinds} project={project} done={() => { setAdding(false); changed(); }} />}
      {found.length ? (
        <ul className="panel lines">
          {found.map((each) => {
            const outcome = outcomes[`provider ${each.name}`];
            return (
              <li key={each.name}>
                <b>{each.name}</b>
                <span className="soft only-said">{[each.kind === each.name ? "" : each.kind, each.where, ...(each.roles ?? []).map((role) => `fills ${role}`)].filter(Boolean).join(", ")}</span>
                {each.key_source && <code>{each.key_source}</code>}
                {each.key_source && <State state={each.key_set ? "passed" : each.roles?.length ? "failed" : "skipped"}>{each.key_set ? "key set" : each.roles?.length ? "key not set" : "not in use"}</State>}
                {!each.trusted && <State state="waiting">not trusted</State>}
                {!each.enabled && <State state="skipped">switched off</State>}
                <span className="end row wrap">
                  {outcome && <State state={outcome.good ? "passed" : "failed"}>{outcome.text}</State>}
                  <button type="button" className="btn slim" disabled={busy} title={cli`wfe-mcp providers test ${each.name}`} aria-label={`Test ${each.name}`} onClick={() => test(each.name)}>
                    Test
                  </button>
                  <button type="button" className="btn slim bare" disabled={working} title={cli`wfe-mcp providers ${each.enabled ? "disable" : "enable"} ${each.name}`} aria-label={`${each.enabled ? "Switch off" : "Switch on"} ${each.name}`} onClick={() => turn(each)}>
                    {each.enabled ? "Switch off" : "Switch on"}
                  </button>
                  {takesKeyHere(each) && (
                    <button type="button" className="btn slim bare" aria-expanded={keyOf === each.name} title={cli`wfe-mcp providers key ${each.name}`} aria-label={`${each.key_set ? "Replace the key of" : "Give a key to"} ${each.name}`} onClick={() => setKeyOf(keyOf === each.name ? "" : each.name)}>
                      {each.key_set ? "Replace the key" : "Give a key"}
                    </button>
                  )}
                  {each.layer.includes("user") && (
                    <button type="button" className="btn slim bare" disabled={working} title={cli`wfe-mcp providers remove ${each.name}`} aria-label={`Remove ${each.name}`} onClick={() => remove(each)}>
                      Remove
                    </button>
                  )}
                </span>
                {keyOf === each.name && <Key of={each} project={project} done={() => { setKeyOf(""); changed(); test(each.name); }} />}
              </li>
            );
          })}
        </ul>
      ) : (
        <p className="soft">No provider is configured. Your own client can do all the work; a second model gives second opinions.</p>
      )}
    </Section>
  );
}

/** Whether its key can be changed here: what the project configures is changed there, and a program or a person takes none. */
const takesKeyHere = (of: ProviderSetting) => /user|built in/.test(of.layer) && !!(of.key_source || /^https?:/.test(of.where));

/** A key in place of the one before, kept where that was kept, or encrypted in the database. */
function Key({ of, project, done }: { of: ProviderSetting; project: string; done: () => void }) {
  const [secret, setSecret] = useState("");
  const [act, busy, refused] = useAct();
  const keptIn = of.key_source === "keyring" ? "keyring" : "stored";
  const command = cli`wfe-mcp providers key ${of.name} --key ${keptIn}`;
  return (
    <form
      className="stack"
      style={{ flexBasis: "100%" }}
      aria-label={`The key of ${of.name}`}
      onSubmit={(event) => {
        event.preventDefault();
        act(async () => {
          await send(`/settings/providers/${encodeURIComponent(of.name)}/key`, { project, secret, kept_in: keptIn });
          done();
        });
      }}
    >
      <Field label="New key" hint="typed once, never shown">
        <input type="password" autoComplete="off" autoFocus required value={secret} onChange={(event) => setSecret(event.target.value)} />
      </Field>
      <p className="soft small">
        {keptIn === "keyring" ? "It is kept in the keyring" : "It is encrypted in the database"}, with your PIN{of.key_source.startsWith("env:") && `, and counts in place of the variable ${of.key_source.slice(4)}`}.
      </p>
      <Problem error={refused} />
      <span className="row wrap">
        <button className="btn solid" disabled={busy} title={command}>
          {busy ? "Storing…" : "Store it"}
        </button>
        <Cli text={command} />
      </span>
    </form>
  );
}

function Add({ kinds, project, done }: { kinds: string[]; project: string; done: () => void }) {
  const [name, setName] = useState("");
  const [kind, setKind] = useState("openai-compatible");
  const [address, setAddress] = useState("");
  const [variable, setVariable] = useState("");
  const [secret, setSecret] = useState("");
  const [act, busy, refused] = useAct();
  const key = secret ? "stored" : variable ? `env:${variable}` : "";
  const command = cli`wfe-mcp providers add --kind ${[kind]} ${address ? ["--base-url", address] : []} ${key ? ["--key", key] : []} ${name || "NAME"}`;
  return (
    <form
      className="panel pad stack"
      aria-label="Add a provider"
      onSubmit={(event) => {
        event.preventDefault();
        act(async () => {
          await send("/settings/providers", { project, name, kind, base_url: address, key, ...(secret && { secret }) });
          done();
        });
      }}
    >
      <div className="pair">
        <Field label="Name">
          <input type="text" required pattern="[a-z0-9][a-z0-9_\-]*" title="small letters, digits, hyphens" value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label="Kind">
          <select value={kind} onChange={(event) => setKind(event.target.value)}>
            <Options of={kinds} />
          </select>
        </Field>
        <Field label="Address" hint="empty: the vendor&apos;s own">
          <input type="text" inputMode="url" placeholder="http://localhost:11434/v1" required={kind === "openai-compatible"} value={address} onChange={(event) => setAddress(event.target.value)} />
        </Field>
        <Field label="Variable with its key" hint="never the key itself">
          <input type="text" placeholder="OPENAI_API_KEY" pattern="[A-Za-z_][A-Za-z0-9_]*" disabled={secret !== ""} value={variable} onChange={(event) => setVariable(event.target.value)} />
        </Field>
        <Field label="Or the key itself" hint="typed once, never shown">
          <input type="password" autoComplete="off" value={secret} onChange={(event) => setSecret(event.target.value)} />
        </Field>
      </div>
      <p className="soft small">
        This is written into your own configuration, with your PIN. A key that you type is encrypted in the database; in a terminal: <code>{cli`wfe-mcp providers key ${name || "NAME"}`}</code>
      </p>
      <Problem error={refused} />
      <span className="row wrap">
        <button className="btn solid" disabled={busy} title={command}>
          {busy ? "Adding…" : "Add it"}
        </button>
        <Cli text={command} />
      </span>
    </form>
  );
}

/** Who works and reviews: each role with what fills it, and a form that changes it. */
export function Roles({ found, providers, project, ownTrust, changed }: { found: RoleSetting[]; providers: ProviderSetting[]; project: string; ownTrust: string; changed: () => void }) {
  const [role, setRole] = useState<string | null>(null);
  const [name, setName] = useState("");
  const [provider, setProvider] = useState("");
  const [model, setModel] = useState("");
  const [act, busy, refused] = useAct();
  const open = (each?: { role: string; provider: string; model: string }) => {
    setRole(each?.role ?? "");
    setName(each?.role ?? "");
    setProvider(each?.provider ?? providers[0]?.name ?? "");
    setModel(each?.model ?? "");
  };
  return (
    <Section id="roles" title="Roles" about="who works and reviews" acts={
      <button type="button" className="btn slim end" title={cli`wfe-mcp providers role ROLE PROVIDER MODEL`} onClick={() => (role === null ? open() : setRole(null))}>
        {role === null ? "Fill a role" : "Close the form"}
      </button>
    }>
      {role !== null && (
        <form
          className="panel pad stack"
          aria-label="Fill a role"
          onSubmit={(event) => {
            event.preventDefault();
            act(async () => {
              await send(`/settings/roles/${encodeURIComponent(name)}`, { project, provider, model });
              setRole(null);
              changed();
            });
          }}
        >
          <div className="pair">
            <Field label="Role">
              <input type="text" autoFocus required readOnly={role !== ""} value={name} onChange={(event) => setName(event.target.value)} />
            </Field>
            <Field label="Provider">
              <select value={provider} onChange={(event) => setProvider(event.target.value)}>
                {providers.map((each) => (
                  <option key={each.name}>{each.name}</option>
                ))}
              </select>
            </Field>
            <Field label="Model">
              <input type="text" value={model} onChange={(event) => setModel(event.target.value)} />
            </Field>
          </div>
          <Problem error={refused} />
          <span className="row wrap">
            <button className="btn solid" disabled={busy}>
              Fill it
            </button>
            <Cli text={cli`wfe-mcp providers role ${name || "ROLE"} ${[provider, model].filter(Boolean)}`} />
          </span>
        </form>
      )}
      {ownTrust !== "" && found.length > 0 && (
        <p className="note warn row wrap">
          <Flag kind="warning">A reviewer from your own configuration counts at a gate once you trust that file.</Flag>
          {!atServer() && <a href={`/${ownTrust}`}>Review and trust</a>}
          <Cli text="wfe-mcp trust own" />
        </p>
      )}
      {found.length ? (
        <ul className="panel lines">
          {found.map((each) => (
            <li key={each.role}>
              <b>{each.role}</b>
              <code>{[each.provider, each.model].filter(Boolean).join(" ")}</code>
              {(each.fallback ?? []).map((next) => (
                <span key={next} className="soft">
                  then {next}
                </span>
              ))}
              {!each.trusted && <State state="waiting">not trusted</State>}
              {each.fault && <State state="failed">{each.fault}</State>}
              <button type="button" className="btn slim end" aria-label={`Change ${each.role}`} onClick={() => open(each)}>
                Change
              </button>
            </li>
          ))}
        </ul>
      ) : (
        <p className="soft">No role is configured: the connected client works every phase.</p>
      )}
    </Section>
  );
}
