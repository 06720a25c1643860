// The prompt that waits for an approval, as a person edits it: its gates run again, and a new request follows.
import { useState } from "react";
import { ask, useAct, useAsk } from "./api";
import type { DecisionData, TextToEdit } from "./api_types";
import { useDraft } from "./draft";
import { Field, Problem } from "./parts";
import { leave, to } from "./route";

export function PromptEdit({ data, reload }: { data: DecisionData; reload: () => void }) {
  const { request } = data;
  const path = `/decisions/${encodeURIComponent(request.id)}/edit`;
  const stored = useAsk<TextToEdit>(path, () => false);
  const [draft, setDraft] = useDraft<string | null>(`${request.id} edit`, null);
  const [note, setNote] = useState("");
  const [pin, setPin] = useState("");
  const [act, busy, error] = useAct();
  const text = draft ?? stored.data?.text ?? "";
  const send = () =>
    act(async (isHere) => {
      try {
        const { data: edited } = await ask<DecisionData>(path, { pin, sha256: request.sha256, shown: data.shown_sha256, text, note });
        setDraft(null);
        if (edited.newer && isHere()) leave(to("inbox", edited.newer)); // the edited prompt is asked about there
        else reload();
      } finally {
        setPin("");
      }
    });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div className="pane">
        <p className="then">The agent gets your text in place of this prompt, once you approve it. Its gates run again first.</p>
        <Problem error={stored.error} />
        <Field label="Prompt">
          <textarea autoFocus rows={8} required disabled={!stored.data} value={text} onChange={(event) => setDraft(event.target.value)} />
        </Field>
        <Field label="Note" hint="optional, kept with the edit">
          <input type="text" value={note} onChange={(event) => setNote(event.target.value)} />
        </Field>
        <Field label="PIN">
          <input type="password" autoComplete="off" required value={pin} onChange={(event) => setPin(event.target.value)} />
        </Field>
        <span className="row">
          <button className="btn solid grow" type="submit" disabled={busy || !stored.data}>
            {busy ? "Storing…" : "Store and judge again"}
          </button>
        </span>
        <Problem error={error} first="Nothing was stored." />
      </div>
    </form>
  );
}
