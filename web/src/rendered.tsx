// Artifacts as text, lists and tables. The server reads the Markdown; nothing here is ever taken as HTML.
import { type ReactNode } from "react";
import type { FieldChange } from "./api_types";

export interface Span {
  text: string;
  style?: "" | "code" | "strong" | "em" | "s";
}

export type Block =
  | { kind: "heading"; level: number; spans: Span[] }
  | { kind: "paragraph"; spans: Span[] }
  | { kind: "code"; text: string; info?: string }
  | { kind: "bullets"; items: Block[][]; start?: number | null }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "grid"; header: Span[][]; rows: Span[][][] }
  | { kind: "rule" };

export type Part =
  | { kind: "words"; text: string }
  | { kind: "document"; blocks: Block[] }
  | { kind: "listing"; items: string[] }
  | { kind: "records"; header: string[]; rows: string[][] }
  | { kind: "findings"; findings: Finding[] }
  | { kind: "fileshown"; path: string; text: string }
  | { kind: "fieldshown"; name: string; parts: Part[] };

interface Finding {
  severity: string;
  title: string;
  place: string;
  fields: Part[];
}

function Spans({ spans }: { spans: Span[] }) {
  return spans.map((span, index) => {
    const Tag = span.style || "span";
    return <Tag key={index}>{span.text}</Tag>;
  });
}

/** Headings begin one level below that of the section they are in, whatever level the text begins with. */
const TOP = 3;
const levels = (blocks: Block[]): number[] => blocks.flatMap((block) => (block.kind === "heading" ? [block.level] : block.kind === "quote" ? levels(block.blocks) : []));

const one = (top: number) => function block_(block: Block, key: number): ReactNode {
  switch (block.kind) {
    case "heading": {
      const Tag = `h${Math.min(6, TOP + Math.max(0, block.level - top))}` as "h3";
      return (
        <Tag key={key}>
          <Spans spans={block.spans} />
        </Tag>
      );
    }
    case "paragraph":
      return (
        <p key={key}>
          <Spans spans={block.spans} />
        </p>
      );
    case "code":
      return (
        <pre key={key} className="block" tabIndex={0}>
          {block.text}
        </pre>
      );
    case "bullets": {
      const Tag = block.start == null ? "ul" : "ol";
      return (
        <Tag key={key} start={block.start ?? undefined} dir="auto">
          {block.items.map((item, index) => (
            <li key={index}>{item.map(block_)}</li>
          ))}
        </Tag>
      );
    }
    case "quote":
      return <blockquote key={key}>{block.blocks.map(block_)}</blockquote>;
    case "grid":
      return (
        <table key={key}>
          <thead>
            <tr>
              {block.header.map((cell, index) => (
                <th key={index}>
                  <Spans spans={cell} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {block.rows.map((row, index) => (
              <tr key={index}>
                {row.map((cell, column) => (
                  <td key={column}>
                    <Spans spans={cell} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      );
    default:
      return <hr key={key} />;
  }
};

export const Prose = ({ blocks }: { blocks: Block[] }) => <article className="prose">{blocks.map(one(Math.min(6, ...levels(blocks))))}</article>;

export function Parts({ parts }: { parts: Part[] }) {
  return (
    <div className="stack">
      {parts.map((part, index) => {
        switch (part.kind) {
          case "words":
            return (
              <p key={index} className="words">
                {part.text}
              </p>
            );
          case "document":
            return <Prose key={index} blocks={part.blocks} />;
          case "listing":
            return (
              <ul key={index} className="listing">
                {part.items.map((item, at) => (
                  <li key={at}>{item}</li>
                ))}
              </ul>
            );
          case "records":
            return (
              <table key={index} className="records">
                <thead>
                  <tr>
                    {part.header.map((name) => (
                      <th key={name}>{name}</th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {part.rows.map((row, at) => (
                    <tr key={at}>
                      {row.map((cell, column) => (
                        <td key={column} data-label={part.header[column]}>
                          {cell}
                        </td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            );
          case "findings":
            return <Findings key={index} findings={part.findings} />;
          case "fileshown":
            return (
              <details key={index}>
                <summary className="fold row">
                  <code>{part.path}</code>
                </summary>
                <pre className="block">{part.text}</pre>
              </details>
            );
          case "fieldshown":
            return (
              <dl key={index} className="kv">
                <dt>{part.name}</dt>
                <dd>
                  <Parts parts={part.parts} />
                </dd>
              </dl>
            );
        }
      })}
    </div>
  );
}

const LOOKS: Record<string, string> = { critical: "major", high: "major", medium: "minor" };
const SHOWN = 20;

/** The worst findings; the others are folded by their severity. */
function Findings({ findings }: { findings: Finding[] }) {
  const rest = findings.slice(SHOWN);
  return (
    <div className="stack">
      <FindingList findings={findings.slice(0, SHOWN)} />
      {[...new Set(rest.map((finding) => finding.severity))].map((severity) => {
        const those = rest.filter((finding) => finding.severity === severity);
        return (
          <details key={severity}>
            <summary className="fold row">
              {those.length} more, {severity}
            </summary>
            <FindingList findings={those} />
          </details>
        );
      })}
    </div>
  );
}

const FindingList = ({ findings }: { findings: Finding[] }) => (
  <ul className="stack findings">
    {findings.map((finding, index) => (
      <li key={index}>
        <p className="row wrap">
          <span className={`sev ${LOOKS[finding.severity] ?? "slight"}`}>{finding.severity}</span>
          {finding.place && <code>{finding.place}</code>}
          <b>{finding.title}</b>
        </p>
        {finding.fields.length > 0 && <Parts parts={finding.fields} />}
      </li>
    ))}
  </ul>
);

/** A JSON value without a description: fields by name, nested. */
export function Value({ value }: { value: unknown }): ReactNode {
  if (value === null || value === undefined) return <span className="muted">none</span>;
  if (typeof value !== "object") return <span className="words">{String(value)}</span>;
  if (Array.isArray(value)) {
    if (!value.length) return <span className="muted">none</span>;
    return (
      <ul className="listing">
        {value.map((each, index) => (
          <li key={index}>
            <Value value={each} />
          </li>
        ))}
      </ul>
    );
  }
  return (
    <dl className="kv">
      {Object.entries(value).map(([name, each]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd>
            <Value value={each} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** How a value differs from another one: field by field, then texts line by line. */
export function Changes({ changes }: { changes: FieldChange[] }) {
  if (!changes.length) return <p className="soft">No field differs.</p>;
  return (
    <ul className="stack">
      {changes.map((change, index) => (
        <li key={index}>
          <code>{change.path || "/"}</code>{" "}
          {change.moved !== undefined && <span className="soft">moved from {change.moved}</span>}
          {change.diff !== undefined ? (
            <pre className="block">{change.diff}</pre>
          ) : (
            change.moved === undefined && (
              <span className="was">
                <span>was</span>
                <del>{"old" in change ? text(change.old) : "not there"}</del>
                <span>is</span>
                <ins>{"new" in change ? text(change.new) : "gone"}</ins>
              </span>
            )
          )}
        </li>
      ))}
    </ul>
  );
}

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
