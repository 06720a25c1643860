// At a server: who else has this decision open, to whom it was handed, and the form that hands it on. The server takes this page for
// open while it asks.
import { useContext, useEffect, useState } from "react";
import { ask, useAct } from "./api";
import type { DecisionData, PeopleHere } from "./api_types";
import { Field, Problem } from "./parts";
import { Session } from "./session";

/** Half as often as the stream of events is heard from (`PING_S` of the server). */
const EVERY_MS = 30_000;

export function Present({ request }: { request: string }) {
  const login = useContext(Session)?.login === true;
  const [here, setHere] = useState<PeopleHere | null>(null);
  const path = `/decisions/${encodeURIComponent(request)}`;
  const say = () => {
    if (login && !document.hidden) ask<PeopleHere>(`${path}/present`, {}).then(({ data }) => setHere(data), () => setHere(null));
  };
  useEffect(() => {
    say();
    const timer = setInterval(say, EVERY_MS);
    document.addEventListener("visibilitychange", say);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", say);
    };
  }, [login, path]); // eslint-disable-line
  if (!here) return null;
  return (
    <>
      {here.handed && <p className="note">{here.handed}</p>}
      {here.text && (
        <p className="note" role="status">
          {here.text}
        </p>
      )}
      {(here.able ?? []).length > 0 && <HandOver path={path} able={here.able ?? []} handed={say} />}
    </>
  );
}

function HandOver({ path, able, handed }: { path: string; able: NonNullable<PeopleHere["able"]>; handed: () => void }) {
  const [to, setTo] = useState("");
  const [note, setNote] = useState("");
  const [act, busy, error] = useAct();
  const send = () =>
    act(async () => {
      await ask<DecisionData>(`${path}/hand-over`, { to: to || able[0]?.name, note });
      setNote("");
      handed();
    });
  return (
    <details className="panel" style={{ marginBottom: "0.75rem" }}>
      <summary className="fold row">Hand over</summary>
      <form
        className="body stack"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <Field label="To">
          <select value={to} onChange={(event) => setTo(event.target.value)}>
            {able.map((each) => (
              <option key={each.name} value={each.name}>
                {each.away ? `${each.name} (${each.away})` : each.name}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Note" hint="optional, kept in the log of the run">
          <input type="text" maxLength={500} value={note} onChange={(event) => setNote(event.target.value)} />
        </Field>
        {error && <Problem error={error} />}
        <button type="submit" className="btn" disabled={busy}>
          Hand over
        </button>
      </form>
    </details>
  );
}
