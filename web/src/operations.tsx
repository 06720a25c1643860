// What a run did outside its working folder: branch, commit, push, merge; and how that is undone.
import { useState } from "react";
import { useAct, useAsk } from "./api";
import type { OperationView, RunView } from "./api_types";
import { cli } from "./cli";
import { Icon } from "./icons";
import { Address, Ask, Cli, Problem } from "./parts";
import { send } from "./pin";
import { to } from "./route";
import { age } from "./words";

const STATES: Record<string, string> = { intended: "not begun", called: "begun, not seen yet", observed: "done", undone: "undone" };

const UNDO: Record<string, string> = { reverse: "Undo the delivery", revert: "Open a run that reverts it" };

export function Operations({ run, operations, left, reload }: { run: string; operations: OperationView[]; left: string; reload: () => void }) {
  const [act, busy, error] = useAct();
  const [asks, setAsks] = useState("");
  if (!operations.length) return null;
  return (
    <section className="section late" aria-label="Delivery">
      <header>
        <h2>Delivery</h2>
        {left && (
          <button type="button" className="btn slim end" title={cli`wfe-mcp undo ${run} --delivery`} disabled={busy} onClick={() => setAsks(UNDO[left] ?? "")}>
            <Icon name="back" />
            {UNDO[left]}…
          </button>
        )}
      </header>
      <Problem error={error} />
      <ul className="panel cps ops">
        {operations.map((operation) => (
          <li key={`${operation.kind} ${operation.target} ${operation.at}`}>
            <b>{operation.kind}</b>
            <span>
              {operation.target} {operation.url && <Address of={operation.url} />} {operation.run && operation.run !== run && <a href={to("runs", operation.run)}>run {operation.run}</a>} <span className="muted">{STATES[operation.state] ?? operation.state}</span>
            </span>
            <time className="muted num" title={operation.at}>{operation.at ? `${age(operation.at)} ago` : ""}</time>
            {operation.state !== "failed" && operation.state !== "in doubt" && (
              <code>
                {operation.before || "nothing"} → {operation.after || (operation.state === "observed" || operation.state === "undone" ? "nothing" : "…")}
              </code>
            )}
          </li>
        ))}
      </ul>
      {asks && <UndoDelivery run={run} name={asks} undo={() => act(async () => { await send(`/runs/${encodeURIComponent(run)}/undo_delivery`, {}); reload(); })} close={() => setAsks("")} />}
    </section>
  );
}

function UndoDelivery({ run, name, undo, close }: { run: string; name: string; undo: () => void; close: () => void }) {
  const { answer, error } = useAsk<RunView>(`/runs/${encodeURIComponent(run)}/undo_delivery`, (event) => event.run === run);
  return (
    <Ask title={`${name}?`} onClose={close}>
      <Problem error={error} />
      {!error && <p aria-busy={!answer}>{answer ? `${answer.summary}.` : "Looking what it would do"}</p>}
      <Cli text={cli`wfe-mcp undo ${run} --delivery`} />
      <form method="dialog" className="row">
        <button className="btn solid" disabled={!answer || error !== null} onClick={undo}>
          {name}
        </button>
        <button className="btn">Keep it as it is</button>
      </form>
    </Ask>
  );
}
