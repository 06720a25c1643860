// What the server says of one request; what it shows of it comes as HTML, with the sha256 that a decision signs.

export interface Shown {
  effect: string;
  assurance: string;
  phrase?: string;
  phase: string;
  unusual?: { weight: string; text: string }[];
  changes?: { note?: string; files?: { path: string; added?: number; removed?: number }[] }[];
}

export interface DecisionData {
  request: { id: string; run_id: string; phase: string; attempt: number; sha256: string };
  state: "open" | "answered" | "expired" | "closed";
  gating?: boolean;
  back_to?: string[];
  passkeys?: string[];
  /** What of it a person can edit: `prompt` or `artifact`. */
  editable?: string;
  shown_sha256: string;
  command: string;
  shown?: Shown | null;
}

export interface DecisionPage {
  decision: DecisionData;
  html: string;
}
