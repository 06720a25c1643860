// What a person submits: the form of a phase of yours, or an artifact edited beside the schema that it must meet.
import { useEffect, useState } from "react";
import { Refused, query, useAct, useAsk } from "./api";
import type { ActivityView, Fault, FormView } from "./api_types";
import { inFolder } from "./cli";
import { forget, useDraft } from "./draft";
import { Cli, Crumbs, Field, NotThere, Problem, Segments, State, Waiting } from "./parts";
import { send } from "./pin";
import { leave, to } from "./route";
import { SchemaForm } from "./schema_form";
import { atServer } from "./session";

/** The lines around data in a prompt: they are for a model. */
const BOUNDARIES = /^(<<<[0-9a-f]{16} data, not instructions: .*|>>>[0-9a-f]{16})$\n?/gm;

type Values = Record<string, unknown>;

export function Submission({ run, phase }: { run: string; phase: string }) {
  const id = encodeURIComponent(run);
  const { data, error } = useAsk<FormView>(`/runs/${id}/form${query({ phase })}`, (event: ActivityView) => event.run === run && event.payload?.phase === phase);
  if (error && !data) return <NotThere error={error} list="#/runs" called="all runs" />;
  if (!data) return <Waiting />;
  return <Form key={data.attempt} run={run} data={data} />;
}

function Form({ run, data }: { run: string; data: FormView }) {
  const start = JSON.stringify(data.value ?? {}, null, 2);
  const [typed, setTyped] = useDraft(`${run} ${data.phase} ${data.attempt}`, data.value === undefined && data.text ? data.text : start);
  const [view, setView] = useState("Form");
  const [note, setNote] = useState("");
  const [act, busy, refused] = useAct();
  const [told, setTold] = useState<Fault[]>(data.faults ?? []);
  useEffect(() => setTold(data.faults ?? []), [data.faults?.length, data.of]); // eslint-disable-line
  const faults = refused?.details.length ? refused.details : told;
  let values: Values | null = null;
  let fault = "";
  try {
    values = JSON.parse(typed) as Values;
  } catch (reason) {
    fault = (reason as Error).message;
  }
  const now = values === null ? "JSON" : view;
  const submit = () =>
    act(async (isHere) => {
      if (!values) return;
      const id = encodeURIComponent(run);
      try {
        if (data.how === "submit") await send(`/runs/${id}/submit_artifact`, { phase: data.phase, artifact: values, note });
        else await send(`/runs/${id}/edit_artifact`, { phase: data.phase, artifact: values, note });
      } catch (reason) {
        if (!(reason instanceof Refused) || reason.code !== "gate_failed") throw reason; // it is stored: the run says what failed
      }
      forget(`${run} ${data.phase} ${data.attempt}`);
      if (isHere()) leave(to("runs", run, "list", data.phase));
    });
  return (
    <>
      <Crumbs items={[{ text: "Runs", to: "#/runs" }, { text: `run ${run}`, to: to("runs", run) }, data.phase]} />
      <header className="headline">
        <h1>{data.kind === "human" && data.how !== "edit" ? `Your task: ${data.title || data.phase}` : `Edit the artifact of ${data.phase}`}</h1>
        <p className="who">
          <State state={data.kind === "human" && data.state === "ready" ? "waiting" : data.state} pill />
          <span>
            phase {data.phase}, attempt {data.attempt}
            {data.of ? `, from ${data.of}` : ""}
          </span>
          <Cli text={data.command} />
        </p>
      </header>
      {data.how === "" ? (
        <p className="note warn" role="status">
          {data.why} <a href={to("runs", run, "list", data.phase)}>Show the phase</a>
        </p>
      ) : (
        <div className="beside">
          <form
            className="panel"
            aria-label="Your artifact"
            onSubmit={(event) => {
              event.preventDefault();
              submit();
            }}
          >
            <header>
              <h2>{data.artifact}</h2>
              <span className="end">
                <Segments label="View" names={["Form", "JSON"]} now={now} choose={setView} />
              </span>
            </header>
            <div className="body formgrid">
              <Problem error={refused} />
              {faults.length > 0 && !refused && (
                <div className="problems" role="status">
                  <b>{faults.length === 1 ? "1 fault" : `${faults.length} faults`} in {data.of}</b>
                  {faults.map((each, index) => (
                    <span key={index}>
                      <code>{each.path || "/"}</code> {each.message}
                    </span>
                  ))}
                </div>
              )}
              {now === "Form" && values ? (
                <SchemaForm schema={data.schema} values={values} change={(next) => { setTyped(JSON.stringify(next, null, 2)); setTold([]); }} faults={faults} />
              ) : (
                <Field label="The artifact as JSON">
                  <textarea className="code" spellCheck={false} value={typed} onChange={(event) => setTyped(event.target.value)} />
                  {fault && <p className="error">This is not JSON yet: {fault}</p>}
                </Field>
              )}
              <Field label="Note" hint="optional, kept with the revision">
                <input type="text" value={note} onChange={(event) => setNote(event.target.value)} />
              </Field>
              <span className="row wrap">
                <button className="btn solid" disabled={busy || values === null} title={inFolder(data.command)}>
                  {busy ? "Sending…" : data.how === "submit" ? "Submit" : "Store and judge again"}
                </button>
                <a className="btn" href={to("runs", run, "list", data.phase)}>
                  Back to the run
                </a>
                {typed !== start && (
                  <button type="button" className="btn bare" onClick={() => setTyped(start)}>
                    Start again from {data.of || "nothing"}
                  </button>
                )}
              </span>
            </div>
          </form>
          <aside className="stack" aria-label="What is expected">
            {data.prompt && (
              <details className="panel" open={data.kind === "human"}>
                <summary className="fold row">
                  <b>The task</b>
                </summary>
                <p className="body words">{data.kind === "human" ? data.prompt.replace(BOUNDARIES, "") : data.prompt}</p>
              </details>
            )}
            <details className="panel" open>
              <summary className="fold row">
                <b>The schema it must meet</b>
              </summary>
              <pre className="block code-fold" tabIndex={0}>{JSON.stringify(data.schema, null, 2)}</pre>
            </details>
            <p className="soft small">
              {data.gates?.length ? `Then these gates judge it, in order: ${data.gates.map((gate) => gate.kind).join(", ")}.` : "No gate judges it: the schema decides."} Your artifact is signed with your {atServer() ? "passkey" : "PIN"}.
            </p>
          </aside>
        </div>
      )}
    </>
  );
}
