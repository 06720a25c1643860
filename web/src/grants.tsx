// Standing grants: what the server approves in place of a person, as they signed it beforehand; a new one is shown before it is signed.
import { useState } from "react";
import { ask, useAct, useAsk } from "./api";
import type { UnsignedGrant, GrantLine, GrantList } from "./api_types";
import { cli } from "./cli";
import { Cli, Field, Problem, Records, Section, State, Waiting } from "./parts";
import { send } from "./pin";
import { to } from "./route";
import { day, moment } from "./words";

const EMPTY = { template: "", phase: "", when: "${size(change.files) <= 3}", uses: 1, minutes: 480 };

export function Grants({ project }: { project: string }) {
  const at = project && `?project=${encodeURIComponent(project)}`;
  const { data, error, reload } = useAsk<GrantList>(`/grants${at}`, (event) => event.type === "ApprovalGiven");
  const [editing, setEditing] = useState(false);
  const [act, busy, refused] = useAct(reload);
  return (
    <Section id="grants" title="Standing grants" about="what the server approves for you, as you signed it beforehand" acts={
      <button type="button" className="btn slim end" aria-expanded={editing} title={cli`wfe-mcp grant add`} onClick={() => setEditing(!editing)}>
        {editing ? "Close the form" : "Give a grant"}
      </button>
    }>
      <Problem error={error ?? refused} />
      {!data && !error && <Waiting />}
      {editing && <Draft project={project} done={() => { setEditing(false); reload(); }} />}
      {data && !data.grants.length && !editing && <p className="soft">None: each approval is asked for.</p>}
      {!!data?.grants.length && (
        <Records says="Standing grants" heads={["Grant", "Approves", "Where", "Used", "Until"]} acts="End it" className="records">
          {data.grants.map((grant) => (
            <Row key={grant.id} grant={grant} busy={busy} end={() => act(() => send("/grants/end", { project, id: grant.id }))} />
          ))}
        </Records>
      )}
    </Section>
  );
}

function Row({ grant, busy, end }: { grant: GrantLine; busy: boolean; end: () => void }) {
  return (
    <tr>
      <td>{grant.id} <span className="soft">{grant.actor}</span></td>
      <td data-label="Approves">{grant.phase} of {grant.template}</td>
      <td data-label="Where"><code>{grant.when}</code></td>
      <td data-label="Used">
        {grant.used} of {grant.uses}
        {(grant.approvals ?? []).map((use) => (
          <div key={use.number}>
            <a href={to("runs", use.run)}>{use.run}</a> <span className="soft">{day(moment(use.at))}</span>
          </div>
        ))}
      </td>
      <td data-label="Until"><State state={grant.state === "live" ? "passed" : "old"}>{grant.state}</State> {day(moment(grant.ended_at || grant.expires_at))}</td>
      <td>
        {grant.state === "live" && (
          <button type="button" className="btn slim" disabled={busy} title={cli`wfe-mcp grant end ${grant.id}`} aria-label={`End grant ${grant.id}`} onClick={end}>
            End
          </button>
        )}
      </td>
    </tr>
  );
}

function Draft({ project, done }: { project: string; done: () => void }) {
  const [wanted, setWanted] = useState(EMPTY);
  const [draft, setDraft] = useState<UnsignedGrant | null>(null);
  const [act, busy, refused] = useAct();
  const change = (part: Partial<typeof EMPTY>) => {
    setWanted({ ...wanted, ...part });
    setDraft(null); // what is signed is what was shown
  };
  const { minutes, ...signed } = wanted;
  return (
    <form
      className="panel pad stack"
      aria-label="Give a grant"
      onSubmit={(event) => {
        event.preventDefault();
        act(async () => {
          if (draft) {
            await send("/grants", { project, ...signed, expires_at: draft.expires_at, shown: draft.shown });
            done();
          } else setDraft((await ask<UnsignedGrant>("/grants/draft", { project, ...signed, minutes })).data);
        });
      }}
    >
      <div className="pair">
        <Field label="Template">
          <input type="text" required value={wanted.template} onChange={(event) => change({ template: event.target.value })} />
        </Field>
        <Field label="Phase that asks">
          <input type="text" required value={wanted.phase} onChange={(event) => change({ phase: event.target.value })} />
        </Field>
        <Field label="How often">
          <input required type="text" inputMode="numeric" pattern="[1-9][0-9]*" title="a whole number" value={wanted.uses || ""} onChange={(event) => change({ uses: Number(event.target.value) || 0 })} />
        </Field>
        <Field label="For how many hours">
          <input required type="text" inputMode="numeric" pattern="[1-9][0-9]*" title="a whole number" value={minutes / 60 || ""} onChange={(event) => change({ minutes: (Number(event.target.value) || 0) * 60 })} />
        </Field>
      </div>
      <Field label="Only where (change.files, change.added, change.removed, evidence, opinions, attempt)">
        <input type="text" required className="mono" value={wanted.when} onChange={(event) => change({ when: event.target.value })} />
      </Field>
      <Problem error={refused} />
      {draft && (
        <div className="stack" role="region" aria-label="What you sign">
          {draft.words.map((line) => <p key={line}>{line}</p>)}
        </div>
      )}
      <span className="row wrap">
        <button className="btn solid" disabled={busy}>{draft ? "Sign the grant" : "Show what you sign"}</button>
        <Cli text={draft?.command ?? "wfe-mcp grant add"} />
      </span>
    </form>
  );
}
