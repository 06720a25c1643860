// What a template does that needs your trust, effect by effect, and the trust itself, signed with the PIN.
import { useAct, useAsk } from "./api";
import type { TrustPage } from "./api_types";
import { cli } from "./cli";
import { Cli, Flag, Problem, Records, Waiting } from "./parts";
import { send } from "./pin";
import { count } from "./words";

/** `name`: of the template, with its version where it has one; nothing is shown where it is trusted. */
export function TrustIt({ name, project, done }: { name: string; project: string; done: () => void }) {
  const { data, error, reload } = useAsk<TrustPage>(`/trust${project && `?project=${encodeURIComponent(project)}`}`, () => false);
  const [act, busy, refused] = useAct(reload);
  const found = data?.pending.find((each) => each.name === name || each.name === `template:${name}`);
  if (error) return <Problem error={error} />;
  if (!data) return <Waiting />;
  if (!found) return null;
  return (
    <section className="panel stopped waits" aria-label={`Trust ${name}`}>
      <header>
        <h2>Trust {name}?</h2>
        <span className="soft">{count(found.effects.length, "effect")}{found.compared ? `, compared with ${found.compared}` : ""}</span>
        {found.weakens_gates && <Flag kind="weak">weakens a gate</Flag>}
      </header>
      <div className="body stack">
        <Records says="What it does" heads={["Since then", "It", "What", "In detail"]} className="records">
          {found.effects.slice(0, 60).map((effect, index) => (
            <tr key={index}>
              <td data-label="Since then">{effect.mark}</td>
              <td data-label="It">{effect.kind}</td>
              <td data-label="What">
                {effect.subject} {effect.weakens && <Flag kind="weak">weakens a gate</Flag>}
              </td>
              <td data-label="In detail" className="words">{effect.detail}</td>
            </tr>
          ))}
        </Records>
        {found.effects.length > 60 && <p className="soft">and {found.effects.length - 60} more; all of them: <code>{cli`wfe-mcp trust ${name}`}</code></p>}
        <Problem error={refused} />
        <span className="row wrap">
          <button type="button" className="btn solid" disabled={busy} title={cli`wfe-mcp trust ${name}`} onClick={() => act(async () => { await send("/trust", { project, names: [found.name], shown: data.shown_sha256 }); done(); })}>
            Trust it
          </button>
          <Cli text={cli`wfe-mcp trust ${name}`} />
        </span>
      </div>
    </section>
  );
}
