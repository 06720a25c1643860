// What a person does with a work item: give it another status, start a run for it. The server says what is legal and why not.
import { useState, type ReactNode } from "react";
import { query, useAct, useAsk, type Refused } from "./api";
import type { ItemMove, ItemPage, TemplateList } from "./api_types";
import { cli } from "./cli";
import { forget, useDraft } from "./draft";
import { Ask, Cli, Field, Problem } from "./parts";
import { send } from "./pin";
import { go, to } from "./route";
import { TrustIt } from "./trust_it";
import { capital } from "./words";

/** The statuses of what is worked, as columns; those of decisions. */
export const STATUSES = ["idea", "planned", "ready", "active", "blocked", "done", "dropped"];
export const DECIDED = ["proposed", "accepted", "deprecated", "superseded"];
export const CLAIMED = ["pending", "validated", "falsified", "inconclusive", "deprecated"];
export const KINDS = ["milestone", "task", "bug", "finding", "requirement", "idea", "threat", "decision"];

/** What is asked for before an item gets a status. */
const REASONS: Record<string, string> = {
  blocked: "What it cannot continue without",
  dropped: "Why it will not be done",
  superseded: "The decision that takes its place",
  deprecated: "Why it does not hold",
};

const NAMES: Record<string, string> = {
  idea: "Back to ideas", planned: "Plan", ready: "Make ready", active: "Start a run", blocked: "Block", done: "Mark done", dropped: "Drop",
  pending: "Take up again",
  accepted: "Accept", deprecated: "Deprecate", superseded: "Supersede",
};

/** Where the way goes back, it has another name. */
const OF_STATUS: Record<string, string> = {
  "ready planned": "Back to planned", "active ready": "Back to ready", "done planned": "Plan again", "dropped planned": "Plan again", "blocked planned": "Plan again",
  "proposed deprecated": "Decline",
};

/** The button for a move: what follows is asked for first where it ends with dots. */
export const moveName = (move: ItemMove, from: string): string => {
  const name = OF_STATUS[`${from} ${move.to}`] ?? NAMES[move.to];
  return `${name ?? capital(move.to)}${REASONS[move.to] || move.takes === "run" ? "…" : ""}`;
};

/** The same at a terminal. */
export function moveCommand({ id, kind }: Movable, to_: string, reason = "REASON"): string {
  if (to_ === "active") return cli`wfe-mcp work start ${id}`;
  if (to_ === "blocked") return cli`wfe-mcp work block ${id} ${reason}`;
  if (to_ === "dropped") return cli`wfe-mcp work drop ${id} ${reason}`;
  if (to_ === "accepted") return cli`wfe-mcp decision accept ${id}`;
  if (to_ === "pending") return cli`wfe-mcp claim retry ${id}`;
  if (to_ === "deprecated" && kind === "claim") return cli`wfe-mcp work edit ${id} --status deprecated --reason ${[reason]}`;
  if (to_ === "deprecated") return cli`wfe-mcp decision deprecate ${id} --reason ${[reason]}`;
  if (to_ === "superseded") return cli`wfe-mcp decision replace ${id} ${reason === "REASON" ? "OTHER" : reason}`;
  return cli`wfe-mcp work edit ${id} --status ${to_}`;
}

export interface Movable {
  id: string;
  kind: string;
  title: string;
  status: string;
  project: string;
  version: number;
  moves?: ItemMove[];
}

export interface Moving {
  /** Give an item another status; an illegal one is refused with the reason. */
  move: (item: Movable, status: string) => void;
  /** Choose one of its statuses. */
  choose: (item: Movable) => void;
  busy: boolean;
  error: Refused | null;
  /** What is asked for meanwhile. */
  asks: ReactNode;
  /** What was moved last, or why it was not, for a screen reader. */
  said: string;
}

/** The draft of a reason: it is there again where the server refused it or was gone. */
const reasonOf = ({ project, id }: Movable, status: string): string => `reason ${project} ${id} ${status}`;

/** `done`: after the change is in the log. */
export function useMoving(done: () => void): Moving {
  const [act, busy, error] = useAct();
  const [asking, setAsking] = useState<{ item: Movable; to: string } | null>(null);
  const [refused, setRefused] = useState("");
  const [said, setSaid] = useState("");
  const close = () => setAsking(null);
  const put = (item: Movable, status: string, reason = "") =>
    act(async () => {
      close();
      await send(`/items/${item.id}`, { status, reason, project: item.project, version: item.version });
      forget(reasonOf(item, status));
      setSaid(`${item.id} is ${status}`);
      done();
    });
  const move = (item: Movable, status: string) => {
    const found = item.moves?.find((each) => each.to === status);
    const stops = found?.takes === "run" ? "" : (found?.refused ?? ""); // what waits can be started with a reason
    setRefused(stops);
    setSaid(stops);
    if (stops || status === item.status) return close();
    if (found && (REASONS[status] || found.takes === "run")) setAsking({ item, to: status });
    else put(item, status); // also where the table has no such move: the server says why
  };
  return {
    move,
    choose: (item) => setAsking({ item, to: "" }),
    busy,
    error,
    said,
    asks: (
      <>
        {refused && (
          <p className="note no" role="alert">
            {refused}
          </p>
        )}
        {asking && !asking.to && <Choice item={asking.item} move={move} close={close} />}
        {asking?.to === "active" && <StartIt item={asking.item} close={close} />}
        {asking && asking.to !== "active" && asking.to && <Reason item={asking.item} to={asking.to} put={put} close={close} />}
      </>
    ),
  };
}

function Choice({ item, move, close }: { item: Movable; move: Moving["move"]; close: () => void }) {
  return (
    <Ask title={`Move ${item.id}`} onClose={close}>
      <p className="soft">
        {item.title}, {item.status} now.
      </p>
      <ul className="stack">
        {(item.moves ?? []).map((each) => (
          <li key={each.to}>
            <button type="button" className="btn" disabled={!!each.refused && each.takes !== "run"} onClick={() => move(item, each.to)}>
              {moveName(each, item.status)}
            </button>{" "}
            <span className="soft small">{each.refused || (each.takes === "pin" ? "asks for your PIN" : "")}</span>
          </li>
        ))}
        {!item.moves?.length && <li>Its record is closed: it stays {item.status}.</li>}
      </ul>
      <form method="dialog">
        <button className="btn">Back</button>
      </form>
    </Ask>
  );
}

function Reason({ item, to: status, put, close }: { item: Movable; to: string; put: (item: Movable, status: string, reason: string) => void; close: () => void }) {
  const [text, setText] = useDraft(reasonOf(item, status), "");
  const replaces = status === "superseded";
  const others = useAsk<{ items: Movable[] }>(replaces ? `/backlog${query({ project: item.project, kind: "decision" })}` : null, () => false).data;
  return (
    <Ask title={`${item.id} becomes ${status}`} onClose={close}>
      <p className="soft">{item.title}</p>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          put(item, status, replaces ? `replaced by ${text}` : text);
        }}
      >
        <Field label={REASONS[status]}>
          {replaces ? (
            <select required value={text} onChange={(event) => setText(event.target.value)}>
              <option value="">Choose one</option>
              {others?.items
                .filter((each) => each.id !== item.id)
                .map((each) => (
                  <option key={each.id} value={each.id}>
                    {each.id} {each.title}
                  </option>
                ))}
            </select>
          ) : (
            <input type="text" autoFocus required={status !== "deprecated"} maxLength={200} value={text} onChange={(event) => setText(event.target.value)} />
          )}
        </Field>
        <span className="row wrap">
          <button className="btn solid">{capital(status === "blocked" ? "block it" : status === "dropped" ? "drop it" : `make it ${status}`)}</button>
          <button type="button" className="btn" onClick={close}>
            Back
          </button>
        </span>
        <Cli text={moveCommand(item, status, text || "REASON")} />
      </form>
    </Ask>
  );
}

/** Start a run that works the item: its text fills the input that says what the run is about. What waits takes a reason. */
function StartIt({ item, close }: { item: Movable; close: () => void }) {
  const page = useAsk<ItemPage>(`/items/${item.id}/page${query({ project: item.project })}`, () => false).data;
  const templates = useAsk<TemplateList>(`/templates${query({ project: item.project })}`, () => false).data;
  const [chosen, setChosen] = useState("");
  const [reason, setReason] = useState("");
  const waits = item.moves?.find((move) => move.to === "active")?.refused ?? "";
  const [act, busy, refused] = useAct();
  const template = chosen || (page?.template ?? "");
  return (
    <Ask title={`Start a run for ${item.id}`} onClose={close}>
      <p className="soft">{item.title}. Its text says what the run is about; when the run is completed, it is done.</p>
      {page?.overlaps?.map((overlap) => (
        <p key={overlap.id} className="note warn">
          {overlap.id} is active and touches {overlap.scopes.join(", ")}: {overlap.title}
        </p>
      ))}
      <Problem error={refused} />
      {refused?.code === "needs_trust" && <TrustIt name={template} project={item.project} done={() => undefined} />}
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          act(async (isHere) => {
            const made = await send(`/items/${item.id}/start`, { template, reason, project: item.project });
            close();
            if (isHere()) go(to("runs", made.run ?? ""));
          });
        }}
      >
        <Field label="Template">
          <select value={template} onChange={(event) => setChosen(event.target.value)}>
            {templates?.templates.map((each) => (
              <option key={each.name} value={each.name}>
                {each.title} ({each.name})
              </option>
            ))}
          </select>
        </Field>
        {waits && (
          <Field label={`${waits} Why it starts all the same; asks for your PIN`}>
            <input type="text" required maxLength={200} value={reason} onChange={(event) => setReason(event.target.value)} />
          </Field>
        )}
        <span className="row wrap">
          <button className="btn solid" disabled={busy || !template}>
            {busy ? "Starting…" : "Start the run"}
          </button>
          <button type="button" className="btn" onClick={close}>
            Back
          </button>
        </span>
        <Cli text={cli`wfe-mcp work start ${chosen ? ["--template", chosen] : []} ${waits ? ["--reason", reason || "REASON"] : []} ${item.id}`} />
      </form>
    </Ask>
  );
}
