// The tests of a new claim: a form for each, made from the schema of its type. The server says which fields there are.
import { useRef, useState } from "react";
import { query, useAsk } from "./api";
import type { Fault, TypesOfTests } from "./api_types";
import { Icon } from "./icons";
import { Options, Problem } from "./parts";
import { SchemaForm, type Schema } from "./schema_form";

export type ClaimTest = Record<string, unknown> & { type: string };

const SELDOM = ["name", "stages"];

export function ClaimTests({ project, tests, change, faults }: { project: string; tests: ClaimTest[]; change: (tests: ClaimTest[]) => void; faults: Fault[] }) {
  const { data, error } = useAsk<TypesOfTests>(project && `/claims/tests${query({ project })}`, () => false);
  const [added, setAdded] = useState(-1);
  const add = useRef<HTMLButtonElement>(null);
  const types = (data?.types ?? {}) as Record<string, Schema>;
  const put = (at: number, test: ClaimTest) => change(tests.map((each, n) => (n === at ? test : each)));
  /** What is given for another type, where the new one takes it too. */
  const retyped = (test: ClaimTest, type: string): ClaimTest => {
    const takes = (key: string, value: unknown) => {
      const field = types[type]?.properties?.[key];
      return field && (!field.enum || field.enum.includes(value));
    };
    return { ...Object.fromEntries(Object.entries(test).filter(([key, value]) => takes(key, value))), type };
  };
  const at = (path: string) =>
    faults.filter((fault) => fault.path === path).map((fault, index) => (
      <p key={index} className="error">
        {fault.message}
      </p>
    ));
  return (
    <fieldset className="nested">
      <legend>
        Tests <span className="hint">they stay as you add them; without any, only you say whether it holds</span>
      </legend>
      <Problem error={error} />
      {data &&
        tests.map(({ type, ...values }, nth) => (
          <fieldset key={nth} className="nested item">
            <legend>Test {nth + 1}</legend>
            <span className="row">
              <div className="field">
                <label htmlFor={`type-of-test-${nth}`}>Type</label>
                <select id={`type-of-test-${nth}`} autoFocus={nth === added} value={type} onChange={(event) => put(nth, retyped({ type, ...values }, event.target.value))}>
                  <Options of={Object.keys(types)} />
                </select>
              </div>
              <button
                type="button"
                className="btn slim bare end"
                aria-label={`Take out test ${nth + 1}`}
                onClick={() => {
                  change(tests.filter((_, n) => n !== nth));
                  add.current?.focus();
                }}
              >
                <Icon name="x" />
              </button>
            </span>
            <p className="hint">{types[type]?.description}</p>
            {at(`/item/tests/${nth}`)}
            {at(`/item/tests/${nth}/type`)}
            <SchemaForm key={type} schema={types[type] ?? {}} path={`/item/tests/${nth}`} values={values} change={(next) => put(nth, { ...next, type })} faults={faults} folds={SELDOM} />
          </fieldset>
        ))}
      {at("/item/tests")}
      <button
        ref={add}
        type="button"
        className="btn slim"
        disabled={!data}
        onClick={() => {
          setAdded(tests.length);
          change([...tests, { type: Object.keys(types)[0] ?? "" }]);
        }}
      >
        <Icon name="plus" />
        Add a test
      </button>
    </fieldset>
  );
}
