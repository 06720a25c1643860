// What a run did outside its working folder: branch, commit, push, merge; and how that is undone.
import { useAct } from "./api";
import type { OperationView } from "./api_types";
import { Icon } from "./icons";
import { Address, Problem } from "./parts";
import { send } from "./pin";
import { to } from "./route";
import { age } from "./words";

const STATES: Record<string, string> = { intended: "not begun", called: "begun, not seen yet", observed: "done", undone: "undone" };

const UNDO: Record<string, string> = { reverse: "Undo the delivery…", revert: "Open a run that reverts it…" };

export function Operations({ run, operations, left, reload }: { run: string; operations: OperationView[]; left: string; reload: () => void }) {
  const [act, busy, error] = useAct();
  if (!operations.length) return null;
  return (
    <section className="section late" aria-label="Delivery">
      <header>
        <h2>Delivery</h2>
        {left && (
          <button type="button" className="btn slim end" title={`wfe-mcp undo ${run} --delivery`} disabled={busy} onClick={() => act(async () => { await send(`/runs/${encodeURIComponent(run)}/undo_delivery`, {}); reload(); })}>
            <Icon name="back" />
            {UNDO[left]}
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
    </section>
  );
}
