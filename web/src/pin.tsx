// What only a person does asks for the PIN once, beside what it signs; the PIN is sent and never kept.
import { useEffect, useState } from "react";
import { Refused, ask, type Answer } from "./api";
import { Ask } from "./parts";

interface Wanted {
  why: string;
  answer: (pin: string | null) => void;
}

let show: ((wanted: Wanted) => void) | null = null;

/** `ask`, and where that needs a person: again with the PIN that is typed in. */
export async function send<T>(path: string, body: Record<string, unknown>): Promise<Answer<T>> {
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

export function PinHost() {
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const [pin, setPin] = useState("");
  useEffect(() => {
    show = setWanted;
    return () => {
      show = null;
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
      <form
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
      </form>
    </Ask>
  );
}
