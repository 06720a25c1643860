// What a run is about: the inputs that it was given, whole. Its title has only the beginning.
import { useAsk } from "./api";
import type { InputList } from "./api_types";
import { Value } from "./rendered";

/** More letters, or lines, are folded. */
const [MOST_LETTERS, MOST_LINES] = [400, 6];

export function RunInputs({ run, title }: { run: string; title: string }) {
  const { data } = useAsk<InputList>(`/runs/${encodeURIComponent(run)}/inputs`, () => false);
  const inputs = (data?.inputs ?? []).filter((input) => !input.is_default && input.value !== title);
  if (!inputs.length) return null;
  return (
    <dl className="ask" style={{ marginBottom: "1rem" }} aria-label="Inputs">
      {inputs.map(({ name, value }) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd>{isLong(value) ? <Folded value={value} /> : <Value value={value} />}</dd>
        </div>
      ))}
    </dl>
  );
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

function isLong(value: unknown): boolean {
  const text = textOf(value);
  return text.length > MOST_LETTERS || text.split("\n").length > MOST_LINES;
}

function Folded({ value }: { value: unknown }) {
  const first = typeof value === "string" ? value.trim().slice(0, MOST_LETTERS / 2) : JSON.stringify(value).slice(0, MOST_LETTERS / 4);
  return (
    <details>
      <summary className="fold">{first}…</summary>
      <Value value={value} />
    </details>
  );
}
