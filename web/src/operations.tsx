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
  const open = operations.some((each) => each.state === "observed");
  const merged = operations.some((each) => each.state === "observed" && each.kind.endsWith(".merge"));
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
        {operations.map((each) => (
          <li key={`${each.kind} ${each.target} ${each.at}`}>
            <b>{each.kind}</b>
            <span>
              {each.target} {each.url && <Address of={each.url} />} {each.run && each.run !== run && <a href={to("runs", each.run)}>run {each.run}</a>} <span className="muted">{STATES[each.state] ?? each.state}</span>
            </span>
            <time className="muted num" title={each.at}>{each.at ? `${age(each.at)} ago` : ""}</time>
            {each.state !== "failed" && each.state !== "in doubt" && (
              <code>
                {each.before || "nothing"} → {each.after || (each.state === "observed" || each.state === "undone" ? "nothing" : "…")}
              </code>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
