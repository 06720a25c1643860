// The shell: navigation, the live mark, theme, palette, and the page of the address.
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { Activity } from "./activity";
import { useAsk, useLive, type Refused } from "./api";
import type { InboxView, NewsView, SessionView } from "./api_types";
import { Boundary } from "./boundary";
import { AskFor } from "./ask_for";
import { ArtifactPage } from "./artifact";
import { Assistant } from "./assistant";
import { Board } from "./board";
import { cli } from "./cli";
import { Compare } from "./compare";
import { WorkClaims } from "./claims";
import { Decision } from "./decision";
import { Submission } from "./submission";
import { Brand, Icon } from "./icons";
import { Environments } from "./environments";
import { changesWaits, Inbox, useAwake, waits } from "./inbox";
import { ItemPageView } from "./item";
import { NewItem } from "./item_form";
import { ImportItems } from "./item_import";
import { Known, useActsIn, useKnown } from "./in_project";
import { useKeys } from "./keys";
import { useNews } from "./news";
import { KeySheet, Palette, useCommands } from "./palette";
import { Cli } from "./parts";
import { PinHost } from "./pin";
import { Projects } from "./projects";
import { Queue } from "./queue";
import { ReplaceHost } from "./rollback";
import { go, to, useRoute, type Route } from "./route";
import { Run } from "./run";
import { Runs } from "./runs";
import { Search } from "./search";
import { AGAIN_S, atServer, forget, prove, refusedLink, Session } from "./session";
import { Settings } from "./settings";
import { Start } from "./start";
import { useWhenStuck } from "./stuck";
import { Templates } from "./templates";
import { folder } from "./words";
import { Webhooks } from "./webhooks";
import { WorkBoard } from "./work_board";
import { WorkDecisions, WorkList } from "./work";

const PAGES: [name: string, key: string, does: string][] = [
  ["inbox", "i", "Inbox"], ["board", "b", "Board"], ["runs", "r", "Runs"], ["items", "w", "Work"], ["templates", "t", "Templates"],
  ["projects", "p", "Projects"], ["activity", "a", "Activity"], ["assistant", "k", "Ask"], ["queue", "q", "Queue"], ["environments", "e", "Environments"],
  ["settings", "s", "Settings"],
];

/** How many of them the navigation shows; the others are behind More. */
const FIRST = 5;

/** Pages without a place of their own in the navigation → the one they belong to. */
const OF: Record<string, string> = { ask: "inbox", artifact: "runs", compare: "runs", form: "runs", start: "templates", webhooks: "queue" };

const WIDE = ["items", "runs", "templates", "board", "artifact", "compare", "form"];

/** Parts that name nothing: a browser takes them for another address, such as that of a list for that of a run. */
const NOTHING = /^\.{1,2}$|\//;

const LIVE: Record<string, string> = { live: "live", lost: "server lost, trying again", over: "session over", connecting: "connecting" };

function page(route: Route, inbox: InboxView | null, error: Refused | null, news: NewsView | null, takesPin: boolean, reload: () => void): ReactNode {
  const [first, second] = route.parts;
  switch (route.parts.some((part) => NOTHING.test(part)) ? "" : route.page) {
    case "inbox":
      return first ? <Decision key={first} request={first} at={second ?? ""} inbox={inbox} takesPin={takesPin} /> : <Inbox data={inbox} error={error} news={news} />;
    case "runs":
      return first ? <Run key={first} run={first} tab={second ?? ""} phase={route.parts[2] ?? ""} /> : <Runs key={String(route.query)} query={route.query} />;
    case "ask":
      return first && second ? <AskFor key={`${first} ${second}`} run={first} phase={second} /> : <Inbox data={inbox} error={error} news={news} />;
    case "board":
      return <Board news={news} />;
    case "start":
      return <Start key={first} template={first ?? ""} started={reload} />;
    case "templates":
      return <Templates name={first ?? ""} view={second ?? ""} />;
    case "queue":
      return <Queue />;
    case "webhooks":
      return <Webhooks />;
    case "environments":
      return <Environments />;
    case "activity":
      return <Activity query={route.query} />;
    case "projects":
      return <Projects key={first} id={first ?? ""} inbox={inbox} />;
    case "settings":
      return <Settings part={first ?? ""} />;
    case "artifact":
      return first && second ? <ArtifactPage key={`${first} ${second}`} run={first} phase={second} revision={Number(route.parts[2] ?? 0)} query={route.query} /> : <Runs query={route.query} />;
    case "compare":
      return <Compare left={first ?? ""} right={second ?? ""} />;
    case "form":
      return first && second ? <Submission key={`${first} ${second}`} run={first} phase={second} /> : <Runs query={route.query} />;
    case "items":
      if (first === "new") return <NewItem key={`${route.query}`} query={route.query} />;
      if (first === "import") return <ImportItems />;
      if (first && second) return <ItemPageView key={`${first} ${second}`} project={first} id={second} edits={route.parts[2] === "edit"} />;
      return first === "board" ? <WorkBoard /> : first === "decisions" ? <WorkDecisions /> : first === "claims" ? <WorkClaims /> : <WorkList query={route.query} />;
    case "assistant":
      return <Assistant />;
    case "search":
      return <Search text={route.query.get("q") ?? ""} />;
    default:
      return (
        <>
          <h1>There is no page {[route.page, ...route.parts].join("/")}</h1>
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
  const { data: inbox, error, reload } = useAsk<InboxView>("/inbox", changesWaits, true);
  useWhenStuck(inbox, reload);
  const [open, setOpen] = useState<"" | "palette" | "keys">("");
  const main = useRef<HTMLElement>(null);
  const session = useAsk<SessionView>("/session", () => false);
  useEffect(() => {
    window.addEventListener("wfe-session", session.reload);
    return () => window.removeEventListener("wfe-session", session.reload);
  }, [session.reload]);
  const isOver = session.error?.code === "unauthorized" && !(route.page === "inbox" && route.parts.length > 0); // a decision goes on without one
  useEffect(() => {
    if (!isOver) return;
    forget();
    window.addEventListener("focus", session.reload); // another tab may have been opened meanwhile, and lends its session
    return () => window.removeEventListener("focus", session.reload);
  }, [isOver, session.reload]);
  const news = useNews();
  const projects = useKnown(route.page);
  const acting = useActsIn(route, inbox, projects, session.data?.project);
  const takesPin = !atServer() && session.data?.asks_pin !== false;
  const waiting = useAwake(inbox ? waits(inbox) : []).length;
  const [heading, setHeading] = useState("");
  useEffect(() => {
    const changed = new MutationObserver(() => setHeading(["main h1", 'main .crumbs a[href^="#/runs/"]'].map((part) => document.querySelector(part)?.textContent).filter(Boolean).join(" · ")));
    changed.observe(document.body, { childList: true, characterData: true, subtree: true });
    return () => changed.disconnect();
  }, []);

  useEffect(() => {
    document.title = `${waiting ? `(${waiting}) ` : ""}${heading ? `${heading} · ` : ""}wfe`;
    if ("setAppBadge" in navigator) void navigator.setAppBadge(waiting).catch(() => undefined);
  }, [waiting, heading]);

  const told = useRef<Set<string> | null>(null);
  useEffect(() => {
    if (!inbox) return;
    const now = new Set(waits(inbox).map((wait) => wait.key));
    const fresh = waits(inbox).filter((wait) => told.current && !told.current.has(wait.key));
    told.current = now;
    if (document.hidden && "Notification" in window && Notification.permission === "granted") {
      for (const each of fresh.slice(0, 3)) {
        const shown = new Notification(each.title, { body: `${folder(each.project)}: ${each.about}`, tag: each.key });
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
    if (!first.current && (route.parts.length <= 1 || document.activeElement === document.body)) main.current?.focus({ preventScroll: false });
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
      { name: "Start a run", does: () => go(to("start")), cli: cli`wfe-mcp start TEMPLATE` },
      { name: "Add a work item", does: () => go(to("items", "new")), cli: cli`wfe-mcp work add TITLE` },
      { name: "Add a claim", does: () => go(`${to("items", "new")}?kind=claim`), cli: cli`wfe-mcp claim add TITLE` },
      { name: "Compare two runs", does: () => go(to("compare")), cli: cli`wfe-mcp compare ONE OTHER` },
      { name: "Switch between light and dark", does: switchTheme },
      { name: "Tell me in this browser when something waits", does: () => void Notification.requestPermission() },
      { name: "Show all keys", does: () => setOpen("keys") },
      ...(inbox ? waits(inbox).map((wait) => ({ name: wait.title, does: () => go(wait.href), cli: wait.cli })) : []),
    ],
    [inbox, acting],
  );
  useCommands("everywhere", everywhere);

  const here = OF[route.page] ?? route.page;

  if (isOver) return <NoSession />;
  return (
    <Session value={session.data}><Known value={projects.data}>
      <header className="topbar">
      <a className="hidden" href="#/inbox" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>
        Skip to the content
      </a>
        <a className="brand" href="#/inbox">
          <Brand />
          wfe
        </a>
        <nav aria-label="Main">
          {PAGES.slice(0, FIRST).map(([name, , says]) => (
            <a key={name} href={to(name)} aria-current={here === name ? "page" : undefined}>
              {says}
              {name === "inbox" && waiting > 0 && (
                <span className="count">
                  {waiting}
                  <span className="hidden"> wait for you</span>
                </span>
              )}
            </a>
          ))}
          <More here={here} at={address} />
        </nav>
        <span className="grow" />
        {session.data?.scope === "read" && session.data.login && (
          <span className="state only-looks" title="You are a reader here: an admin of the project gives other roles.">
            <Icon name="eye" />
            only looks
          </span>
        )}
        {session.data?.scope === "read" && !session.data.login && (
          <button type="button" className="btn slim only-looks" title="This page was opened more than 12 hours ago. With your PIN it does more." onClick={() => void prove("This page was opened more than 12 hours ago, so it only looks.", location.href)}>
            <Icon name="eye" />
            only looks
          </button>
        )}
        <span className={`live ${live}`} role="status">
          {LIVE[live]}
        </span>
        <button className="search" type="button" title="Search or run a command (Ctrl K)" onClick={() => setOpen("palette")}>
          <Icon name="search" />
          <span className="grow-text only-desktop">Search or run a command</span>
          <kbd className="only-desktop">Ctrl K</kbd>
        </button>
        {session.data?.login && (
          <a className="btn bare slim" href="/access" title="Your tokens, machines and passkeys, until when you are away, and the way out">
            {session.data.user}
          </a>
        )}
        <button className="btn bare icon-only" type="button" aria-label="Switch between light and dark" onClick={switchTheme}>
          <Icon name="theme" />
        </button>
      </header>
      <main ref={main} tabIndex={-1} className={WIDE.includes(route.page) ? "wide" : ""}>
        <Boundary at={address}>{page(route, inbox, error, news, takesPin, reload)}</Boundary>
      </main>
      <PinHost takesPin={takesPin} />
      <ReplaceHost />
      {open === "palette" && <Palette onClose={() => setOpen("")} />}
      {open === "keys" && <KeySheet onClose={() => setOpen("")} />}
    </Known></Session>
  );
}

/** The pages that a first week rarely needs. */
function More({ here, at }: { here: string; at: string }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => menu.current?.removeAttribute("open");
  const pages = PAGES.slice(FIRST);
  useEffect(close, [at]);
  useEffect(() => {
    const pressed = (event: PointerEvent) => !menu.current?.contains(event.target as Node) && close(); // a tap need not move the focus
    window.addEventListener("pointerdown", pressed);
    return () => window.removeEventListener("pointerdown", pressed);
  }, []);
  return (
    <details
      ref={menu}
      className="more-pages"
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && close()}
      onKeyDown={(event) => event.key === "Escape" && (close(), event.currentTarget.querySelector("summary")?.focus())}
    >
      <summary aria-current={pages.some(([name]) => name === here) || undefined}>
        <span className="only-wide">{pages.find(([name]) => name === here)?.[2] ?? "More"}</span>
        <span className="only-narrow">More</span>
      </summary>
      <div className="panel">
        {pages.map(([name, , says]) => (
          <a key={name} href={to(name)} aria-current={here === name ? "page" : undefined} onClick={close}>
            {says}
          </a>
        ))}
      </div>
    </details>
  );
}

function switchTheme(): void {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("wfe-theme", root.dataset.theme);
  window.dispatchEvent(new Event("wfe-theme"));
}

/** A page whose server cannot say who is logged in, such as while its database is away. */
export function Away({ why }: { why: string }) {
  return (
    <main>
      <div className="empty">
        <h1>The server cannot answer now</h1>
        <p className="note warn words" role="status">
          {why}
        </p>
        <p className="soft">Nothing is lost. This page asks again every {AGAIN_S} seconds, and opens as soon as the server answers.</p>
      </div>
    </main>
  );
}

/** A page without a token: nothing is shown, and the command that opens one. */
export function NoSession() {
  return (
    <main>
      <div className="empty">
        <h1>Open this page by its command</h1>
        {refusedLink() && (
          <p className="note warn" role="status">
            {refusedLink()}
          </p>
        )}
        <p className="soft">
          The address alone shows nothing, so that no other program on this machine can read your runs. The command prints a link that works once, within a
          minute, and opens it.
        </p>
        <p>
          <Cli text="wfe-mcp ui" />
        </p>
        <p className="soft">
          Where the page runs already, <code>wfe-mcp status</code> prints a fresh link.
        </p>
        <p className="muted">
          An open tab of this page lends its session to new ones. Without JavaScript, <a href="/">the plain page</a> decides with your PIN.
        </p>
      </div>
    </main>
  );
}
