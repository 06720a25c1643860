// What is configured, and where from; keys are named by their source and never shown.
import { useEffect, useState } from "react";
import { Refused, ask, useAct, useAsk } from "./api";
import type { CheckTrial, SettingsView } from "./api_types";
import { cli } from "./cli";
import { Credentials } from "./credentials";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, PageHead, Pairs, Problem, Section, State, Waiting } from "./parts";
import { Grants } from "./grants";
import { Notifications } from "./notifications";
import { Policy } from "./policy";
import { Providers, Roles, type Outcome } from "./providers";
import { whileItGrows } from "./route";
import { useRole } from "./session";

export function Settings({ part }: { part: string }) {
  const at = useProject({ one: true });
  const project = at.id;
  const isAdmin = useRole("admin", project);
  const { data, error, reload } = useAsk<SettingsView>(`/settings${project && `?project=${encodeURIComponent(project)}`}`, () => false);
  const [outcomes, setOutcomes] = useState<Record<string, Outcome>>({});
  const [act, busy, refused] = useAct();
  useEffect(() => setOutcomes({}), [project]);
  useEffect(() => { if (part) whileItGrows(() => document.getElementById(part)?.scrollIntoView()); }, [part]);
  const show = (name: string, outcome: Outcome) => setOutcomes((before) => ({ ...before, [name]: outcome }));
  const test = (name: string) =>
    act(async () => {
      try {
        const { data: said } = await ask<{ tried: { latency_s: number | null; message: string } }>(`/settings/providers/${encodeURIComponent(name)}/test`, { project });
        show(`provider ${name}`, { good: true, text: said.tried.message });
      } catch (fault) {
        if (!(fault instanceof Refused)) throw fault;
        show(`provider ${name}`, { good: false, text: `${fault.message} ${fault.hint}` });
      }
    });
  const tryOut = (name: string) =>
    act(async () => {
      const { data: trial } = await ask<CheckTrial>(`/settings/checks/${encodeURIComponent(name)}/try`, { project });
      show(`check ${name}`, { good: trial.works, text: [trial.works ? "works" : trial.outcome, trial.message].filter(Boolean).join(", ") });
    });
  if (!data && !error) return <Waiting />;
  return (
    <div className="narrow">
      <PageHead title="Settings" about="what is in force now, after every configuration file">
        <ProjectChoice at={at} one />
        <span className="end">
          <Cli text={cli`wfe-mcp config show`} />
        </span>
      </PageHead>
      <Problem error={error} />
      {data && (
        <fieldset disabled={!isAdmin}>
          <Providers found={data.providers ?? []} kinds={data.kinds ?? []} project={project} outcomes={outcomes} busy={busy} test={test} changed={reload} />
          <Roles found={data.roles ?? []} providers={data.providers ?? []} project={project} ownTrust={data.own_trust ?? ""} changed={reload} />
          <Section id="checks" title="Checks" about="commands that gates run">
            <Problem error={refused} />
            {data.checks?.length ? (
              <ul className="panel lines">
                {data.checks.map((check) => (
                  <Line key={check.check} name={check.check} outcome={outcomes[`check ${check.check}`]} busy={busy} verb="Try" command={cli`wfe-mcp init`} onAct={() => tryOut(check.check)}>
                    <code>{check.argv.join(" ")}</code>
                    <span className="soft">{check.where}</span>
                  </Line>
                ))}
              </ul>
            ) : (
              <p className="soft">
                {data.untrusted ? "What the configuration runs counts once you trust it." : "No check is configured."} <Cli text={data.untrusted ? "wfe-mcp trust" : "wfe-mcp init"} />
              </p>
            )}
          </Section>
          <Credentials key={`credentials ${project}`} project={project} />
          <Policy key={project} project={project} />
          <Grants key={`grants ${project}`} project={project} />
          <Notifications key={`notifications ${project}`} project={project} />
          <Section title="Decision page">
            <Pairs rows={[["Starts", data.page.auto ? "by itself when a person is needed" : <>when you start it: <code>wfe-mcp ui</code></>]]} />
          </Section>
          <Section title="Database">
            <Pairs rows={[["Where", <code>{data.database.path}</code>], ["Version of its tables", <code>{data.database.schema}</code>]]} />
          </Section>
          <Section id="trust" title="Trust">
            <p className="soft">
              What a project&apos;s configuration may run counts once you trust it. The Inbox says when something waits, and the page of trust shows every effect. At
              a terminal: <Cli text="wfe-mcp trust" />
            </p>
          </Section>
        </fieldset>
      )}
    </div>
  );
}

function Line({ name, outcome, busy, verb, command, onAct, children }: { name: string; outcome?: Outcome; busy: boolean; verb: string; command: string; onAct: () => void; children: React.ReactNode }) {
  return (
    <li>
      <b>{name}</b>
      {children}
      <span className="end row">
        {outcome && <State state={outcome.good ? "passed" : "failed"}>{outcome.text}</State>}
        <button type="button" className="btn slim" disabled={busy} title={command} aria-label={`${verb} ${name}`} onClick={onAct}>
          {verb}
        </button>
      </span>
    </li>
  );
}
