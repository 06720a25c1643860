// What a run did outside its working folder: branch, commit, push, merge; and how that is undone.
import { useAct } from "./api";
import type { OperationView } from "./api_types";
import { Icon } from "./icons";
import { Address, Problem } from "./parts";
import { send } from "./pin";
import { to } from "./route";
import { age } from "./words";

const STATES: Record<string, string> = { intended: "not begun", called: "begun, not seen yet", observed: "done", undone: "undone" };

export function Operations({ run, operations, reload }: { run: string; operations: OperationView[]; reload: () => void }) {
  const [act, busy, error] = useAct();
  if (!operations.length) return null;
  const open = operations.some((operation) => operation.state === "observed");
  const merged = operations.some((operation) => operation.state === "observed" && operation.kind.endsWith(".merge"));
  const say = merged ? "Open a run that reverts it…" : "Undo the delivery…";
  return (
    <section className="section late" aria-label="Delivery">
      <header>
        <h2>Delivery</h2>
        {open && (
          <button type="button" className="btn slim end" title={`wfe-mcp undo ${run} --delivery`} disabled={busy} onClick={() => act(async () => { await send(`/runs/${encodeURIComponent(run)}/undo_delivery`, {}); reload(); })}>
            <Icon name="back" />
            {say}
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
