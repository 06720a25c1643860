// Parts that several pages share: states, gate marks, commands, notices, tabs.
import { useEffect, useRef, useState, type CSSProperties, type ReactNode } from "react";
import { ofActs, type Refused } from "./api";
import type { GateLine, GateMark, NodeView } from "./api_types";
import { inFolder } from "./cli";
import { Icon } from "./icons";
import { refocus } from "./keys";
import { atServer } from "./session";
import { visible } from "./visible/jsx-runtime";
import { count, look, mark, moment, runWord, span, stateWord, type Look } from "./words";

/** A gate as a mark: with what it found, or with whether it asks for less than the template. */
export type Gate = GateMark & Pick<GateLine, "text">;

export function State({ state, children, pill = false, run = false }: { state: string; children?: ReactNode; pill?: boolean; run?: boolean }) {
  const shown = look(state);
  return (
    <span className={`state s-${shown === "pending" ? "skipped" : shown}${pill ? " pill" : ""}`}>
      <Icon name={shown} spin={shown === "running"} />
      {children ?? (run ? runWord : stateWord)(state)}
    </span>
  );
}

export function Flag({ kind, children }: { kind: Look; children: ReactNode }) {
  return (
    <span className={`flag state s-${kind}`}>
      <Icon name={kind} />
      {children}
    </span>
  );
}

/** What is to be known before a run is believed: gates that were forced, gates that ask for less than the template. */
export function Integrity({ run }: { run: { tainted?: boolean; weakened_gates?: number } }) {
  return (
    <>
      {run.tainted && <Flag kind="weak">tainted</Flag>}
      {!!run.weakened_gates && <Flag kind="weak">{count(run.weakened_gates, "weakened gate")}</Flag>}
    </>
  );
}

export function Gates({ gates }: { gates: Gate[] }) {
  if (!gates.length) return null;
  return (
    <span className="gates" role="img" aria-label={`Gates: ${gates.map((gate) => `${gate.gate} ${gate.state}${gate.weakened ? ", weakened" : ""}`).join(", ")}`}>
      {gates.map((gate, index) => (
        <i key={index} className={`mark ${mark(gate.state)}${gate.weakened ? " weak" : ""}`} title={`${gate.gate}: ${gate.state}`} />
      ))}
    </span>
  );
}

/** Why a phase failed. */
export const Reason = ({ node, className }: { node: NodeView; className: string }) => (
  <Said text={node.reason ?? ""} isPrinted={node.gates.some((gate) => gate.gate === "command" && gate.state === "fail")} className={className} />
);

/** A sentence, and what follows it; what a check printed keeps its columns. */
export function Said({ text, isPrinted, className }: { text: string; isPrinted: boolean; className: string }) {
  const [first, ...rest] = text.split("\n");
  return (
    <p className={`${className} words`}>
      {first}
      {rest.length > 0 && <span className={isPrinted ? "code" : ""}>{`\n${rest.join("\n")}`}</span>}
    </p>
  );
}

/** The same at a terminal, with a button that copies it; nothing at a server, whose people have only a browser. */
export function Cli({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  if (!text || atServer()) return null;
  const shown = visible(inFolder(text)); // what is copied is what was seen
  return (
    <span className="cli">
      <code title={shown}>{shown}</code>
      <button
        type="button"
        className="btn slim icon-only"
        aria-label={copied ? "Copied" : "Copy the command"}
        title={copied ? "Copied" : "Copy the command"}
        onClick={() => void navigator.clipboard.writeText(shown).then(() => setCopied(true), () => setCopied(false))}
        onBlur={() => setCopied(false)}
      >
        <Icon name={copied ? "passed" : "copy"} />
      </button>
    </span>
  );
}

/** A table of records. `heads`: its columns, of which false is left out; `acts` names one more, of buttons, for those who hear it. */
export function Records({ says, heads, acts, className = "records panel", style, children }: { says: string; heads: ReactNode[]; acts?: string; className?: string; style?: CSSProperties; children: ReactNode }) {
  return (
    <table className={className} style={style}>
      <caption className="hidden">{says}</caption>
      <thead>
        <tr>
          {heads.map((head, index) => head !== false && <th key={index}>{head}</th>)}
          {acts && <th><span className="hidden">{acts}</span></th>}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

/** When something that waits comes; nothing once it is past. */
export function Soon({ at, says }: { at?: string; says: string }) {
  return at && moment(at) > Date.now() ? <span title={at}>, {says} in {span((moment(at) - Date.now()) / 1000)}</span> : null;
}

/** What is configured and does not count. */
export function Faults({ texts }: { texts?: string[] }) {
  return texts?.map((text) => (
    <p key={text} className="s-failed words small">
      {text}
    </p>
  ));
}

/** What to do next; after too many wrong PINs with the time at which one is taken again, since "in 30 seconds" grows old. */
export function nextStep(error: Refused): string {
  const until = error.code === "wrong_pin" && (error.data as { until?: string } | null)?.until;
  return [error.hint, until && `PINs are taken again at ${new Date(moment(until)).toLocaleTimeString([], { hour12: false })}.`].filter(Boolean).join(" ");
}

/** A refusal: what happened, why, what to do next. `first`: what did not happen; `children`: a way on from here. */
export function Problem({ error, first = "", children }: { error: Refused | null; first?: string; children?: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!error || !ofActs.has(error) || !box.current) return;
    const { top, bottom } = box.current.getBoundingClientRect();
    if (top < 0 || bottom > window.innerHeight) box.current.scrollIntoView({ block: "center" });
  }, [error]);
  if (!error) return null;
  return (
    <div ref={box} className="note no" role="alert">
      <b>
        {first && `${first} `}
        {error.message}
      </b>{" "}
      {nextStep(error)} <code className="muted">[{error.code}]</code> {children}
      {error.details.length > 0 && (
        <ul className="listing">
          {error.details.map((detail, index) => (
            <li key={index}>
              {detail.path && <><code>{detail.path}</code>: </>}{detail.message}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Whether it is about a project whose folder is gone. */
export const isGone = (error: Refused): boolean => (error.data as { folder?: string } | null)?.folder !== undefined;

/** In place of a page whose subject is not there: what was said, and where one looks for it. Its hint is for a program. `name`: of a subject
 * that is there and cannot be read; what is wrong with it is for a person. */
export function NotThere({ error, list, called, name = "" }: { error: Refused; list: string; called: string; name?: string }) {
  const isWrong = ![400, 404].includes(error.status);
  if (isWrong && !name) return <Problem error={error} />;
  return (
    <>
      <h1>{isWrong ? name : error.message}</h1>
      {isWrong && <Problem error={error} />}
      {isGone(error) && (
        <p>
          Was it renamed or moved? <a href="#/projects">Say where it is now</a>
        </p>
      )}
      <p>
        <a href={list}>Show {called}</a>
      </p>
    </>
  );
}

export function Waiting() {
  return (
    <div className="panel" role="status" aria-label="Loading">
      <div className="body stack">
        <div className="bone" />
        <div className="bone" />
        <div className="bone" />
      </div>
    </div>
  );
}

export function Crumbs({ items }: { items: (string | { text: string; to: string })[] }) {
  return (
    <nav className="crumbs" aria-label="Breadcrumb">
      {items.map((item, index) => (
        <span key={index} className="row">
          {index > 0 && <Icon name="right" />}
          {typeof item === "string" ? <span className="clip">{item}</span> : <a href={item.to}>{item.text}</a>}
        </span>
      ))}
    </nav>
  );
}

/** The head of a page: its title, what it is about, and what can be done there. */
export function PageHead({ title, about, children }: { title: string; about?: ReactNode; children?: ReactNode }) {
  return (
    <header className="row wrap">
      <h1>{title}</h1>
      {about !== undefined && <span className="muted">{about}</span>}
      {children}
    </header>
  );
}

/** A part of a page under its own heading. `acts`: what can be done with it, at the end of that line. */
export function Section({ title, about, acts, children, ...named }: { title: ReactNode; about?: ReactNode; acts?: ReactNode; children?: ReactNode; id?: string; "aria-label"?: string }) {
  return (
    <section className="section" {...named}>
      <header>
        <h2>{title}</h2>
        {about !== undefined && <span className="soft">{about}</span>}
        {acts}
      </header>
      {children}
    </section>
  );
}

/** A row of views of which one is shown; `choose` takes its name. */
export function Segments({ label, names, now, choose }: { label: string; names: string[]; now: string; choose: (name: string) => void }) {
  return (
    <span className="seg" role="group" aria-label={label}>
      {names.map((name) => (
        <button key={name} type="button" aria-pressed={name === now} onClick={() => choose(name)}>
          {name}
        </button>
      ))}
    </span>
  );
}

/** The options of a choice among `of`; `says`: how one is called, where that is not its value. */
export function Options<T extends string | number>({ of, says = String }: { of: readonly T[]; says?: (name: T) => string }) {
  return of.map((name) => (
    <option key={name} value={name}>
      {says(name)}
    </option>
  ));
}

/** A choice beside its label, as filters have it. `all`: what the empty choice is called, where there is one. */
export function Choose({ label, all, names, says, now, choose }: { label: string; all?: string; names: readonly string[]; says?: (name: string) => string; now: string; choose: (name: string) => void }) {
  return (
    <label className="row small soft">
      <span>{label}</span>
      <select value={now} onChange={(event) => choose(event.target.value)}>
        {all && <option value="">{all}</option>}
        <Options of={names} says={says} />
      </select>
    </label>
  );
}

/** Names with their values. */
export const Pairs = ({ rows }: { rows: [string, ReactNode][] }) => (
  <dl className="kv panel" style={{ padding: "0.75rem" }}>
    {rows.map(([name, value]) => (
      <div key={name} style={{ display: "contents" }}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);

/** A description; what stands between backticks in it is code. */
export const Coded = ({ text }: { text: string }) => text.split("`").map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part));

/** A field of a form with its label above it. */
export function Field({ label, hint, children }: { label?: string; hint?: string | false; children: ReactNode }) {
  return (
    <label className="field">
      <span>
        {label} {hint && <span className="hint">{hint}</span>}
      </span>
      {children}
    </label>
  );
}

/** A question before something is done; it closes with Escape, and with the page that it is about. What is `data-first` in it has the focus. */
export function Ask({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    const close = () => box.current?.close();
    box.current?.showModal();
    box.current?.querySelector<HTMLElement>("[data-first]")?.focus();
    window.addEventListener("hashchange", close);
    return () => {
      window.removeEventListener("hashchange", close);
      refocus(before);
    };
  }, []);
  return (
    <dialog ref={box} className="menu stack" aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}

export function Empty({ title, children, steps }: { title: string; children?: ReactNode; steps: { say: string; cli: string }[] }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      <p className="soft">{children}</p>
      {!atServer() && (
        <ul className="panel how">
          {steps.map((step) => (
            <li key={step.cli} className="stack">
              <p>{step.say}</p>
              <Cli text={step.cli} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** An address at a forge, as a link; as text where a browser would do something else with it. */
export function Address({ of }: { of: string }) {
  return /^https?:\/\//.test(of) ? <a href={of} target="_blank" rel="noreferrer">{of}</a> : <>{of}</>;
}
