// What is configured, and where from; keys are named by their source and never shown.
import { useState } from "react";
import { ask, useAct, useAsk } from "./api";
import { Cli, Problem, State, Waiting } from "./parts";

interface SettingsData {
  providers?: { name: string; kind?: string; key_source?: string; key_set?: boolean; model?: string; base_url?: string; trusted?: boolean }[];
  roles?: { role: string; provider: string; model?: string }[];
  checks?: { check: string; argv: string[]; where?: string }[];
  approvals?: Record<string, unknown>;
  notifications?: Record<string, unknown>;
  database?: Record<string, unknown>;
  [other: string]: unknown;
}

interface Tested {
  ok: boolean;
  ms?: number;
  message?: string;
}

export function Settings({ part }: { part: string }) {
  const { data, error } = useAsk<SettingsData>("/settings", () => false);
  const projects = useAsk<{ projects: { project: string }[] }>(error ? "/projects" : null, () => false);
  const first = projects.data?.projects[0]?.project;
  const project = useAsk<SettingsData>(error && first ? `/projects/${encodeURIComponent(first)}` : null, () => false);
  const found = data ?? project.data;
  const [tested, setTested] = useState<Record<string, Tested>>({});
  const [act, busy, refused] = useAct();
  const test = (name: string) => act(async () => { const answer = await ask<Tested>(`/settings/providers/${encodeURIComponent(name)}/test`, {}); setTested({ ...tested, [name]: answer.data }); });
  if (!found && !error) return <Waiting />;
  return (
    <>
      <header className="row wrap">
        <h1>Settings</h1>
        <span className="muted">what counts now, after every configuration file</span>
        <span className="end">
          <Cli text="wfe-mcp config show" />
        </span>
      </header>
      <Problem error={found ? refused : (error ?? refused)} />
      {found && (
        <>
          <section className="section" id="providers">
            <header>
              <h2>Providers</h2>
              <span className="soft">a key is named by where it comes from; it is never shown</span>
            </header>
            {found.providers?.length ? (
              <ul className="panel">
                {found.providers.map((each) => (
                  <li key={each.name} className="row wrap" style={{ padding: "0.5rem 0.75rem", borderBottom: "var(--border)" }}>
                    <b>{each.name}</b>
                    <span className="soft">
                      {[each.kind, each.model, each.base_url].filter(Boolean).join(", ")}
                    </span>
                    <span>
                      {each.key_source} {each.key_set === false ? <State state="failed">key not set</State> : each.key_set ? <State state="passed">key set</State> : null}
                    </span>
                    <span className="end row">
                      {tested[each.name] && <State state={tested[each.name]?.ok ? "passed" : "failed"}>{tested[each.name]?.ok ? `answered in ${tested[each.name]?.ms} ms` : tested[each.name]?.message}</State>}
                      <button type="button" className="btn slim" disabled={busy} title={`wfe-mcp providers test ${each.name}`} onClick={() => test(each.name)}>
                        Test
                      </button>
                    </span>
                  </li>
                ))}
              </ul>
            ) : (
              <p className="soft">
                No provider is configured. Your own client can do all the work; a second model gives second opinions. <Cli text="wfe-mcp providers add" />
              </p>
            )}
          </section>
          <Pairs title="Roles" about="who works and reviews" rows={(found.roles ?? []).map((each) => [each.role, [each.provider, each.model].filter(Boolean).join(", ")])} empty="No role is configured: the connected client works every phase." />
          <Pairs title="Checks" about="commands that gates run" rows={(found.checks ?? []).map((each) => [each.check, each.argv.join(" ")])} empty="No check is configured. Next: wfe-mcp init" />
          {(["approvals", "notifications", "database"] as const).map((name) =>
            found[name] ? <Pairs key={name} title={name.charAt(0).toUpperCase() + name.slice(1)} about="" rows={Object.entries(found[name] ?? {}).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)])} empty="" /> : null,
          )}
          <section className="section" id={part || "trust"}>
            <header>
              <h2>Trust</h2>
            </header>
            <p className="soft">
              What a project&apos;s configuration may run counts once you trust it. The Inbox says when something waits; at a terminal: <Cli text="wfe-mcp trust" />
            </p>
          </section>
        </>
      )}
    </>
  );
}

function Pairs({ title, about, rows, empty }: { title: string; about: string; rows: [string, string][]; empty: string }) {
  return (
    <section className="section">
      <header>
        <h2>{title}</h2>
        <span className="soft">{about}</span>
      </header>
      {rows.length ? (
        <dl className="kv panel" style={{ padding: "0.75rem" }}>
          {rows.map(([name, value]) => (
            <div key={name} style={{ display: "contents" }}>
              <dt>{name}</dt>
              <dd>
                <code>{value}</code>
              </dd>
            </div>
          ))}
        </dl>
      ) : (
        <p className="soft">{empty}</p>
      )}
    </section>
  );
}
