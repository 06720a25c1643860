// One decision. The server renders what is shown, once for every browser; here is what needs a script: the bar that decides,
// keys, drafts of comments on lines, marks of viewed files, and reloading when something happens.
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type MouseEvent, type RefObject } from "react";
import { createPortal, flushSync } from "react-dom";
import { query, useAsk, useLooks, useMoments } from "./api";
import type { ApprovalView, DecisionData, DecisionPage, InboxView } from "./api_types";
import { inFolder } from "./cli";
import { type Choice, Bar } from "./decision_bar";
import { subject, useDraft } from "./draft";
import { refocus, useKeys } from "./keys";
import { comments, Gone, LineComments, place, type Drafts } from "./line_comments";
import { useCommands } from "./palette";
import { NotThere, Section, Waiting } from "./parts";
import { Position } from "./position";
import { Present } from "./present";
import { go, to } from "./route";
import { SecondOpinion } from "./second_opinion";
import { Since, WHOLE } from "./since";
import { age } from "./words";

export function Decision({ request, at, inbox, takesPin }: { request: string; at: string; inbox: InboxView | null; takesPin: boolean }) {
  const run = useRef("");
  const last = useRef<DecisionPage | null>(null);
  const [split, setSplit] = useState(() => localStorage.getItem("wfe-split") === "1");
  const { data, error, reload } = useAsk<DecisionPage>(`/decisions/${encodeURIComponent(request)}/page${query({ split: split ? 1 : null })}`, (event) => !run.current || event.run === run.current);
  if (data || last.current?.decision.request.id !== request) last.current = data; // the other layout is on its way: this one stays
  const page = last.current;
  run.current = page?.decision.request.run_id ?? "";
  useLooks(page?.decision.gating ?? false, reload);
  const toggleSplit = () => {
    localStorage.setItem("wfe-split", split ? "0" : "1");
    setSplit(!split);
  };
  const over = error?.code === "unauthorized"; // the session has ended; the plain page decides without one
  useEffect(() => {
    if (over) location.replace(`/decide/${encodeURIComponent(request)}`);
  }, [over, request]);
  if (error && !page) return <NotThere error={error} list="#/inbox" called="the Inbox" />;
  if (!page) return <Waiting />;
  const { decision, html } = page;
  if (!decision.shown) return <Closed data={decision} html={html} />;
  return (
    <>
      <Position request={decision.request.id} inbox={inbox} />
      <Present request={decision.request.id} />
      <Open key={decision.shown_sha256} data={decision} shown={decision.shown} html={html} at={at} takesPin={takesPin} reload={reload} split={split} toggleSplit={toggleSplit} />
    </>
  );
}

/** Hashes are compared by their beginning; the whole is in the title. */
const HASHES = /\b[0-9a-f]{40,64}\b/g;

/** The server's HTML as it is. All text in it is escaped, and the policy of this page runs no script that is in it. */
function Mounted({ root, html, clicked }: { root: RefObject<HTMLDivElement | null>; html: string; clicked: (event: MouseEvent) => void }) {
  const content = useMemo(() => <div ref={root} dangerouslySetInnerHTML={{ __html: html }} />, [root, html]);
  useLayoutEffect(() => {
    for (const each of root.current?.querySelectorAll<HTMLElement>("[data-run]") ?? []) {
      const link = document.createElement("a");
      link.href = to("runs", each.dataset.run ?? "");
      link.textContent = each.textContent;
      each.replaceChildren(link);
    }
    for (const each of root.current?.querySelectorAll<HTMLAnchorElement>('a[href="/"]') ?? []) each.href = "#/inbox"; // also in a tab of its own
    for (const each of root.current?.querySelectorAll<HTMLElement>("section .muted") ?? []) {
      const whole = each.textContent;
      if (each.childElementCount || whole.search(HASHES) < 0) continue;
      each.title = whole;
      each.textContent = whole.replace(HASHES, (hash) => hash.slice(0, 12));
    }
  }, [root, html]);
  const moment = useMoments();
  useLayoutEffect(() => {
    for (const each of root.current?.querySelectorAll("time") ?? []) {
      each.title ||= each.textContent.replace(/^at /, "");
      each.textContent = `${age(each.dateTime)} ago`;
    }
  }, [root, html, moment]);
  return <div onClick={clicked}>{content}</div>;
}

/** Links of the plain page lead to the same in the application; the other ones to a tab of their own. */
function follow(event: MouseEvent, ways: Record<string, () => void>, show?: () => void): void {
  const link = (event.target as Element).closest("a");
  const path = link?.getAttribute("href") ?? "";
  if (!link || event.ctrlKey || event.metaKey || path.startsWith("#/")) return;
  const decision = /^\/decide\/([^/?#]+)$/.exec(path)?.[1];
  const way = path.startsWith("#")
    ? () => {
        const place = document.getElementById(path.slice(1));
        if (place?.closest("[hidden]")) show?.();
        if (place instanceof HTMLDetailsElement) place.open = true;
        const line = link.dataset.line && place?.querySelector(`button.talk[value^="new:${link.dataset.line}:"]`);
        (line || place)?.scrollIntoView(line ? { block: "center" } : undefined);
      }
    : (ways[path.replace(/#.*/, "")] ?? (decision && (() => go(to("inbox", decision)))));
  if (way) {
    event.preventDefault();
    way();
  } else link.target = "_blank";
}

function Closed({ data, html }: { data: DecisionData; html: string }) {
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => refocus(), [html]);
  const [comment] = useDraft(`${subject(data.request)} comment`, "");
  const [feedback] = useDraft(`${subject(data.request)} feedback`, "");
  const [drafts] = useDraft<Drafts>(`${subject(data.request)} comments`, {});
  const typed = [comment, feedback, ...Object.entries(drafts).map(([name, text]) => `${place(name)}: ${text}`)].filter((text) => text.trim() && !data.answer?.comment?.includes(text));
  return (
    <>
      <Mounted root={root} html={html} clicked={(event) => follow(event, {})} />
      {typed.length > 0 && !data.newer && (
        <Section aria-label="What you typed here" title="What you typed here" about="it is in no decision">
          <ul className="panel lines">
            {typed.map((text) => (
              <li key={text} className="words">
                {text}
              </li>
            ))}
          </ul>
        </Section>
      )}
      <p className="row wrap">
        <a className="btn" href="#/inbox">
          Back to the Inbox
        </a>
        <a className="btn" href={to("runs", data.request.run_id)}>
          Show the run
        </a>
      </p>
    </>
  );
}

const KEYS = [["n", "next file"], ["c", "comment on line"], ["v", "mark file viewed"], ["a", "approve"], ["s", "send back"], ["?", "all keys"]];

interface Places {
  files: { details: HTMLDetailsElement; mark: HTMLElement }[];
  outline: Element | null;
  /** Below the opinions that are there, or the evidence. */
  opinions: HTMLElement | null;
}

/** Where the script adds something: a mark beside each file of the change, the keys below the outline, the way to an opinion. */
function usePlaces(root: RefObject<HTMLElement | null>, html: string): Places {
  const [places, setPlaces] = useState<Places>({ files: [], outline: null, opinions: null });
  useLayoutEffect(() => {
    const files = [...(root.current?.querySelectorAll<HTMLDetailsElement>("#change > details.file") ?? [])].map((details) => {
      const [wrap, mark] = [document.createElement("div"), document.createElement("label")];
      wrap.className = "filewrap";
      mark.className = "row viewed";
      details.before(wrap);
      wrap.append(mark, details);
      return { details, mark };
    });
    const opinions = document.createElement("div");
    opinions.className = "advice";
    (root.current?.querySelector("#opinions") ?? root.current?.querySelector("#evidence"))?.after(opinions);
    setPlaces({ files, outline: root.current?.querySelector(".outline") ?? null, opinions });
  }, [root, html]);
  return places;
}

function Open({ data, shown, html, at, takesPin, reload, split, toggleSplit }: {
  data: DecisionData;
  shown: ApprovalView;
  html: string;
  at: string;
  takesPin: boolean;
  reload: () => void;
  split: boolean;
  toggleSplit: () => void;
}) {
  const { id } = data.request;
  const root = useRef<HTMLDivElement>(null);
  const [drafts, setDrafts] = useDraft<Drafts>(`${subject(data.request)} comments`, {});
  const [viewed, setViewed] = useDraft<string[]>(`${id} viewed`, []);
  const [talking, setTalking] = useState("");
  const [choice, setChoice] = useState<Choice>("");
  const [file, setFile] = useState(-1);
  const [since, setSince] = useState(WHOLE);
  const [asks, setAsks] = useState(false);
  const { files, outline, opinions } = usePlaces(root, html);
  const current = Math.max(0, file); // a key without n before it is about the first one
  const here = files[current]?.details;
  const gone = data.buttons?.includes("Reject") ? Object.keys(drafts).filter((name) => !html.includes(`value="${name}"`)) : [];
  const there = Object.fromEntries(Object.entries(drafts).filter(([name]) => !gone.includes(name)));

  useEffect(() => {
    if (at) document.getElementById(at)?.scrollIntoView();
  }, [at]);

  const save = (name: string, text: string) => {
    const { [name]: _, ...others } = drafts;
    setDrafts(text.trim() ? { ...others, [name]: text } : others);
  };
  const view = (details: HTMLDetailsElement, on: boolean) => {
    setViewed(on ? [...new Set([...viewed, details.id])] : viewed.filter((each) => each !== details.id));
    details.open = !on;
  };
  /** Comments and marks are about the whole change: where a part of it is shown, what a key does would not be seen. */
  const showWhole = () => flushSync(() => setSince(WHOLE));
  const goFile = (by: number) => {
    const next = Math.min(files.length - 1, Math.max(0, file + by));
    showWhole();
    setFile(next);
    files[next]?.details.scrollIntoView();
  };
  const edit = () => (data.editable === "prompt" ? setChoice("edit") : go(to("form", data.request.run_id, data.request.phase)));
  const approves = data.buttons?.includes("Approve") ? () => setChoice("approve") : undefined;
  useKeys({
    n: () => goFile(1),
    p: () => goFile(-1),
    c: () => {
      showWhole();
      setFile(current);
      setTalking((here?.querySelector(".add button.talk") ?? here?.querySelector("button.talk"))?.getAttribute("value") ?? "");
    },
    v: () => {
      showWhole();
      setFile(current);
      if (here) view(here, !viewed.includes(here.id));
    },
    a: approves,
    s: () => setChoice("reject"),
    x: () => setChoice("reject"),
    e: data.editable ? edit : undefined,
    Escape: () => setChoice(""),
  });
  useCommands("decision", [
    ...(approves ? [{ name: `Approve ${shown.phase}`, does: approves, cli: inFolder(data.commands.approve) }] : []),
    { name: `Send ${shown.phase} back`, does: () => setChoice("reject"), cli: inFolder(data.commands.reject) },
    { name: split ? "Show the change in one column" : "Show the change side by side", does: toggleSplit },
    { name: "Ask for a second opinion", does: () => setAsks(true), cli: inFolder(data.commands.opinion) },
    { name: "Show the run", does: () => go(to("runs", data.request.run_id)) },
  ]);
  const clicked = (event: MouseEvent) => {
    const talk = (event.target as Element).closest("button.talk");
    if (talk) setTalking(talk.getAttribute("value") ?? "");
    else follow(event, { [`/edit/${id}`]: edit, [`/decide/${id}`]: toggleSplit, [`/decide/${id}?split=1`]: toggleSplit }, showWhole);
  };
  return (
    <>
      <Mounted root={root} html={html} clicked={clicked} />
      <Since root={root} html={html} chosen={since} setChosen={setSince} />
      {files.map(({ details, mark }) =>
        createPortal(
          <>
            <input type="checkbox" checked={viewed.includes(details.id)} onChange={(event) => view(details, event.target.checked)} />
            <span>
              Viewed<span className="hidden"> {details.querySelector(".path")?.textContent}</span>
            </span>
          </>,
          mark,
          details.id,
        ),
      )}
      {outline &&
        createPortal(
          <p className="keys">
            {KEYS.map(([key, does]) => (
              <span key={key} style={{ display: "contents" }}>
                <kbd>{key}</kbd>
                {does}
              </span>
            ))}
          </p>,
          outline,
        )}
      <LineComments root={root} html={html} drafts={there} save={save} open={talking} setOpen={setTalking} />
      {opinions && createPortal(<SecondOpinion data={data} open={asks} setOpen={setAsks} reload={reload} />, opinions)}
      <Gone drafts={drafts} names={gone} drop={(name) => save(name, "")} />
      <Bar data={data} shown={shown} takesPin={takesPin} choice={choice} setChoice={setChoice} comments={comments(there)} gone={gone.map((name) => `${place(name)}: ${drafts[name]}`)} viewed={viewed.length} files={files.length} reload={reload} sent={() => setDrafts({})} />
    </>
  );
}
