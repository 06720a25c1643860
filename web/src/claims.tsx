// Claims about the work: what holds, what was falsified and what follows from that; the tests and the evidence of one claim.
import { useState } from "react";
import { query, useAct, useAsk } from "./api";
import type { ItemPage, Ledger } from "./api_types";
import { cli } from "./cli";
import { ProjectChoice, useProject } from "./in_project";
import { CLAIMED } from "./item_acts";
import { useLines } from "./keys";
import { Cli, Empty, Field, Flag, Problem, Section, State, Waiting } from "./parts";
import { send } from "./pin";
import { to } from "./route";
import { itemPage, useBacklog, WorkHead } from "./work";
import { age, count } from "./words";

export function WorkClaims() {
  const at = useProject();
  const { data, error } = useBacklog(at, { kind: ["claim"], status: CLAIMED, order: "newest" });
  const rows = data?.items ?? [];
  const [marked, mark] = useLines(rows, itemPage);
  return (
    <>
      <WorkHead now="claims" about="what is said about the work, shown by tests" />
      <div className="filters">
        <ProjectChoice at={at} />
        <span className="end">
          <Cli text={cli`wfe-mcp claim list --status all`} />
        </span>
      </div>
      <Problem error={error} />
      {!data && !error && <Waiting />}
      {data && !rows.length && (
        <Empty title="No claim yet" steps={[{ say: "Add one here, with a test that names a check, or let your agent add it.", cli: cli`wfe-mcp claim add TITLE --test '{"type": "script", "check": "NAME"}'` }]}>
          A claim holds as long as its tests show it. Whether they do, no agent says.
        </Empty>
      )}
      {rows.length > 0 && (
        <ul className="panel lines" aria-label="Claims">
          {rows.map((row, index) => (
            <li key={`${row.project} ${row.id}`} aria-current={index === marked ? "true" : undefined}>
              <span className="grow">
                <a href={itemPage(row)} onFocus={() => mark(index)}>
                  <b>{row.title}</b>
                </a>{" "}
                <span className="muted code">{row.id}</span>
              </span>
              <State state={row.status}>{row.status}</State>
              <span className="muted num" title={row.changed_at}>{age(row.changed_at ?? "")} ago</span>
            </li>
          ))}
        </ul>
      )}
      <LedgerOf project={at.id} />
    </>
  );
}

function LedgerOf({ project }: { project: string }) {
  const { data, error } = useAsk<Ledger>(`/claims/ledger${query({ project })}`, () => false, false, (news) => !project || news.project === project);
  if (error) return <Problem error={error} />;
  if (!data?.falsified.length) return null;
  return (
    <Section aria-label="Ledger" title="Falsified" about={`${count(data.falsified.length, "time")}, the newest first; ${data.open ?? 0} open`}>
      <ul className="panel lines decided">
        {data.falsified.map((each) => (
          <li key={`${each.id} ${each.at}`}>
            <span className="grow">
              <b>{each.title}</b> <span className="muted code">{each.id}</span>
              <br />
              <span className="soft">{each.why}</span>
              <br />
              <span className="muted small">
                {each.follow_ups?.length ? `follow-ups: ${each.follow_ups.map((one) => `${one.id} ${one.status}`).join(", ")}` : "no follow-up"}
                {each.commit && ` · at ${each.commit.slice(0, 12)}`}
                {each.again_at && ` · taken up again ${age(each.again_at)} ago`}
              </span>
            </span>
            <State state={each.status}>{each.status}</State>
            <span className="muted num" title={each.at}>{age(each.at)} ago</span>
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** The tests of a claim with their results, its evidence, and what a person says of it. */
export function ClaimParts({ item, project, reload }: { item: ItemPage; project: string; reload: () => void }) {
  const [act, busy, refused] = useAct();
  const [reason, setReason] = useState("");
  const [list, setList] = useState("");
  if (!item.claim) return null;
  const { tests, evidence, job } = item.claim;
  const lists = tests.filter((test) => test.type === "manual");
  const isOpen = !["falsified", "deprecated"].includes(item.status);
  const run = () => act(async () => { await send(`/items/${item.id}/test`, { project }); reload(); });
  const say = (supports: boolean) =>
    act(async () => {
      await send(`/items/${item.id}`, { project, item: { evidence: [{ reason, supports, ...(list ? { test: list } : {}) }] } });
      setReason("");
      reload();
    });
  return (
    <>
      <Section aria-label="Tests" title="Tests" acts={tests.some((test) => test.check) && isOpen && (
          <button type="button" className="btn slim end" disabled={busy || !!job} title={cli`wfe-mcp claim test ${item.id}`} onClick={() => void run()}>
            {job ? "Being tested…" : "Run the tests"}
          </button>
      )}>
        <Problem error={refused} />
        {!tests.length && <p className="soft">No test: a person says whether it holds.</p>}
        {tests.length > 0 && (
          <ul className="panel lines">
            {tests.map((test) => (
              <li key={test.name}>
                <span className="grow">
                  <b>{test.name}</b> {test.check && <code>{test.check}</code>} <span className="soft">{test.reads}</span>
                  {test.why && (
                    <>
                      <br />
                      <span className="soft">{test.why}</span>
                    </>
                  )}
                </span>
                {test.is_outdated && <Flag kind="warning">outdated: files have changed</Flag>}
                <State state={test.outcome ?? "open"}>{test.outcome ?? "open"}</State>
                {test.at && <span className="muted num" title={test.at}>{age(test.at)} ago</span>}
              </li>
            ))}
          </ul>
        )}
      </Section>
      <Section aria-label="Evidence" title="Evidence">
        {evidence.length > 0 && (
          <ul className="panel lines">
            {evidence.map((each, index) => (
              <li key={index}>
                <span className="grow">{[each.list, each.ref, each.reason].filter(Boolean).join(": ")}</span>
                <State state={each.says}>{each.says === "neither" ? "not judged" : each.says}</State>
                <span className="muted num" title={each.at}>{age(each.at)} ago</span>
              </li>
            ))}
          </ul>
        )}
        {isOpen && (
          <form className="stack" onSubmit={(event) => event.preventDefault()}>
            {lists.length > 0 && (
              <Field label="What you answer">
                <select value={list} onChange={(event) => setList(event.target.value)}>
                  <option value="">the claim itself</option>
                  {lists.map((each) => (
                    <option key={each.name}>{each.name}</option>
                  ))}
                </select>
              </Field>
            )}
            <Field label="What you have seen">
              <input type="text" maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />
            </Field>
            <span className="row wrap">
              <button type="button" className="btn" disabled={busy || !reason} onClick={() => void say(true)}>
                It supports the claim
              </button>
              <button type="button" className="btn" disabled={busy || !reason} onClick={() => void say(false)}>
                It contradicts the claim
              </button>
            </span>
            <Cli text={cli`wfe-mcp claim evidence ${item.id} --supports --reason TEXT`} />
          </form>
        )}
        {item.status === "falsified" && (
          <p className="soft">
            Its tests run again once it is taken up again, after its follow-ups: <a href={to("items", "claims")}>the ledger</a>.
          </p>
        )}
      </Section>
    </>
  );
}
