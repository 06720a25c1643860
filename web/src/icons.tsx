// Icons, drawn with strokes on a grid of 16 by 16; always beside a word or with a label.
import type { ReactNode } from "react";

const RING = <circle cx="8" cy="8" r="6.25"/>;
const EYE = <><path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8Z"/><circle cx="8" cy="8" r="2"/></>;

const SHAPES: Record<string, ReactNode> = {
  waiting: <><path d="M8 1.6 14.4 8 8 14.4 1.6 8Z" fill="currentColor" fillOpacity=".22"/><path d="M8 5v3.4M8 10.7v.1"/></>,
  running: <path d="M8 1.75A6.25 6.25 0 1 1 1.75 8"/>,
  passed: <>{RING}<path d="m5.2 8.2 2 2 3.7-4.2"/></>,
  failed: <>{RING}<path d="m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4"/></>,
  skipped: <>{RING}<path d="M3.8 12.2 12.2 3.8"/></>,
  warning: <path d="M8 1.9 14.6 13.6H1.4ZM8 6.2v3.4M8 11.6v.1"/>,
  weak: <path d="M8 1.5 13.5 3.6v4.2c0 3.3-2.3 5.6-5.5 6.7C4.8 13.4 2.5 11.1 2.5 7.8V3.6ZM5 11l6-6"/>,
  old: <><circle cx="8" cy="8" r="6.25" strokeDasharray="2.2 2.2"/><path d="M10.5 6 8 8.5l-2-2"/></>,
  pending: <circle cx="8" cy="8" r="6.25" strokeDasharray="1 2.6"/>,
  form: <><rect x="2.5" y="2" width="11" height="12" rx="1.5"/><path d="M5 5.5h6M5 8.5h6M5 11.5h3"/></>,
  eye: EYE,
  redo: <path d="m10.5 2.5 3 3-3 3M13.5 5.5H6a3.5 3.5 0 0 0 0 7h5"/>,
  copy: <><rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2"/></>,
  key: <><circle cx="5" cy="11" r="3"/><path d="m7.2 8.8 6.3-6.3M11 5l2 2"/></>,
  search: <><circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/></>,
  theme: <>{RING}<path d="M8 1.75a6.25 6.25 0 0 1 0 12.5Z" fill="currentColor"/></>,
  person: <><circle cx="8" cy="5" r="2.75"/><path d="M2.5 14c.4-3 2.6-4.5 5.5-4.5s5.1 1.5 5.5 4.5"/></>,
  model: EYE,
  back: <path d="M6.5 3 2.5 7l4 4M2.5 7h7a4 4 0 0 1 4 4v2"/>,
  fork: <><circle cx="4" cy="3.5" r="1.75"/><circle cx="12" cy="3.5" r="1.75"/><circle cx="8" cy="12.5" r="1.75"/><path d="M4 5.25c0 3 4 2 4 5.5 0-3.5 4-2.5 4-5.5"/></>,
  pause: <path d="M5.5 3v10M10.5 3v10"/>,
  play: <path d="M4.5 2.5 13 8l-8.5 5.5Z"/>,
  stop: <rect x="3.5" y="3.5" width="9" height="9" rx="1"/>,
  plus: <path d="M8 3v10M3 8h10"/>,
  x: <path d="m4 4 8 8m0-8-8 8"/>,
  up: <path d="m4 10 4-4 4 4"/>,
  down: <path d="m4 6 4 4 4-4"/>,
  right: <path d="m6 4 4 4-4 4"/>,
  edit: <path d="m3 13 .7-3L10.5 3.2l2.3 2.3L6 12.3Z"/>,
  loop: <path d="M13 6A5.5 5.5 0 0 0 3 5.5M3 10a5.5 5.5 0 0 0 10 .5M3 2.5v3h3M13 13.5v-3h-3"/>,
  clock: <>{RING}<path d="M8 4.5V8l2.5 1.5"/></>,
};

export function Icon({ name, spin = false }: { name: string; spin?: boolean }) {
  return (
    <svg className={spin ? "icon spin" : "icon"} viewBox="0 0 16 16" aria-hidden="true">
      {SHAPES[name]}
    </svg>
  );
}

export function Brand() {
  return (
    <svg viewBox="0 0 22 16" aria-hidden="true">
      <rect x="1" y="5" width="6" height="6" rx="1" fill="currentColor" />
      <path d="m15 2 6 6-6 6-6-6Z" fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinejoin="round" />
    </svg>
  );
}
