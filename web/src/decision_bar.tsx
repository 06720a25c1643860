// The bar that decides: PIN, comment or feedback, always in reach.
import { useContext, useEffect, useRef, useState } from "react";
import { ask, useAct } from "./api";
import type { ApprovalView, DecisionData } from "./api_types";
import { subject, useDraft } from "./draft";
import { Icon } from "./icons";
import { refocus } from "./keys";
import { Cli, Field, Options, Problem } from "./parts";
import { usePromise } from "./promise";
import { PromptEdit } from "./prompt_edit";
import { to } from "./route";
import { Session } from "./session";
import { count } from "./words";

export type Choice = "" | "approve" | "reject" | "edit";

export function Bar({ data, shown, takesPin, choice, setChoice, comments, gone, viewed, files, reload, sent }: {
  data: DecisionData;
  shown: ApprovalView;
  takesPin: boolean;
  choice: Choice;
  setChoice: (choice: Choice) => void;
  comments: { file: string; side: string; line: number; text: string }[];
  /** Comments on lines that are not shown any more, as text. */
  gone: string[];
  viewed: number;
  files: number;
  reload: () => void;
  sent: () => void;
}) {
  const { request } = data;
  const [comment, setComment] = useDraft(`${subject(request)} comment`, "");
  const [feedback, setFeedback] = useDraft(`${subject(request)} feedback`, "");
  const [back, setBack] = useState("");
  const [pin, setPin] = useState("");
  const [phrase, setPhrase] = useState("");
  const [act, busy, error] = useAct();
  const follows = usePromise(request.run_id, choice === "reject" ? "reject" : "", { phase: request.phase, to: back }).leads_to;
  const stale = error?.code === "stale_revision";
  const newest = useRef(data);
  newest.current = data;
  const refusedAt = useRef(data);
  const answersAgain = error?.code === "lost" && data !== refusedAt.current; // what is shown was asked for after the loss
  const changed = (error?.data as { changed?: string[] } | null)?.changed ?? [];
  const needsKey = shown.assurance === "passkey";
  const { approve, reject, edit } = data.commands;

  const bar = useRef<HTMLElement>(null);
  const chosen = useRef(choice);
  useEffect(() => {
    if (!choice && chosen.current) refocus(bar.current?.querySelector(`[data-choice="${chosen.current}"]`));
    chosen.current = choice;
  }, [choice]);
  useEffect(() => {
    if (error) bar.current?.querySelector<HTMLElement>("input[type=password]")?.focus();
  }, [error]);

  const open = comments.length + gone.length;
  const kept = open && `Your ${count(open, "line comment")} ${open === 1 ? "is" : "are"}`;
  const send = () =>
    act(async () => {
      const common = { pin, sha256: request.sha256, shown: data.shown_sha256 };
      try {
        if (choice === "approve") await ask(`/decisions/${request.id}/approve`, { ...common, comment: [comment, ...gone].filter((text) => text.trim()).join("\n\n"), phrase, comments });
        else await ask(`/decisions/${request.id}/reject`, { ...common, feedback: [feedback, ...gone].filter((text) => text.trim()).join("\n\n"), to: back, comments });
        setComment("");
        setFeedback("");
        sent();
        reload();
      } finally {
        refusedAt.current = newest.current;
        setPin("");
      }
    });
  const pinField = (
    <Field label="PIN" hint={needsKey && "this gate asks for a passkey"}>
      <input type="password" autoComplete="off" autoFocus={choice === "approve" && !shown.phrase} required value={pin} onChange={(event) => setPin(event.target.value)} />
    </Field>
  );
  const login = useContext(Session)?.login === true;
  if (data.others) return <ForOthers data={data} />;
  const may = (name: string) => data.buttons?.includes(name) === true;
  if (!may("Approve") && !may("Reject")) return <ForOthers data={{ ...data, others: "The run is stopped, so no decision is possible now." }} />;
  if (!takesPin) return <Elsewhere login={login} data={data} shown={shown} />;
  return (
    <section ref={bar} className="decide" aria-label="Your decision">
      {choice === "edit" && <PromptEdit data={data} reload={reload} />}
      {choice !== "" && choice !== "edit" && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
        >
          <div className={`pane ${choice === "approve" ? "yes" : "back"}`}>
            <p className="then">
              {choice === "approve"
                ? `${shown.effect} Your decision covers everything on this page.${kept ? ` ${kept} kept with it.` : ""}`
                : `${follows ?? ""} Your text${comments.length ? ` and ${count(comments.length, "line comment")} go` : " goes"} with it.`}
            </p>
            {choice === "approve" ? (
              <Field label="Comment" hint="optional, kept with the decision">
                <input type="text" value={comment} onChange={(event) => setComment(event.target.value)} />
              </Field>
            ) : (
              <>
                <Field label="What should be different?">
                  <textarea autoFocus rows={3} required={!comments.length && !gone.length} value={feedback} onChange={(event) => setFeedback(event.target.value)} />
                </Field>
                <Field label="Back to">
                  <select value={back} onChange={(event) => setBack(event.target.value)}>
                    <option value="">{shown.phase}</option>
                    <Options of={(data.back_to ?? []).filter((each) => each !== shown.phase)} />
                  </select>
                </Field>
              </>
            )}
            {choice === "approve" && shown.phrase && (
              <Field label={`Type “${shown.phrase}”`}>
                <input type="text" autoFocus required value={phrase} onChange={(event) => setPhrase(event.target.value)} />
              </Field>
            )}
            {pinField}
            <span className="row">
              <button className={`btn ${choice === "approve" ? "yes" : "solid"} grow`} type="submit" disabled={busy} title={choice === "approve" ? approve : reject}>
                {busy ? "Signing…" : choice === "approve" ? "Sign approval" : "Sign and send back"}
              </button>
              {(data.passkeys ?? []).length > 0 && (
                <a className="btn" href={`/decide/${request.id}`} title="Sign with a passkey on the plain page">
                  <Icon name="key" />
                  Passkey
                </a>
              )}
            </span>
            {answersAgain && (
              <p className="note" role="status">
                The server answers again, and this is still open. Sign it again.
              </p>
            )}
            <Problem error={answersAgain ? null : error} first={error?.code === "lost" ? "It is not known whether this was decided." : "Nothing was decided."}>
              {changed.length > 0 && `Changed since then: ${changed.slice(0, 5).join(", ")}. `}
              {stale && (
                <button type="button" className="btn slim" onClick={reload}>
                  Show what is open now
                </button>
              )}
            </Problem>
          </div>
        </form>
      )}
      <div className="rest">
        <span className="choices" role="group" aria-label="Decision">
          {may("Approve") && (
            <button type="button" className="btn" data-choice="approve" aria-pressed={choice === "approve"} title={approve} onClick={() => setChoice(choice === "approve" ? "" : "approve")}>
              <Icon name="passed" />
              Approve
            </button>
          )}
          <button type="button" className="btn" data-choice="reject" aria-pressed={choice === "reject"} title={reject} onClick={() => setChoice(choice === "reject" ? "" : "reject")}>
            <Icon name="back" />
            Send back
          </button>
          {data.editable === "prompt" && (
            <button type="button" className="btn" data-choice="edit" aria-pressed={choice === "edit"} title={edit} onClick={() => setChoice(choice === "edit" ? "" : "edit")}>
              <Icon name="edit" />
              Edit
            </button>
          )}
          {data.editable === "artifact" && (
            <a className="btn" href={to("form", request.run_id, request.phase)} title={edit}>
              <Icon name="edit" />
              Edit
            </a>
          )}
        </span>
        <span className="facts">
          {files > 0 && <span>{viewed} of {count(files, "file")} viewed</span>}
          {comments.length > 0 && <span>{count(comments.length, "line comment")}</span>}
          <span title={`sha256 of everything on this page: ${data.shown_sha256}`}>
            signs <code>{data.shown_sha256?.slice(0, 8)}</code>
          </span>
        </span>
        <span className="end">
          <Cli text={choice === "reject" ? reject : choice === "edit" ? edit : approve} />
        </span>
      </div>
    </section>
  );
}

/** The bar of who cannot decide: why not, who can, and the passkey that is missing. */
function ForOthers({ data }: { data: DecisionData }) {
  return (
    <section className="decide" aria-label="Your decision">
      <div className="pane shown">
        <p className="note warn">{data.others}</p>
        {data.key_page && (
          <p>
            <a className="btn solid" href={data.key_page}>
              <Icon name="key" />
              Make a passkey
            </a>
          </p>
        )}
      </div>
    </section>
  );
}

/** The bar of a page that takes no PIN: how to decide, and no field. */
function Elsewhere({ data, shown, login }: { login: boolean; data: DecisionData; shown: ApprovalView }) {
  if (login)
    return (
      <section className="decide" aria-label="Your decision">
        <div className="pane shown">
          <p className="then">{data.approved || shown.effect}</p>
          <p>
            <a className={`btn ${data.approved ? "" : "solid"}`} href={`/decide/${data.request.id}`}>
              <Icon name="key" />
              {data.approved ? "Send it back with your passkey" : "Decide with your passkey"}
            </a>
          </p>
        </div>
      </section>
    );
  return (
    <section className="decide" aria-label="Your decision">
      <div className="pane shown">
        <p className="then">{shown.effect}</p>
        <p>To decide, run this in a terminal of your own:</p>
        <Cli text={data.commands.approve} />
        <Cli text={data.commands.reject} />
        {(data.passkeys ?? []).length > 0 && (
          <p>
            <a className="btn" href={`/decide/${data.request.id}`}>
              <Icon name="key" />
              Sign with a passkey
            </a>
          </p>
        )}
        <p className="note warn">
          Your agent's server started this page, so it takes no PIN. Yours does: <code>wfe-mcp ui</code>
        </p>
      </div>
    </section>
  );
}
