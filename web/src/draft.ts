// What was typed and not sent yet, kept over a reload of the tab.
import { useState } from "react";
import type { AskedView } from "./api_types";

/** What a request is about: the same where it is asked again because files have changed. */
export const subject = ({ run_id, phase, stage, attempt }: AskedView): string => `${run_id} ${phase} ${stage} ${attempt}`;

/** Text that a person typed; it survives a reload and a new revision. With another key it is another text. */
export function useDraft<T>(key: string, start: T): [T, (value: T) => void] {
  const name = `wfe-draft ${key}`;
  const read = () => {
    const kept = sessionStorage.getItem(name);
    return { name, value: kept ? (JSON.parse(kept) as T) : start };
  };
  const [draft, setDraft] = useState(read);
  const now = draft.name === name ? draft : read();
  if (now !== draft) setDraft(now);
  return [
    now.value,
    (value) => {
      sessionStorage.setItem(name, JSON.stringify(value));
      setDraft({ name, value });
    },
  ];
}

/** What was typed is sent: the next form begins without it. */
export const forget = (key: string): void => sessionStorage.removeItem(`wfe-draft ${key}`);
