// What only a person does asks for the PIN once, beside what it signs; the PIN is sent and never kept. At a server the passkey of
// who is logged in signs it.
import { useContext, useEffect, useState } from "react";
import { Refused, Withdrawn, ask, type Answered } from "./api";
import { Ask, Cli, Field, nextStep } from "./parts";
import { Session, provenBy } from "./session";

interface Wanted {
  why: string;
  answer: (pin: string | null) => void;
}

let show: ((wanted: Wanted) => void) | null = null;

/** Why a PIN was refused and what to do. */
const whyRefused = (error: Refused): string => `${error.message} ${nextStep(error)}`;

/** What they answer to a question of the page `at`; null where they have gone from there, since the answer before came late. */
const answerOf = (why: string, at: string) => (location.href === at ? new Promise<string | null>((answer) => show?.({ why, answer })) : Promise.resolve(null));

/** What a person who is logged in answers in place of a PIN. */
const PASSKEY = "";
const SIGN = "wfe-sign";

/** `ask`, and where that needs a person: again with the PIN that is typed in, or with the signature of a passkey. */
export async function send<T>(path: string, body: Record<string, unknown>): Promise<Answered<T>> {
  const at = location.href;
  let pin = "";
  for (;;) {
    try {
      return await ask<T>(path, pin ? { ...body, pin } : body);
    } catch (error) {
      const asks = error instanceof Refused && ["needs_human", "wrong_pin"].includes(error.code) && show;
      if (!asks) throw error;
      const given = await answerOf(error.code === "wrong_pin" ? whyRefused(error) : error.message, at);
      if (given === null) throw new Withdrawn(error);
      if (given === PASSKEY) return signed<T>(path, body);
      pin = given;
    }
  }
}

/** The same once more, signed: the server says what, and has done nothing before. */
async function signed<T>(path: string, body: Record<string, unknown>): Promise<Answered<T>> {
  try {
    return await ask<T>(path, body, "POST", { [SIGN]: "ask" });
  } catch (error) {
    const sign = error instanceof Refused && (error.data as { sign?: { ceremony: string; options: PublicKeyCredentialRequestOptionsJSON } } | null)?.sign;
    if (!sign) throw error;
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(sign.options);
    const made = (await navigator.credentials.get({ publicKey }).catch((reason: DOMException) => {
      throw reason.name === "NotAllowedError" ? new Withdrawn(error) : reason; // cancelled in the browser, or not touched in time
    })) as PublicKeyCredential;
    const text = btoa(JSON.stringify(made.toJSON())).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    return ask<T>(path, body, "POST", { [SIGN]: `${sign.ceremony} ${text}` });
  }
}

/** The PIN, once for this session: it was opened by a link that an agent saw. */
async function confirm(why: string, at: string): Promise<boolean> {
  for (let reason = why; show; ) {
    const pin = await answerOf(`${reason} Your PIN lets this session start, pause and test, until it ends.`, at);
    if (pin === null) return false;
    try {
      await ask("/session/confirm", { pin });
      window.dispatchEvent(new Event("wfe-session"));
      return true;
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "wrong_pin") throw error;
      reason = whyRefused(error);
    }
  }
  return false;
}

export function PinHost({ takesPin }: { takesPin: boolean }) {
  const [wanted, setWanted] = useState<Wanted | null>(null);
  const [pin, setPin] = useState("");
  const login = useContext(Session)?.login === true;
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
      {login && (
        <span className="row">
          <button className="btn solid" autoFocus onClick={() => end(PASSKEY)}>
            Sign with your passkey
          </button>
          <button type="button" className="btn" onClick={() => end(null)}>
            Back
          </button>
        </span>
      )}
      {takesPin || login || (
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
        <Field label="PIN">
          <input type="password" autoComplete="off" autoFocus required value={pin} onChange={(event) => setPin(event.target.value)} />
        </Field>
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
