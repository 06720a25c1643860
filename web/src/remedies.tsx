// What a person can do with a phase that failed or waits: each with the command that does the same.
import { useState } from "react";
import { query, useAct, useAsk } from "./api";
import type { ActivityView, FormView, NodeView, SettingsView } from "./api_types";
import { cli, inFolder } from "./cli";
import { forget, useDraft } from "./draft";
import { Foreseen, goBack, useForeseen } from "./rollback";
import { Icon } from "./icons";
import { Ask, Cli, Field, Options, Problem, Reason } from "./parts";
import { send } from "./pin";
import { usePromise } from "./promise";
import { go, to } from "./route";
import { useRole } from "./session";

type Way = "retry" | "resolve" | "ignore" | "skip" | "force_accept" | "overrule" | "rollback";

interface Said {
  title: string;
  does: string;
  label: string;
  path: string;
  command: string;
  needs: boolean;
}

const WAYS: Record<Way, Said> = {
  retry: { title: "Retry", does: "A new attempt opens with your feedback.", label: "Feedback to the next attempt", path: "retry_phase", command: "retry", needs: false },
  resolve: { title: "Blocker resolved", does: "You have removed what was in the way: a new attempt opens with your note.", label: "What you did", path: "retry_phase", command: "recovery resolve", needs: true },
  ignore: { title: "Ignore the blocker", does: "It does not matter: a new attempt opens with your note. The checks of the phase stay.", label: "Why it does not matter", path: "retry_phase", command: "recovery ignore", needs: true },
  skip: { title: "Skip", does: "The phase is left out; what needs it goes on without its artifact.", label: "Reason", path: "skip_phase", command: "skip", needs: true },
  force_accept: { title: "Force-accept", does: "The artifact counts although its gates fail. The run is tainted from then on, and every view says so.", label: "Reason, which stays visible", path: "force_accept", command: "force-accept", needs: true },
  overrule: { title: "Overrule the reviewers", does: "Their opinion is set aside. It and your reason stay visible.", label: "Reason, which stays visible", path: "overrule", command: "opinion overrule", needs: true },
  rollback: { title: "Roll back to its start", does: "The run and its files go back to the last start of this phase. Nothing is deleted.", label: "", path: "rollback", command: "rollback", needs: false },
};

const OPEN = ["failed", "running", "gating", "awaiting", "ready", "pending", "blocked"];

export function Remedies({ run, project, phase, state }: { run: string; project: string | undefined; phase: string; state: string }) {
  const id = encodeURIComponent(run);
  const form = useAsk<FormView>(OPEN.includes(state) ? `/runs/${id}/form${query({ phase })}` : null, (event: ActivityView) => event.run === run);
  const [way, setWay] = useState<Way | "">("");
  const [steers, decides] = [useRole("author", project), useRole("approver", project)];
  if (!OPEN.includes(state) || !steers) return null;
  const found = form.data;
  const failed = state === "failed";
  const legal = found?.leads_to ?? {};
  const offers: [Way, boolean][] = [
    ["retry", "retry" in legal],
    ["resolve", (found?.blockers ?? []).length > 0],
    ["ignore", (found?.blockers ?? []).length > 0],
    ["force_accept", decides && failed && !!found?.can_force],
    ["overrule", decides && !!found?.can_overrule],
    ["rollback", failed],
    ["skip", "skip" in legal],
  ];
  return (
    <div className="stack">
      <p className="row wrap">
        {state === "awaiting" && decides && (
          <a className="btn solid slim" href="#/inbox" title={cli`wfe-mcp approve ${run} ${phase}`}>
            Decide
          </a>
        )}
        {found?.how === "submit" && decides && (
          <a className="btn solid slim" href={to("form", run, phase)} title={inFolder(found.command)}>
            Fill in the form
          </a>
        )}
        {found?.how === "edit" && decides && (
          <a className="btn slim" href={to("form", run, phase)} title={inFolder(found.command)}>
            Edit and resubmit…
          </a>
        )}
        {offers
          .filter(([, is]) => is)
          .map(([each]) => (
            <button key={each} type="button" className="btn slim" title={cli`wfe-mcp ${WAYS[each].command.split(" ")} ${run} ${phase}`} onClick={() => setWay(each)}>
              {WAYS[each].title}…
            </button>
          ))}
      </p>
      {way && <TakeWay run={run} phase={phase} way={way} form={found} isFailed={failed} close={() => setWay("")} />}
    </div>
  );
}

/** The question before a way is taken. It stays until that is done: what was typed is there when the server refuses or is gone. */
function TakeWay({ run, phase, way, form, isFailed, close }: { run: string; phase: string; way: Way; form: FormView | null; isFailed: boolean; close: () => void }) {
  const id = encodeURIComponent(run);
  const settings = useAsk<SettingsView>(isFailed ? "/settings" : null, () => false);
  const draft = `${run} ${phase} ${way}`;
  const [text, setText] = useDraft(draft, "");
  const [role, setRole] = useState("");
  const [files, setFiles] = useState(true);
  const [step, setStep] = useState("");
  const promised = usePromise(run, way === "retry" ? "retry" : "", { phase, from_step: step });
  const would = useForeseen(run, files, way === "rollback" ? way : "", phase);
  const [act, busy, error] = useAct();
  const said = WAYS[way];
  const retried = [...(text ? ["--feedback", text] : []), ...(role ? ["--role", role] : []), ...(step ? ["--from", step] : [])];
  const options = way === "retry" ? retried : way === "rollback" ? (files ? [] : ["--no-files"]) : ["--reason", text || "REASON"];
  const command = cli`wfe-mcp ${said.command.split(" ")} ${run} ${phase} ${options}`;
  const does = () =>
    act(async () => {
      const settled = { resolve: "resolved", ignore: "ignored" }[way as string];
      const body: Record<string, unknown> = settled ? { phase, feedback: text, blockers: settled } : way === "retry" ? { phase, role, feedback: text, from_step: step } : way === "rollback" ? { to: phase, files, shown: would.data?.shown } : { phase, reason: text };
      await (way === "rollback" ? goBack : send)(`/runs/${id}/${said.path}`, body);
      forget(draft);
      close();
    });
  return (
    <Ask title={`${said.title}: ${phase}`} onClose={close}>
      <p>
        {said.does} {way === "retry" ? promised.leads_to : String(form?.leads_to?.[said.path === "retry_phase" ? "retry" : (said.command.split(" ").pop() ?? "")] ?? "")}
      </p>
      {said.command.startsWith("recovery") && (form?.blockers ?? []).map((blocker) => <p key={blocker} className="words">{blocker}</p>)}
      {said.label && (
        <Field label={said.label}>
          <textarea rows={3} required={said.needs} value={text} onChange={(event) => setText(event.target.value)} />
        </Field>
      )}
      {way === "retry" && (
        <Field label="Model" hint="another role or PROVIDER/MODEL; empty keeps the present one">
          <input type="text" list="wfe-roles" value={role} onChange={(event) => setRole(event.target.value)} />
          <datalist id="wfe-roles">
            {(settings.data?.roles ?? []).map((each) => (
              <option key={each.role} value={each.role}>
                {[each.provider, each.model].filter(Boolean).join(" ")}
              </option>
            ))}
          </datalist>
        </Field>
      )}
      {way === "retry" && (promised.steps ?? []).length > 0 && (
        <Field label="From step" hint={promised.says}>
          <select value={step} onChange={(event) => setStep(event.target.value)}>
            <option value="">where it failed</option>
            <Options of={promised.steps ?? []} />
          </select>
        </Field>
      )}
      {way === "rollback" && (
        <label className="row">
          <input type="checkbox" checked={files} onChange={(event) => setFiles(event.target.checked)} /> Restore the files too
        </label>
      )}
      {way === "rollback" && <Foreseen of={would} />}
      <Cli text={command} />
      <Problem error={error} />
      <span className="row">
        <button type="button" className={`btn ${way === "force_accept" || way === "skip" ? "no" : "solid"}`} disabled={busy || (said.needs && !text.trim()) || (way === "rollback" && !would.data)} onClick={does}>
          {said.title}
        </button>
        <button type="button" className="btn" onClick={close}>
          Back
        </button>
      </span>
    </Ask>
  );
}

/** Above a run that stopped: the phase that failed, why, and the ways on. */
export function Stopped({ run, project, node }: { run: string; project: string | undefined; node: NodeView }) {
  const { phase } = node;
  return (
    <section className="panel stopped" aria-label={`Ways on for ${phase}`}>
      <header>
        <span className="state s-failed">
          <Icon name="failed" />
          {phase} failed
        </span>
        <button type="button" className="btn slim bare end" onClick={() => go(to("runs", run, "list", phase))}>
          Show the phase
        </button>
      </header>
      <div className="body stack">
        {node.reason && <Reason node={node} className="" />}
        <Remedies run={run} project={project} phase={phase} state="failed" />
      </div>
    </section>
  );
}
