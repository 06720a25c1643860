// What only a person does asks for the PIN once, beside what it signs; the PIN is sent and never kept.
import { useEffect, useState } from "react";
import { Refused, ask, type Answered } from "./api";
import { Ask, Cli } from "./parts";
import { provenBy } from "./session";

interface Wanted {
  why: string;
  answer: (pin: string | null) => void;
}

let show: ((wanted: Wanted) => void) | null = null;

/** `ask`, and where that needs a person: again with the PIN that is typed in. */
export async function send<T>(path: string, body: Record<string, unknown>): Promise<Answered<T>> {
  let pin = "";
  for (;;) {
    try {
      return await ask<T>(path, pin ? { ...body, pin } : body);
    } catch (error) {
      const asks = error instanceof Refused && ["needs_human", "wrong_pin"].includes(error.code) && show;
      if (!asks) throw error;
      const given = await new Promise<string | null>((answer) => show?.({ why: error.message, answer }));
      if (given === null) throw error;
      pin = given;
    }
  }
}

/** The PIN, once for this session: it was opened by a link that an agent saw. */
async function confirm(why: string): Promise<boolean> {
  for (let told = why; show; ) {
    const pin = await new Promise<string | null>((answer) => show?.({ why: `${told} Your PIN lets this session start, pause and test, until it ends.`, answer }));
    if (pin === null) return false;
    try {
      await ask("/session/confirm", { pin });
      window.dispatchEvent(new Event("wfe-session"));
      return true;
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "wrong_pin") throw error;
      told = error.message;
    }
  }
  return false;
}

export function PinHost({ takesPin }: { takesPin: boolean }) {
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const [pin, setPin] = useState("");
  useEffect(() => {
    show = setWanted;
    provenBy(confirm);
    return () => {
      show = null;
      provenBy(null);
    };
  }, []);
  if (!wanted) return null;
  const end = (given: string | null) => {
    setPin("");
    setWanted(null);
    wanted.answer(given);
  };
  return (
    <Ask title="Only you decide this" onClose={() => end(null)}>
      <p>{wanted.why}</p>
      {takesPin || (
        <p>
          <Cli text="wfe-mcp ui" />
        </p>
      )}
      {takesPin && <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          end(pin);
        }}
      >
        <label className="field">
          <span>PIN</span>
          <input type="password" autoComplete="off" autoFocus required value={pin} onChange={(event) => setPin(event.target.value)} />
        </label>
        <span className="row">
          <button className="btn solid">Sign</button>
          <button type="button" className="btn" onClick={() => end(null)}>
            Back
          </button>
        </span>
      </form>}
    </Ask>
  );
}
