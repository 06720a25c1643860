// Where a decision is among those that wait, and the way to the ones beside it.
import type { InboxView } from "./api_types";
import { Icon } from "./icons";
import { waits } from "./inbox";
import { useKeys } from "./keys";
import { go } from "./route";

export function Position({ request, inbox }: { request: string; inbox: InboxView | null }) {
  const all = inbox ? waits(inbox).filter((wait) => wait.kind === "Decisions") : [];
  const at = all.findIndex((each) => each.request === request);
  const [before, after] = [all[at - 1], at < 0 ? undefined : all[at + 1]];
  const open = (other?: { href: string }) => (other ? () => go(other.href) : undefined);
  useKeys({ j: open(after), k: open(before) });
  if (at < 0 || all.length < 2) return null;
  const way = (other: typeof before, name: string, key: string, icon: string) =>
    other ? (
      <a className="btn slim icon-only" href={other.href} aria-label={`${name} decision`} title={`${name}: ${other.title} (${key})`}>
        <Icon name={icon} />
      </a>
    ) : (
      <button type="button" className="btn slim icon-only" disabled aria-label={`No ${name.toLowerCase()} decision`}>
        <Icon name={icon} />
      </button>
    );
  return (
    <nav className="position row small" aria-label="Decisions that wait">
      <span className="muted num">
        {at + 1} of {all.length}
      </span>
      {way(before, "Previous", "k", "up")}
      {way(after, "Next", "j", "down")}
    </nav>
  );
}
