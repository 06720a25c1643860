// What runs in each environment, its health, and the deployments that brought it there.
import { query, useAsk } from "./api";
import type { Deployments } from "./api_types";
import { cli } from "./cli";
import { ProjectChoice, useProject } from "./in_project";
import { Cli, Empty, Faults, PageHead, Problem, Records, State, Waiting } from "./parts";
import { to } from "./route";
import { useRole } from "./session";
import { age } from "./words";

const short = (commit?: string): string => (commit ?? "").slice(0, 12);
/** The tag of a commit beside it; a version that is only its beginning says nothing more. */
const named = ({ version, commit }: { version?: string; commit?: string }): string => [version && !commit?.startsWith(version) ? version : "", short(commit)].filter(Boolean).join(" ");
/** The first line of why it failed, and behind it the output of the check. */
function Why({ text, log }: { text?: string; log?: string }) {
  const [first, ...rest] = (text ?? "").split("\n");
  if (!first) return null;
  if (!rest.length && !log) return <p className="words small">{first}</p>;
  return (
    <details className="small">
      <summary className="fold row">{first}</summary>
      {rest.length > 0 && (
        <pre className="block" tabIndex={0}>
          {rest.join("\n")}
        </pre>
      )}
      {log && <p className="words muted">{log}</p>}
    </details>
  );
}

const MARK: Record<string, string> = { deployed: "completed", healthy: "completed", deploying: "running", checking: "running", "rolling back": "running", "in doubt": "waiting" };

export function Environments() {
  const at = useProject({ one: true });
  const isAuthor = useRole("author", at.id);
  const { data, error } = useAsk<Deployments>(`/environments${query({ project: at.id })}`, at.concerns);
  return (
    <>
      <PageHead title="Environments" about="what runs where">
        <span className="end row wrap">
          <ProjectChoice at={at} one />
          {isAuthor && !!data?.environments.length && (
            <a className="btn slim" href={to("start", "deploy")} title={cli`wfe-mcp deploy ENVIRONMENT`}>
              Deploy…
            </a>
          )}
          <Cli text={cli`wfe-mcp deployments`} />
        </span>
      </PageHead>
      <Problem error={error} />
      <Faults texts={data?.faults} />
      {!data && !error && <Waiting />}
      {data && !data.environments.length && (
        <Empty title="No environment yet" steps={[{ say: "Name one in .wfe/config.toml, [environments.NAME], then trust it.", cli: "wfe-mcp trust" }]}>
          What runs where appears here, with its health and the history of its deployments.
        </Empty>
      )}
      {data && data.environments.length > 0 && (
        <Records says="Environments" heads={["Environment", "Runs", "Health", "Last deployment"]} style={{ marginTop: "0.75rem" }}>
          {data.environments.map((environment) => (
            <tr key={environment.name}>
              <td>
                <b>{environment.name}</b> <span className="muted">{[environment.kind, environment.address, environment.host].filter(Boolean).join(", ")}</span>
              </td>
              <td data-label="Runs">{environment.run ? <a href={to("runs", environment.run)}>{named(environment)}</a> : "not known"}</td>
              <td data-label="Health">
                {environment.health ? <State state={MARK[environment.health] ?? "failed"}>{environment.health}</State> : "not asked"}
                {environment.health_at && <span title={environment.health_at}> {age(environment.health_at)} ago</span>}
              </td>
              <td data-label="Last deployment">
                {environment.state ? <State state={MARK[environment.state] ?? "failed"}>{environment.state}</State> : "none"}
                <Why text={environment.why?.split("\n")[0]} />
              </td>
            </tr>
          ))}
        </Records>
      )}
      {data && data.deployments.length > 0 && (
        <>
          <h2 style={{ margin: "1.5rem 0 0.75rem" }}>Deployments</h2>
          <Records says="Deployments, newest first" heads={["Commit", "Environment", "State", "Before", "Approved by", "When"]}>
            {data.deployments.map((deployment) => (
              <tr key={`${deployment.run} ${deployment.at} ${deployment.environment}`}>
                <td title={deployment.commit}>
                  <a className="nowrap" href={to("runs", deployment.run)}>{named(deployment)}</a>
                </td>
                <td data-label="Environment">{deployment.environment}</td>
                <td data-label="State">
                  <State state={MARK[deployment.state] ?? "failed"}>{deployment.state}</State>
                  {deployment.rolled_back_at && <span title={deployment.rolled_back_at}> {age(deployment.rolled_back_at)} ago</span>}
                  <Why text={deployment.why} log={deployment.log} />
                </td>
                <td data-label="Before" className="nowrap" title={deployment.before}>{short(deployment.before) || "none"}</td>
                <td data-label="Approved by">{deployment.approved_by}</td>
                <td data-label="When" className="num" title={deployment.at}>{age(deployment.at)} ago</td>
              </tr>
            ))}
          </Records>
        </>
      )}
    </>
  );
}
