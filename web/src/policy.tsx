// The approval policy: what holds, and a change of it that is shown, with what weakens, before it is signed.
import { useState } from "react";
import { ask, useAct, useAsk } from "./api";
import type { PlannedPolicyView, PolicyRules, PolicyView } from "./api_types";
import { cli } from "./cli";
import { Cli, Field, Flag, Problem, Records, Section, Waiting } from "./parts";
import { send } from "./pin";
import { count } from "./words";

const LEVELS: [level: string, about: string][] = [
  ["", "any"],
  ["worktree", "worktree: in the folder that the agent works in"],
  ["checkout", "checkout: in a fresh copy of the files"],
  ["sandbox", "sandbox: with nothing else to write to"],
  ["runner", "runner: on another machine"],
];
const ABOUT: Record<string, string> = {
  "policy.templates": "Agents may start",
  "policy.evidence": "Least evidence of checks",
  "artifacts.on_mismatch": "Changed file of an accepted artifact",
};

const names = (templates: string[] | null): string => (templates === null ? "any template" : templates.join(", ") || "none");
const mismatch = (word: string): string => (word === "warn" ? "is reported" : "blocks the run");

export function Policy({ project }: { project: string }) {
  const at = project && `?project=${encodeURIComponent(project)}`;
  const { data, error, reload } = useAsk<PolicyView>(`/settings/policy${at}`, () => false);
  const [editing, setEditing] = useState(false);
  const held = data && JSON.stringify(data.in_force) !== JSON.stringify(data.written);
  return (
    <Section id="policy" title="Approval policy" about="what agents may do by themselves" acts={
      <button type="button" className="btn slim end" aria-expanded={editing} disabled={!data || data.untrusted} title={cli`wfe-mcp config policy`} onClick={() => { if (!editing) reload(); setEditing(!editing); }}>
        {editing ? "Close the form" : "Change the policy"}
      </button>
    }>
      <Problem error={error} />
      {!data && !error && <Waiting />}
      {data?.untrusted && (
        <p className="note">
          The project&apos;s configuration has changes that you have not trusted, so its policy stays as it is. Review them first: <code>{cli`wfe-mcp trust`}</code>
        </p>
      )}
      {data && editing && <Edit data={data} project={project} done={() => { setEditing(false); reload(); }} />}
      {data && !editing && (
        <dl className="kv panel" style={{ padding: "0.75rem" }}>
          <dt>Agents may start</dt>
          <dd>{names(data.in_force.templates)}</dd>
          <dt>Least evidence of checks</dt>
          <dd>{data.in_force.evidence ?? "any"}</dd>
          <dt>Changed file of an accepted artifact</dt>
          <dd>{mismatch(data.in_force.on_mismatch)}</dd>
        </dl>
      )}
      {held && <p className="soft small">Your own configuration or a variable asks for more than the project&apos;s file does: <code>{cli`wfe-mcp config show --origin`}</code></p>}
    </Section>
  );
}

function Edit({ data, project, done }: { data: PolicyView; project: string; done: () => void }) {
  const [rules, setRules] = useState<PolicyRules>(data.written);
  const [plan, setPlan] = useState<PlannedPolicyView | null>(null);
  const [act, busy, refused] = useAct();
  const change = (part: Partial<PolicyRules>) => {
    setRules({ ...rules, ...part });
    setPlan(null); // what is signed is what was shown
  };
  const chosen = rules.templates ?? [];
  const known = [...new Set([...data.templates, ...chosen])].sort();
  return (
    <form
      className="panel pad stack"
      aria-label="Change the policy"
      onSubmit={(event) => {
        event.preventDefault();
        act(async () => {
          if (plan) {
            await send("/settings/policy", { project, ...rules, shown: plan.shown });
            done();
          } else setPlan((await ask<PlannedPolicyView>("/settings/policy/change", { project, ...rules })).data);
        });
      }}
    >
      <div className="pair">
        <Field label="Agents may start">
          <select value={rules.templates === null ? "any" : "named"} onChange={(event) => change({ templates: event.target.value === "any" ? null : [] })}>
            <option value="any">any template</option>
            <option value="named">only those named here</option>
          </select>
        </Field>
        <Field label="Least evidence of checks">
          <select value={rules.evidence ?? ""} onChange={(event) => change({ evidence: event.target.value || null })}>
            {LEVELS.map(([level, about]) => (
              <option key={level} value={level}>
                {about}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Changed file of an accepted artifact">
          <select value={rules.on_mismatch} onChange={(event) => change({ on_mismatch: event.target.value })}>
            <option value="block">blocks the run</option>
            <option value="warn">is reported</option>
          </select>
        </Field>
      </div>
      {rules.templates !== null && (
        <fieldset className="checks">
          <legend>Templates that agents may start</legend>
          {known.map((name) => (
            <label key={name} className="row">
              <input type="checkbox" checked={chosen.includes(name)} onChange={(event) => change({ templates: event.target.checked ? [...chosen, name] : chosen.filter((each) => each !== name) })} />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
      )}
      <Problem error={refused} />
      {plan && (
        <div className="stack" role="region" aria-label="What changes">
          {plan.weakens && <p className="note no">{count(plan.changes.filter((each) => each.weakens).length, "change")} let agents do more than now, or ask for less proof. Sign only what you mean.</p>}
          {plan.changes.length ? (
            <Records says="What changes" heads={["Policy", "Now", "Then"]} className="records">
              {plan.changes.map((each) => (
                <tr key={each.key}>
                  <td>
                    {ABOUT[each.key] ?? each.key} {each.weakens && <Flag kind="weak">weakens</Flag>}
                  </td>
                  <td data-label="Now">{each.was}</td>
                  <td data-label="Then">{each.now}</td>
                </tr>
              ))}
            </Records>
          ) : (
            <p className="soft">Nothing changes: the policy is so already.</p>
          )}
        </div>
      )}
      <span className="row wrap">
        <button className="btn solid" disabled={busy || (!!plan && !plan.changes.length)}>
          {plan ? (plan.weakens ? "Sign the weaker policy" : "Sign the change") : "Show the change"}
        </button>
        <Cli text={plan?.command ?? "wfe-mcp config policy"} />
      </span>
      <p className="soft small">Your PIN signs it: it is written into the project&apos;s configuration, which is trusted as it is then.</p>
    </form>
  );
}
