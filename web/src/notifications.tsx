// How the user is notified that they are needed, what was not shown last, and a test.
import { useState, type ReactNode } from "react";
import { ask, query, useAct, useAsk } from "./api";
import type { NotificationsView } from "./api_types";
import { cli } from "./cli";
import { Faults, Pairs, Problem, Section } from "./parts";

export function Notifications({ project }: { project: string }) {
  const { data, error, reload } = useAsk<NotificationsView>(`/notifications${query({ project })}`, () => false);
  const [said, setSaid] = useState<string>();
  const [act, busy, refused] = useAct(reload);
  const test = () =>
    act(async () => {
      setSaid(undefined);
      setSaid((await ask("/notifications/test", { project })).summary);
    });
  const rows: [string, ReactNode][] | null = data && [["By", data.ways || "none"], ["When", data.events.join(", ")], ["Quiet hours", data.quiet || "none"], ["Reminder", data.remind]];
  return (
    <Section id="notifications" title="Notifications" about="how you hear that you are needed" acts={
      <button type="button" className="btn slim end" disabled={busy} title={cli`wfe-mcp notify test`} onClick={test}>
        Send a test
      </button>
    }>
      <Problem error={error ?? refused} />
      {said && (
        <p className="s-passed words small" role="status">
          {said}
        </p>
      )}
      <Faults texts={[...(data?.faults ?? []), data?.last_failure ?? ""].filter(Boolean)} />
      {rows && <Pairs rows={rows} />}
    </Section>
  );
}
