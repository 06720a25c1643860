// What the project is: each finding with the file and line that says so.
import { useState } from "react";
import type { ProjectFinding } from "./api_types";
import { Records, Section } from "./parts";

const FEW = 5;
const SURE: Record<string, string> = { likely: "likely", default: "usual", person: "yours" };

export function Findings({ findings }: { findings: ProjectFinding[] }) {
  const [whole, setWhole] = useState("");
  const kinds = [...new Set(findings.map((finding) => finding.kind))];
  if (!kinds.length) return null;
  return (
    <Section id="findings" title="What it is" about="correct a kind below, under Facts">
      <Records says="Findings, each with its file and line" heads={["Finding", "Value", "From"]}>
        {kinds.flatMap((kind) => {
          const those = findings.filter((finding) => finding.kind === kind);
          const shown = kind === whole ? those : those.slice(0, FEW);
          const rows = shown.map((each, index) => (
            <tr key={`${kind} ${index}`}>
              <td>{kind}</td>
              <td data-label="Value" className="words">
                {each.value} {SURE[each.sure ?? ""] && <span className="tag">{SURE[each.sure ?? ""]}</span>} {each.note && <span className="muted">{each.note}</span>}
              </td>
              <td data-label="From">
                <code>
                  {each.file}:{each.line}
                </code>
              </td>
            </tr>
          ));
          return those.length === shown.length
            ? rows
            : [
                ...rows,
                <tr key={`${kind} more`}>
                  <td>{kind}</td>
                  <td colSpan={2}>
                    <button type="button" className="btn slim" onClick={() => setWhole(kind)}>
                      {those.length - FEW} more of the kind {kind}
                    </button>
                  </td>
                </tr>,
              ];
        })}
      </Records>
    </Section>
  );
}
