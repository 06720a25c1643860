// Asks for an approval that waits without an open request, and goes on to its decision.
import { useEffect, useRef, useState } from "react";
import { Refused, ask } from "./api";
import { NotThere, Problem, Waiting, isGone } from "./parts";
import { to } from "./route";

export function AskFor({ run, phase }: { run: string; phase: string }) {
  const asked = useRef(false);
  const [error, setError] = useState<Refused | null>(null);
  useEffect(() => {
    if (asked.current) return;
    asked.current = true;
    ask(`/runs/${encodeURIComponent(run)}/approve`, { phase }).catch((fault: unknown) => {
      if (!(fault instanceof Refused)) throw fault;
      const request = (fault.data as { request?: string } | null)?.request;
      if (request) location.replace(to("inbox", request)); // "back" leads to the Inbox
      else setError(fault);
    });
  }, [run, phase]);
  if (error && (isGone(error) || error.code === "unknown_run")) return <NotThere error={error} list="#/inbox" called="the Inbox" />;
  return (
    <>
      <h1>Approve {phase}</h1>
      {error ? <Problem error={error} /> : <Waiting />}
      <p>
        <a href={to("runs", run, "list", phase)}>Show the run</a>
      </p>
    </>
  );
}
