// The shell: navigation, the live mark, theme, palette, and the page of the address.
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { useAsk, useLive } from "./api";
import { Board } from "./board";
import { Decision } from "./decision";
import { Brand, Icon } from "./icons";
import { Inbox, waits, type InboxData } from "./inbox";
import { useKeys } from "./keys";
import { Activity, Projects, Queue, Runs, Search } from "./lists";
import { KeySheet, Palette, useCommands } from "./palette";
import { Cli } from "./parts";
import { PinHost } from "./pin";
import { go, to, useRoute, type Route } from "./route";
import { Run } from "./run";
import { Settings } from "./settings";
import { Start } from "./start";
import { Templates } from "./templates";

const PAGES: [name: string, key: string, does: string][] = [
  ["inbox", "i", "Inbox"], ["board", "b", "Board"], ["runs", "r", "Runs"], ["templates", "t", "Templates"],
  ["queue", "q", "Queue"], ["activity", "a", "Activity"], ["projects", "p", "Projects"], ["settings", "s", "Settings"],
];

const LIVE: Record<string, string> = { live: "live", lost: "server lost, trying again", connecting: "connecting" };

function page(route: Route, inbox: InboxData | null, reload: () => void): ReactNode {
  const [first, second] = route.parts;
  switch (route.page) {
    case "inbox":
      return first ? <Decision key={first} request={first} at={second ?? ""} /> : <Inbox data={inbox} />;
    case "runs":
      return first ? <Run key={first} run={first} tab={second ?? ""} phase={route.parts[2] ?? ""} /> : <Runs query={route.query} />;
    case "board":
      return <Board />;
    case "start":
      return <Start template={first ?? ""} started={reload} />;
    case "templates":
      return <Templates name={first ?? ""} view={second ?? ""} />;
    case "queue":
      return <Queue />;
    case "activity":
      return <Activity query={route.query} />;
    case "projects":
      return <Projects id={first ?? ""} />;
    case "settings":
      return <Settings part={first ?? ""} />;
    case "search":
      return <Search text={route.query.get("q") ?? ""} />;
    default:
      return (
        <>
          <h1>There is no page {route.page}</h1>
          <p>
            <a href="#/inbox">Go to the Inbox</a>
          </p>
        </>
      );
  }
}

export function App() {
  const route = useRoute();
  const live = useLive();
  const { data: inbox, reload } = useAsk<InboxData>("/inbox");
  const [open, setOpen] = useState<"" | "palette" | "keys">("");
  const main = useRef<HTMLElement>(null);
  const waiting = inbox ? waits(inbox).length : 0;

  useEffect(() => {
    document.title = `${waiting ? `(${waiting}) ` : ""}${PAGES.find(([name]) => name === route.page)?.[2] ?? "wfe"} · wfe`;
    if ("setAppBadge" in navigator) void navigator.setAppBadge(waiting).catch(() => undefined);
  }, [waiting, route.page]);

  const told = useRef<Set<string> | null>(null);
  useEffect(() => {
    if (!inbox) return;
    const now = new Set(waits(inbox).map((each) => each.key));
    const fresh = waits(inbox).filter((each) => told.current && !told.current.has(each.key));
    told.current = now;
    if (document.hidden && "Notification" in window && Notification.permission === "granted") {
      for (const each of fresh.slice(0, 3)) {
        const shown = new Notification(each.title, { body: each.about, tag: each.key });
        shown.onclick = () => {
          window.focus();
          go(each.href);
        };
      }
    }
  }, [inbox]);

  const address = `${route.page}/${route.parts.join("/")}`;
  const first = useRef(true);
  useEffect(() => {
    if (!first.current && route.parts.length <= 1) main.current?.focus({ preventScroll: false });
    first.current = false;
  }, [address]); // eslint-disable-line

  useKeys({
    "Ctrl k": () => setOpen("palette"),
    "?": () => setOpen("keys"),
    ...Object.fromEntries(PAGES.map(([name, key]) => [`g ${key}`, () => go(to(name))])),
  });
  const everywhere = useMemo(
    () => [
      ...PAGES.map(([name, , says]) => ({ name: `Go to ${says}`, does: () => go(to(name)) })),
      { name: "Start a run", does: () => go(to("start")), cli: "wfe-mcp start TEMPLATE" },
      { name: "Switch between light and dark", does: switchTheme },
      { name: "Tell me in this browser when something waits", does: () => void Notification.requestPermission() },
      { name: "Show all keys", does: () => setOpen("keys") },
      ...(inbox ? waits(inbox).map((each) => ({ name: each.title, does: () => go(each.href), cli: each.cli })) : []),
    ],
    [inbox],
  );
  useCommands("everywhere", everywhere);

  return (
    <>
      <header className="topbar">
      <a className="hidden" href="#/inbox" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>
        Skip to the content
      </a>
        <a className="brand" href="#/inbox">
          <Brand />
          wfe
        </a>
        <nav aria-label="Main">
          {PAGES.map(([name, , says]) => (
            <a key={name} href={to(name)} aria-current={route.page === name ? "page" : undefined}>
              {says}
              {name === "inbox" && waiting > 0 && (
                <span className="count">
                  {waiting}
                  <span className="hidden"> wait for you</span>
                </span>
              )}
            </a>
          ))}
        </nav>
        <span className="grow" />
        <span className={`live ${live}`} role="status">
          {LIVE[live]}
        </span>
        <button className="search" type="button" title="Search or run a command (Ctrl K)" onClick={() => setOpen("palette")}>
          <Icon name="search" />
          <span className="grow-text only-desktop">Search or run a command</span>
          <kbd className="only-desktop">Ctrl K</kbd>
        </button>
        <button className="btn bare icon-only" type="button" aria-label="Switch between light and dark" onClick={switchTheme}>
          <Icon name="theme" />
        </button>
      </header>
      <main ref={main} tabIndex={-1} className={route.page === "runs" || route.page === "templates" || route.page === "board" ? "wide" : ""}>
        {page(route, inbox, reload)}
      </main>
      <PinHost />
      {open === "palette" && <Palette onClose={() => setOpen("")} />}
      {open === "keys" && <KeySheet onClose={() => setOpen("")} />}
    </>
  );
}

function switchTheme(): void {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("wfe-theme", root.dataset.theme);
  window.dispatchEvent(new Event("wfe-theme"));
}

/** A page without a token: nothing is shown, and the command that opens one. */
export function NoSession() {
  return (
    <main>
      <div className="empty">
        <h1>Open this page by its command</h1>
        <p className="soft">
          The address alone shows nothing, so that no other program on this machine can read your runs. The command prints a link that works once, and
          opens it.
        </p>
        <p>
          <Cli text="wfe-mcp ui" />
        </p>
        <p className="muted">
          An open tab of this page lends its session to new ones. Without JavaScript, <a href="/">the plain page</a> decides with your PIN.
        </p>
      </div>
    </main>
  );
}
