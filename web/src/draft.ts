// What was typed and not sent yet, kept over a reload of the tab.
import { useState } from "react";

/** Text that a person typed for this request; it survives a reload and a new revision. */
export function useDraft<T>(key: string, start: T): [T, (value: T) => void] {
  const name = `wfe-draft ${key}`;
  const [value, setValue] = useState<T>(() => {
    const kept = sessionStorage.getItem(name);
    return kept ? (JSON.parse(kept) as T) : start;
  });
  return [
    value,
    (next) => {
      sessionStorage.setItem(name, JSON.stringify(next));
      setValue(next);
    },
  ];
}
