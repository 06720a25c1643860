// The runs without progress that wait for no person: a line below the inbox, since no event comes from them.
import { Fragment, useEffect } from "react";
import type { InboxView, StuckRuns } from "./api_types";
import { chooseProject } from "./chosen";
import { inFolder } from "./cli";
import { Icon } from "./icons";
import { to } from "./route";

const SHOWN = 3;
/** At most one question in this time, however many runs get stuck one after the other. */
const LEAST_S = 60;
/** A timer holds no longer time. */
const MOST_S = 86_400;

/** Ask for the inbox again when the line changes by the clock alone. */
export function useWhenStuck(inbox: InboxView | null, ask: () => void): void {
  useEffect(() => {
    if (!inbox?.stuck_in_s) return undefined;
    const timer = setTimeout(ask, Math.min(Math.max(inbox.stuck_in_s, LEAST_S), MOST_S) * 1000);
    return () => clearTimeout(timer);
  }, [inbox]); // eslint-disable-line
}

/** One line about them, with the way to their list: of all projects, as the line is. */
export function StuckLine({ stuck }: { stuck?: StuckRuns | null }) {
  if (!stuck) return null;
  const named = stuck.runs.slice(0, SHOWN);
  const more = stuck.count - named.length;
  const before = (index: number) => (index === 0 ? ": " : index === named.length - 1 && !more ? " and " : ", ");
  return (
    <section className="note warn stuck" aria-label="Stuck runs">
      <p>
        <span className="s-warning">
          <Icon name="warning" />
        </span>{" "}
        {stuck.text}
        {named.map((run, index) => (
          <Fragment key={run.run}>
            {before(index)}
            <a href={to("runs", run.run)}>{run.title}</a>
          </Fragment>
        ))}
        {more > 0 && ` and ${more.toLocaleString("en")} more`}.{" "}
        <a className="all" href="#/runs?status=stuck" title={inFolder(stuck.command)} onClick={() => chooseProject("")}>
          {more > 0 ? "Show all" : "Show them"}
        </a>
      </p>
    </section>
  );
}
