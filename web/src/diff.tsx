// The change, file by file: folded, in one column or side by side, with comments on lines.
import { Fragment, useState, type ReactNode } from "react";
import { Icon } from "./icons";
import { count } from "./words";

export interface Hunk {
  old_start: number;
  new_start: number;
  lines: string[];
  pieces?: [string, string][][];
}

export interface FileDiff {
  path: string;
  status: string;
  kind?: string;
  old_path?: string;
  added?: number;
  removed?: number;
  old_mode?: string;
  new_mode?: string;
  hunks?: Hunk[];
}

export interface Comment {
  file: string;
  side: "old" | "new";
  line: number;
  text: string;
}

export interface Talk {
  comments: Comment[];
  open: string;
  setOpen: (place: string) => void;
  save: (comment: Comment) => void;
}

const STATUS: Record<string, string> = { added: "new file", deleted: "deleted", renamed: "renamed", mode: "mode changed" };
const KIND: Record<string, string> = { binary: "binary", large: "too large to compare here", submodule: "commit of a nested repository", unknown: "content no longer stored" };
const MOST_LINES = 400;

export const placeOf = (file: string, side: string, line: number): string => `${file}:${side}:${line}`;
export const anchorOf = (path: string): string => `f-${path.replace(/[^a-z0-9]/gi, "-")}`;

export function Stat({ added = 0, removed = 0 }: { added?: number; removed?: number }) {
  const all = added + removed;
  const green = all ? Math.round((5 * added) / all) : 0;
  return (
    <span className="stat">
      <span className="plus">+{added}</span>
      <span className="minus">−{removed}</span>
      <span className="squares" aria-hidden="true">
        {[0, 1, 2, 3, 4].map((n) => (
          <i key={n} className={all ? (n < green ? "a" : "d") : ""} />
        ))}
      </span>
    </span>
  );
}

interface Line {
  sign: string;
  old: number;
  new: number;
  pieces: [string, string][];
}

interface Group {
  skipped: number;
  lines: Line[];
}

function groups(file: FileDiff): Group[] {
  let end = 1;
  return (file.hunks ?? []).map((hunk) => {
    let [old, fresh] = [hunk.old_start, hunk.new_start];
    const skipped = Math.max(0, hunk.old_start - end);
    const lines = hunk.lines.map((text, index): Line => {
      const sign = text[0] ?? " ";
      const line = { sign, old, new: fresh, pieces: hunk.pieces?.[index] ?? [["", text.slice(1)] as [string, string]] };
      old += sign === "+" ? 0 : 1;
      fresh += sign === "-" ? 0 : 1;
      return line;
    });
    end = old;
    return { skipped, lines };
  });
}

const CLASS: Record<string, string> = { "+": "add", "-": "del" };
const shown = (pieces: [string, string][]): ReactNode =>
  pieces.map(([kind, text], index) => (kind ? <span key={index} className={`syn-${kind}`}>{text}</span> : <Fragment key={index}>{text}</Fragment>));

export function File({ file, split, viewed, view, open, toggle, talk, mark }: {
  file: FileDiff;
  split: boolean;
  viewed: boolean;
  view: (on: boolean) => void;
  open: boolean;
  toggle: (on: boolean) => void;
  talk: Talk;
  mark?: string;
}) {
  const [whole, setWhole] = useState(false);
  const all = groups(file);
  const total = all.reduce((sum, group) => sum + group.lines.length, 0);
  let left = whole ? Infinity : MOST_LINES;
  const tags = [STATUS[file.status], KIND[file.kind ?? ""], mark, file.old_mode && file.new_mode && file.old_mode !== file.new_mode ? `mode ${file.old_mode} → ${file.new_mode}` : ""];
  const about = talk.comments.filter((each) => each.file === file.path).length;
  return (
    <div className="filewrap">
      <label className="row viewed">
        <input type="checkbox" checked={viewed} onChange={(event) => view(event.target.checked)} />
        <span>
          Viewed<span className="hidden"> {file.path}</span>
        </span>
      </label>
    <details className="file" id={anchorOf(file.path)} open={open} onToggle={(event) => toggle(event.currentTarget.open)}>
      <summary className="fold">
        <span className="path">{file.old_path ? `${file.old_path} → ${file.path}` : file.path}</span>
        {tags.filter(Boolean).map((each) => (
          <span key={each} className="tag">
            {each}
          </span>
        ))}
        {about > 0 && <span className="tag">{count(about, "comment")}</span>}
        <span className="end row">
          {file.hunks?.length ? <Stat added={file.added} removed={file.removed} /> : null}
        </span>
      </summary>
      {open && total > 0 && (
        <div className="diff-scroll">
          <table className={split ? "diff beside" : "diff"}>
            <caption className="hidden">Changes in {file.path}</caption>
            <tbody>
              {all.map((group, index) => {
                const lines = group.lines.slice(0, left);
                left -= lines.length;
                if (!lines.length) return null;
                return (
                  <Fragment key={index}>
                    {group.skipped > 0 && (
                      <tr className="skip">
                        <td colSpan={split ? 4 : 3}>{count(group.skipped, "unchanged line")}</td>
                      </tr>
                    )}
                    {split ? <Beside file={file} lines={lines} talk={talk} /> : <Column file={file} lines={lines} talk={talk} />}
                  </Fragment>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {open && total > MOST_LINES && !whole && (
        <p className="note">
          {count(total - MOST_LINES, "more line")}.{" "}
          <button type="button" className="btn slim" onClick={() => setWhole(true)}>
            Show the whole file
          </button>
        </p>
      )}
    </details>
    </div>
  );
}

function Column({ file, lines, talk }: { file: FileDiff; lines: Line[]; talk: Talk }) {
  return lines.map((line) => {
    const side = line.sign === "-" ? "old" : "new";
    const number = side === "old" ? line.old : line.new;
    return (
      <Fragment key={`${line.sign}${line.old}:${line.new}`}>
        <tr className={CLASS[line.sign]}>
          <td className="n">{line.sign === "+" ? "" : line.old}</td>
          <td className="n">
            {line.sign === "-" ? "" : line.new}
            <Say file={file.path} side={side} line={number} talk={talk} />
          </td>
          <td className="t">{shown(line.pieces)}</td>
        </tr>
        <Said file={file.path} side={side} line={number} talk={talk} columns={3} />
      </Fragment>
    );
  });
}

function pairs(lines: Line[]): [Line | null, Line | null][] {
  const found: [Line | null, Line | null][] = [];
  let gone: Line[] = [];
  let come: Line[] = [];
  const flush = () => {
    for (let i = 0; i < Math.max(gone.length, come.length); i++) found.push([gone[i] ?? null, come[i] ?? null]);
    gone = [];
    come = [];
  };
  for (const line of lines) {
    if (line.sign === " " || (line.sign === "-" && come.length)) flush();
    if (line.sign === " ") found.push([line, line]);
    else (line.sign === "-" ? gone : come).push(line);
  }
  flush();
  return found;
}

function Beside({ file, lines, talk }: { file: FileDiff; lines: Line[]; talk: Talk }) {
  return pairs(lines).map(([was, now], index) => (
    <Fragment key={index}>
      <tr>
        <td className={`n ${was ? (CLASS[was.sign] ?? "") : "none"}`}>{was?.old}</td>
        <td className={`t ${was ? (CLASS[was.sign] ?? "") : "none"}`}>{was && shown(was.pieces)}</td>
        <td className={`n ${now ? (CLASS[now.sign] ?? "") : "none"}`}>
          {now?.new}
          {now && <Say file={file.path} side="new" line={now.new} talk={talk} />}
        </td>
        <td className={`t ${now ? (CLASS[now.sign] ?? "") : "none"}`}>{now && shown(now.pieces)}</td>
      </tr>
      {now && <Said file={file.path} side="new" line={now.new} talk={talk} columns={4} />}
    </Fragment>
  ));
}

function Say({ file, side, line, talk }: { file: string; side: "old" | "new"; line: number; talk: Talk }) {
  return (
    <button type="button" className="talk" aria-label={`Comment on line ${line} of ${file}`} onClick={() => talk.setOpen(placeOf(file, side, line))}>
      +
    </button>
  );
}

function Said({ file, side, line, talk, columns }: { file: string; side: "old" | "new"; line: number; talk: Talk; columns: number }) {
  const place = placeOf(file, side, line);
  const given = talk.comments.find((each) => placeOf(each.file, each.side, each.line) === place);
  const editing = talk.open === place;
  if (!given && !editing) return null;
  return (
    <tr className="note">
      <td colSpan={columns}>
        <div className="say mine">
          <header>
            <Icon name="person" />
            <b>You</b> on line {line}, a draft: it goes along when you send this back
            {given && !editing && (
              <span className="end row">
                <button type="button" className="btn slim bare" onClick={() => talk.setOpen(place)}>
                  Edit
                </button>
                <button type="button" className="btn slim bare" onClick={() => talk.save({ ...given, text: "" })}>
                  Delete
                </button>
              </span>
            )}
          </header>
          {editing ? <Write start={given?.text ?? ""} done={(text) => talk.save({ file, side, line, text })} cancel={() => talk.setOpen("")} /> : <p className="words">{given?.text}</p>}
        </div>
      </td>
    </tr>
  );
}

function Write({ start, done, cancel }: { start: string; done: (text: string) => void; cancel: () => void }) {
  const [text, setText] = useState(start);
  return (
    <div className="stack">
      <textarea
        autoFocus
        rows={3}
        aria-label="Comment"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") cancel();
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) done(text);
        }}
      />
      <span className="row">
        <button type="button" className="btn slim" disabled={!text.trim()} onClick={() => done(text)}>
          Keep the comment
        </button>
        <button type="button" className="btn slim bare" onClick={cancel}>
          Cancel
        </button>
      </span>
    </div>
  );
}
