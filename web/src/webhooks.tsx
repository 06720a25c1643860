// The webhooks of a project: who gets events, a test, what was sent, and how to send it again; and what starts templates here.
import { useState } from "react";
import { ask, query, useAct, useAsk, useLooks } from "./api";
import type { WebhookDelivery, TriggersView, WebhooksView } from "./api_types";
import { cli } from "./cli";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, Empty, Faults, PageHead, Problem, Records, Soon, State, Waiting } from "./parts";
import { to } from "./route";
import { age, moment } from "./words";

const STATES: Record<string, string> = { delivered: "completed", sending: "running", waiting: "pending", behind: "pending" };

const isOnTheWay = (row: WebhookDelivery): boolean => row.state === "sending" || (row.state === "waiting" && !(row.next_try && moment(row.next_try) > Date.now()));

export function Webhooks() {
  const at = useProject({ one: true });
  const { data, error, reload } = useAsk<WebhooksView>(`/webhooks${query({ project: at.id })}`, at.concerns);
  useLooks(data?.deliveries.some(isOnTheWay) ?? false, reload);
  const [act, busy, refused] = useAct(reload);
  const again = (given: { deliveries?: string[]; failed?: boolean }) => act(() => ask("/webhooks/redeliver", { project: at.id, ...given }));
  const [said, setSaid] = useState<Record<string, string | undefined>>({});
  const test = (name: string) =>
    act(async () => {
      setSaid({});
      setSaid({ [name]: (await ask(`/webhooks/${encodeURIComponent(name)}/test`, { project: at.id })).summary });
    });
  const failed = data?.webhooks.some((webhook) => webhook.failed) ?? false;
  return (
    <>
      <PageHead title="Webhooks" about="what other systems get, and what starts runs">
        <span className="end row wrap">
          <ProjectChoice at={at} one />
          {failed && (
            <button type="button" className="btn slim" disabled={busy} title={cli`wfe-mcp webhook redeliver --failed`} onClick={() => again({ failed: true })}>
              Redeliver all that failed
            </button>
          )}
          <Cli text={cli`wfe-mcp webhook deliveries`} />
        </span>
      </PageHead>
      <Problem error={error ?? refused} />
      <Faults texts={data?.faults} />
      {!data && !error && <Waiting />}
      {data && !data.webhooks.length && (
        <Empty title="No webhooks" steps={[{ say: "Name a receiver as [webhooks.NAME] in .wfe/config.toml, then review it.", cli: "wfe-mcp trust" }]}>
          A webhook tells another system, such as n8n, what happens in your runs and work items.
        </Empty>
      )}
      {data?.webhooks.map((webhook) => (
        <section key={webhook.name} className="panel pad" style={{ marginTop: "0.75rem" }}>
          <div className="row wrap">
            <h2>{webhook.name}</h2>
            <button type="button" className="btn slim end" disabled={busy} title={cli`wfe-mcp webhook test ${webhook.name}`} aria-label={`Send a test to ${webhook.name}`} onClick={() => test(webhook.name)}>
              Send a test
            </button>
          </div>
          <p>
            {webhook.origin} <span className="muted">gets {webhook.enabled ? webhook.events.join(", ") : "nothing now"}</span>
          </p>
          {said[webhook.name] && (
            <p className="s-passed words small" role="status">
              {said[webhook.name]}
            </p>
          )}
          {webhook.fault && <p className="s-failed words small">{webhook.fault}</p>}
        </section>
      ))}
      <Triggers project={at.id} concerns={at.concerns} />
      {!!data?.webhooks.length && !data.deliveries.length && <p className="soft" style={{ marginTop: "0.75rem" }}>Nothing has been sent yet. A test shows whether what is sent arrives.</p>}
      {data && data.deliveries.length > 0 && <Deliveries rows={data.deliveries} project={at.id} busy={busy} again={(job) => again({ deliveries: [job] })} />}
    </>
  );
}

function Deliveries({ rows, project, busy, again }: { project: string; rows: readonly WebhookDelivery[]; busy: boolean; again: (job: string) => void }) {
  return (
    <Records says="Deliveries, newest first" heads={["Event", "State", "To", "For", "Tries", "Made"]} acts="Actions" style={{ marginTop: "0.75rem" }}>
      {rows.map((row) => (
        <tr key={`${row.id} ${row.webhook}`} title={row.id}>
          <td className="nowrap">
            <b>{row.event}</b>
          </td>
          <td data-label="State">
            <State state={STATES[row.state] ?? row.state}>{row.state}</State>
            <Soon at={row.next_try} says="next try" />
            {row.error && row.state !== "delivered" && <p className="s-failed words small">{row.error}</p>}
          </td>
          <td data-label="To">{row.webhook}</td>
          <td data-label="For" className="nowrap">
            {row.event === "webhook.test" ? row.subject : <a href={/^(item|bug)\./.test(row.event) ? to("items", project, row.subject) : to("runs", row.subject)}>{row.subject}</a>}
          </td>
          <td data-label="Tries" className="num">{row.tries}</td>
          <td data-label="Made" className="num" title={row.at}>{age(row.at)} ago</td>
          <td>
            {row.state !== "behind" && row.state !== "sending" && (
              <button type="button" className="btn slim" disabled={busy} title={cli`wfe-mcp webhook redeliver ${row.job}`} aria-label={`Redeliver ${row.event} of ${row.subject} to ${row.webhook}`} onClick={() => again(row.job)}>
                Redeliver
              </button>
            )}
          </td>
        </tr>
      ))}
    </Records>
  );
}

/** The systems whose messages, and the times at which, templates start; nothing where there is none. */
function Triggers({ project, concerns }: { project: string; concerns: ReturnType<typeof useProject>["concerns"] }) {
  const { data } = useAsk<TriggersView>(`/triggers${query({ project })}`, concerns);
  const rows = [
    ...(data?.schedules ?? []).map((schedule) => ({ ...schedule, when: `${schedule.cron} ${schedule.timezone}`.trim(), cli: cli`wfe-mcp schedule list` })),
    ...(data?.incoming ?? []).map((each) => ({ ...each, when: "a signed message", cli: cli`wfe-mcp incoming list`, next: "", last: "", run: "" })),
  ];
  if (!rows.length) return <Faults texts={data?.faults} />;
  return (
    <>
      <Faults texts={data?.faults} />
    <Records says="What starts runs" heads={["Starts", "By", "When", "Last"]} style={{ marginTop: "0.75rem" }}>
      {rows.map((row) => (
        <tr key={`${row.cli} ${row.name}`} title={row.cli}>
          <td>
            <b>{row.template}</b>
            {row.fault && <p className="s-failed words small">{row.fault}</p>}
          </td>
          <td data-label="By">{row.name}</td>
          <td data-label="When">
            {row.enabled ? row.when : "off"}
            <Soon at={row.next} says="next" />
          </td>
          <td data-label="Last">{row.run ? <a href={to("runs", row.run)}>{age(row.last ?? "")} ago</a> : row.last ? `${age(row.last)} ago` : ""}</td>
        </tr>
      ))}
    </Records>
    </>
  );
}
