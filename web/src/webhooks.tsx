// The webhooks of a project: who gets events, what was sent, and how to send it again.
import { ask, query, useAct, useAsk } from "./api";
import type { DeliveryView, WebhooksView } from "./api_types";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, Empty, Problem, State, Waiting } from "./parts";
import { age, moment, span } from "./words";

const STATES: Record<string, string> = { delivered: "completed", sending: "running", waiting: "pending", behind: "pending" };

export function Webhooks() {
  const at = useProject({ one: true });
  const { data, error, reload } = useAsk<WebhooksView>(`/webhooks${query({ project: at.id })}`, at.concerns);
  const [act, busy, refused] = useAct();
  const again = (given: { deliveries?: string[]; failed?: boolean }) =>
    act(async () => {
      await ask("/webhooks/redeliver", { project: at.id, ...given });
      reload();
    });
  const failed = data?.webhooks.some((each) => each.failed) ?? false;
  return (
    <>
      <header className="row wrap">
        <h1>Webhooks</h1>
        <span className="muted">what other systems are told</span>
        <span className="end row wrap">
          <ProjectChoice at={at} one />
          {failed && (
            <button type="button" className="btn slim" disabled={busy} title="wfe-mcp webhook redeliver --failed" onClick={() => again({ failed: true })}>
              Redeliver all that failed
            </button>
          )}
          <Cli text={`wfe-mcp webhook deliveries${at.cli}`} />
        </span>
      </header>
      <Problem error={error ?? refused} />
      {data?.faults?.map((each) => (
        <p key={each} className="s-failed words small">
          {each}
        </p>
      ))}
      {!data && !error && <Waiting />}
      {data && !data.webhooks.length && (
        <Empty title="No webhooks" steps={[{ say: "Name a receiver as [webhooks.NAME] in .wfe/config.toml, then review it.", cli: "wfe-mcp trust" }]}>
          A webhook tells another system, such as n8n, what happens in your runs and work items.
        </Empty>
      )}
      {data?.webhooks.map((each) => (
        <section key={each.name} className="panel" style={{ marginTop: "0.75rem" }}>
          <h2>{each.name}</h2>
          <p>
            {each.origin} <span className="muted">gets {each.enabled ? each.events.join(", ") : "nothing now"}</span>
          </p>
          {each.fault && <p className="s-failed words small">{each.fault}</p>}
        </section>
      ))}
      {data && data.deliveries.length > 0 && <Deliveries rows={data.deliveries} busy={busy} again={(job) => again({ deliveries: [job] })} />}
    </>
  );
}

function Deliveries({ rows, busy, again }: { rows: readonly DeliveryView[]; busy: boolean; again: (job: string) => void }) {
  return (
    <table className="records panel" style={{ marginTop: "0.75rem" }}>
      <caption className="hidden">Deliveries, newest first</caption>
      <thead>
        <tr>
          <th>Event</th>
          <th>State</th>
          <th>To</th>
          <th>For</th>
          <th>Tries</th>
          <th>Made</th>
          <th>
            <span className="hidden">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map((each) => (
          <tr key={each.job} title={each.id}>
            <td>
              <b>{each.event}</b>
            </td>
            <td data-label="State">
              <State state={STATES[each.state] ?? each.state}>{each.state}</State>
              {each.next_try && moment(each.next_try) > Date.now() ? <span title={each.next_try}>, next try in {span((moment(each.next_try) - Date.now()) / 1000)}</span> : ""}
              {each.error && each.state !== "delivered" && <p className="s-failed words small">{each.error}</p>}
            </td>
            <td data-label="To">{each.webhook}</td>
            <td data-label="For">{each.subject}</td>
            <td data-label="Tries" className="num">{each.tries}</td>
            <td data-label="Made" className="num" title={each.at}>{age(each.at)} ago</td>
            <td>
              {each.state !== "behind" && each.state !== "sending" && (
                <button type="button" className="btn slim" disabled={busy} title={`wfe-mcp webhook redeliver ${each.job}`} onClick={() => again(each.job)}>
                  Redeliver
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
