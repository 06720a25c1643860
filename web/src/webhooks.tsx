// The webhooks of a project: who gets events, what was sent, and how to send it again; and what starts templates here.
import { ask, query, useAct, useAsk } from "./api";
import type { DeliveryView, TriggersView, WebhooksView } from "./api_types";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, Empty, Faults, Problem, Soon, State, Waiting } from "./parts";
import { to } from "./route";
import { age } from "./words";

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
        <span className="muted">what other systems get, and what starts runs</span>
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
      <Faults texts={data?.faults} />
      {!data && !error && <Waiting />}
      {data && !data.webhooks.length && (
        <Empty title="No webhooks" steps={[{ say: "Name a receiver as [webhooks.NAME] in .wfe/config.toml, then review it.", cli: "wfe-mcp trust" }]}>
          A webhook tells another system, such as n8n, what happens in your runs and work items.
        </Empty>
      )}
      {data?.webhooks.map((each) => (
        <section key={each.name} className="panel pad" style={{ marginTop: "0.75rem" }}>
          <h2>{each.name}</h2>
          <p>
            {each.origin} <span className="muted">gets {each.enabled ? each.events.join(", ") : "nothing now"}</span>
          </p>
          {each.fault && <p className="s-failed words small">{each.fault}</p>}
        </section>
      ))}
      <Triggers project={at.id} concerns={at.concerns} />
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
              <Soon at={each.next_try} says="next try" />
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

/** The systems whose messages, and the times at which, templates start; nothing where there is none. */
function Triggers({ project, concerns }: { project: string; concerns: ReturnType<typeof useProject>["concerns"] }) {
  const { data } = useAsk<TriggersView>(`/triggers${query({ project })}`, concerns);
  const rows = [
    ...(data?.schedules ?? []).map((each) => ({ ...each, when: `${each.cron} ${each.timezone}`.trim(), cli: "wfe-mcp schedule list" })),
    ...(data?.incoming ?? []).map((each) => ({ ...each, when: "a signed message", cli: "wfe-mcp incoming list", next: "", last: "", run: "" })),
  ];
  if (!rows.length) return <Faults texts={data?.faults} />;
  return (
    <>
      <Faults texts={data?.faults} />
    <table className="records panel" style={{ marginTop: "0.75rem" }}>
      <caption className="hidden">What starts runs</caption>
      <thead>
        <tr>
          <th>Starts</th>
          <th>By</th>
          <th>When</th>
          <th>Last</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((each) => (
          <tr key={`${each.cli} ${each.name}`} title={each.cli}>
            <td>
              <b>{each.template}</b>
              {each.fault && <p className="s-failed words small">{each.fault}</p>}
            </td>
            <td data-label="By">{each.name}</td>
            <td data-label="When">
              {each.enabled ? each.when : "off"}
              <Soon at={each.next} says="next" />
            </td>
            <td data-label="Last">{each.run ? <a href={to("runs", each.run)}>{age(each.last ?? "")} ago</a> : each.last ? `${age(each.last)} ago` : ""}</td>
          </tr>
        ))}
      </tbody>
    </table>
    </>
  );
}
