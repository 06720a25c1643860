// Questions to the assistant, which reads and changes nothing: its words as they come, then its answer with what it read.
import { useEffect, useRef, useState } from "react";
import { answered, Refused } from "./api";
import type { AssistantView, ReadView } from "./api_types";
import { cli } from "./cli";
import { useDraft } from "./draft";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, PageHead, Problem } from "./parts";
import { Prose, type Block } from "./rendered";
import { to } from "./route";
import { count } from "./words";

interface Turn {
  /** Of which the answer is: no other project hears of it. */
  project: string;
  question: string;
  answer: AssistantView;
}

const EXAMPLES = ["What waits for me, and why?", "What did the last run change?", "Which checks failed this week?", "What should be worked on next?"];
const KEPT = 20;
/** The conversation outlives the page of this tab, not the tab. */
let kept: Turn[] = [];

/** Where it is shown; undefined where no page has it. */
const place = (read: ReadView, project: string): string | undefined =>
  read.item ? to("items", project, read.item)
  : read.template ? to("templates", read.template)
  : read.run ? to("runs", read.run, "list", ...(read.phase ? [read.phase] : []))
  : read.page ? to(read.page) : undefined;

export function Assistant() {
  const at = useProject({ one: true });
  const [every, setTurns] = useState(kept);
  const turns = every.filter((turn) => turn.project === at.id);
  const [question, setQuestion] = useDraft(`question ${at.chosen}`, "");
  const [answer, setAnswer] = useState<{ question: string; text: string; reads: string } | null>(null);
  const [error, setError] = useState<Refused | null>(null);
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);

  const keep = (now: Turn[]) => setTurns((kept = [...kept.filter((turn) => turn.project !== at.id), ...now]));
  const ask = async (asked: string) => {
    if (!asked.trim() || answer) return;
    const control = (stop.current = new AbortController());
    setError(null);
    setQuestion("");
    let now = { question: asked, text: "", reads: "" };
    setAnswer(now);
    try {
      const earlier = turns.slice(-KEPT).map((turn) => ({ question: turn.question, answer: turn.answer.text }));
      for await (const part of answered<AssistantView>("/assistant", { question: asked, earlier, project: at.id, stream: true }, control.signal)) {
        if ("answer" in part) keep([...turns, { project: at.id, question: asked, answer: part.answer.data }]);
        else setAnswer((now = part.kind === "reads" ? { ...now, text: "", reads: part.text } : { ...now, text: now.text + part.text }));
      }
    } catch (reason) {
      setQuestion(asked);
      if (!control.signal.aborted) setError(reason instanceof Refused ? reason : new Refused(0, "lost", "The server does not answer.", "Start it again: wfe-mcp ui", [], null));
    }
    setAnswer(null);
  };

  return (
    <div className="narrow assistant">
      <PageHead title="Ask">
        <ProjectChoice at={at} one />
        {turns.length > 0 && !answer && (
          <button type="button" className="btn slim" onClick={() => keep([])}>
            New conversation
          </button>
        )}
      </PageHead>
      <p className="soft" style={{ margin: "0.5rem 0 0.75rem" }}>A model reads the record of this project and answers. It changes nothing: what it proposes is for you to run.</p>
      {turns.map((turn, index) => (
        <section key={index} className="section" aria-label={turn.question}>
          <h2>{turn.question}</h2>
          <Answer answer={turn.answer} project={at.id} />
        </section>
      ))}
      <div aria-live="polite">
        {answer && (
          <section className="section" aria-label={answer.question}>
            <h2>{answer.question}</h2>
            {answer.text && <p className="words">{answer.text}</p>}
            <p className="soft">{answer.reads && !answer.text ? `Reads ${answer.reads}…` : "Answers…"}</p>
          </section>
        )}
      </div>
      <Problem error={error} />
      <form
        className="stack after"
        onSubmit={(event) => {
          event.preventDefault();
          void ask(question);
        }}
      >
        <textarea
          aria-label="Question"
          rows={3}
          maxLength={8000}
          value={question}
          placeholder={turns.length ? "Ask on" : EXAMPLES[0]}
          onChange={(event) => setQuestion(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
            event.preventDefault();
            void ask(question);
          }}
        />
        <div className="row">
          <button className="btn solid" disabled={!question.trim() || !!answer}>
            Ask
          </button>
          {answer && (
            <button type="button" className="btn" onClick={() => stop.current?.abort()}>
              Stop
            </button>
          )}
        </div>
      </form>
      {!turns.length && !answer && (
        <p className="row wrap" style={{ marginTop: "0.75rem" }}>
          {EXAMPLES.map((example) => (
            <button key={example} type="button" className="btn slim" onClick={() => void ask(example)}>
              {example}
            </button>
          ))}
        </p>
      )}
      <p style={{ marginTop: "0.75rem" }}>
        <Cli text={cli`wfe-mcp ask ${question.trim() || "QUESTION"}`} />
      </p>
    </div>
  );
}

function Answer({ answer, project }: { answer: AssistantView; project: string }) {
  return (
    <>
      <Prose blocks={(answer.blocks ?? []) as Block[]} />
      {answer.why && <p className="soft">{answer.why}</p>}
      {(answer.commands ?? []).map((command) => (
        <p key={command}>
          <Cli text={command} />
        </p>
      ))}
      {answer.read && answer.read.length > 0 && (
        <p className="small">
          Read:{" "}
          {answer.read.map((each, index) => (
            <span key={each.open}>
              {index > 0 && ", "}
              <a href={place(each, project)} title={each.open}>
                {each.what}
              </a>
            </span>
          ))}
        </p>
      )}
      <p className="muted small">
        {answer.model}: {count(answer.tokens ?? 0, "token")}
        {answer.cost_usd != null && `, $${answer.cost_usd.toFixed(4)}`}
      </p>
    </>
  );
}
