// At a server: who else has this decision open. The server says it in a sentence, and takes this page for open while it asks.
import { useContext, useEffect, useState } from "react";
import { ask } from "./api";
import type { PeopleHere } from "./api_types";
import { Session } from "./session";

/** Half as often as the stream of events is heard from (`PING_S` of the server). */
const EVERY_MS = 30_000;

export function Present({ request }: { request: string }) {
  const login = useContext(Session)?.login === true;
  const [text, setText] = useState("");
  useEffect(() => {
    if (!login) return;
    const say = () => {
      if (document.hidden) return;
      ask<PeopleHere>(`/decisions/${encodeURIComponent(request)}/present`, {})
        .then(({ data }) => setText(data.text ?? ""))
        .catch(() => setText(""));
    };
    say();
    const timer = setInterval(say, EVERY_MS);
    document.addEventListener("visibilitychange", say);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", say);
    };
  }, [login, request]);
  return text === "" ? null : (
    <p className="note" role="status">
      {text}
    </p>
  );
}
