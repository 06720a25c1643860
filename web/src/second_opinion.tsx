// Asks another model about what waits for a decision, and waits for its answer. It is advice: no gate uses it.
import { useEffect, useRef, useState } from "react";
import { Refused, ask, query, useAct } from "./api";
import type { DecisionData } from "./api_types";
import { subject, useDraft } from "./draft";
import { inFolder, word } from "./cli";
import { Cli, Field, Problem, Section, State } from "./parts";
import { to } from "./route";
import { useRoleSomewhere } from "./session";

const LOOK_MS = 2000;

interface Said {
  job?: string;
}

/** What is asked and has not come is kept over a reload, as is what was said of it. */
interface Asked {
  job: string;
  said: string;
}

export function SecondOpinion({ data, open, setOpen, reload }: { data: DecisionData; open: boolean; setOpen: (open: boolean) => void; reload: () => void }) {
  const { request } = data;
  const path = `/runs/${encodeURIComponent(request.run_id)}/second_opinion`;
  const [asked, setAsked] = useDraft<Asked>(`${subject(request)} opinion`, { job: "", said: "" });
  const [question, setQuestion] = useDraft(`${subject(request)} question`, "");
  const [reviewer, setReviewer] = useState("");
  const [fault, setFault] = useState<Refused | null>(null);
  const [act, busy, refused] = useAct();
  const isAuthor = useRoleSomewhere("author");
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    if (open) form.current?.scrollIntoView({ block: "center" }); // the bar covers the lower end of the window
  }, [open]);
  const take = useRef<(answer: { data: Said | null; summary?: string }) => void>(() => undefined);
  take.current = ({ data, summary }) => {
    setAsked({ job: data?.job ?? "", said: summary ?? "" });
    if (!data?.job) reload(); // it is on the page with the others
  };
  useEffect(() => {
    if (!asked.job) return undefined;
    const look = () =>
      ask<Said>(`${path}${query({ job: asked.job })}`).then(
        (answer) => !ended && (answer.data.job ? (timer = setTimeout(look, LOOK_MS)) : take.current(answer)),
        (error: unknown) => {
          if (ended) return;
          if (!(error instanceof Refused)) throw error;
          if (error.code === "lost") timer = setTimeout(look, LOOK_MS);
          else {
            setFault(error);
            setAsked({ job: "", said: "" });
          }
        },
      );
    let ended = false;
    let timer = setTimeout(look, LOOK_MS);
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [asked.job, path]); // eslint-disable-line
  if (!isAuthor) return null;
  const command = [inFolder(data.commands.opinion), ...(question.trim() ? ["--question", word(question)] : []), ...(reviewer ? ["--reviewer", word(reviewer)] : [])].join(" ");
  return (
    <Section aria-label="Another model" title="Second opinion" about="another model looks at this; it is advice, and no gate uses it" acts={!asked.job && (
        <button type="button" className="btn slim end" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? "Close the form" : "Ask for one"}
        </button>
    )}>
      {open && !asked.job && (
        <form
          ref={form}
          className="panel pad stack"
          aria-label="What to ask it"
          onSubmit={(event) => {
            event.preventDefault();
            setFault(null);
            act(async () => {
              take.current(await ask<Said>(path, { phase: request.phase, question, reviewers: reviewer ? [reviewer] : [] }));
              setQuestion("");
              setOpen(false);
            });
          }}
        >
          <Field label="Question" hint="optional; without one: whether the work may continue">
            <textarea autoFocus rows={2} maxLength={10_000} value={question} onChange={(event) => setQuestion(event.target.value)} />
          </Field>
          <Field label="Reviewer" hint="a role from Settings; without one: the first">
            <input type="text" value={reviewer} onChange={(event) => setReviewer(event.target.value.trim())} />
          </Field>
          <span className="row wrap">
            <button className="btn solid" disabled={busy}>
              {busy ? "Asking…" : "Ask"}
            </button>
            <Cli text={command} />
          </span>
        </form>
      )}
      <Problem error={refused ?? fault} />
      <p role="status">
        {asked.job ? (
          <State state="running">{asked.said}</State>
        ) : (
          asked.said && (
            <>
              {asked.said}. <a href={to("inbox", request.id, "opinions")}>Show opinions</a>
            </>
          )
        )}
      </p>
    </Section>
  );
}
