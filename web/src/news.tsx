// What happened since the person's last visit: asked for while the page is seen, which is their look; marked in lists.
import { useEffect, useState } from "react";
import { ask, onLive } from "./api";
import type { NewsView } from "./api_types";
import { to } from "./route";
import { age, count } from "./words";

const SETTLES_MS = 1000;
const SHOWN = 3;

/** What is new. A page in the background asks without a look. */
export function useNews(): NewsView | null {
  const [news, setNews] = useState<NewsView | null>(null);
  useEffect(() => {
    let timer = 0;
    const look = () => void ask<NewsView>("/look", { looks: !document.hidden }).then(({ data }) => setNews(data), () => undefined);
    const soon = () => {
      clearTimeout(timer);
      timer = window.setTimeout(look, SETTLES_MS);
    };
    const shown = () => document.hidden || look();
    look();
    document.addEventListener("visibilitychange", shown);
    const off = onLive((heard) => ("event" in heard || "again" in heard) && soon());
    return () => {
      off();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", shown);
    };
  }, []);
  return news;
}

export const isNew = (news: NewsView | null, run: string): boolean => news?.runs?.some((each) => each.run === run) ?? false;

export const NewMark = () => <span className="flag state s-running">new</span>;

/** The runs in which something happened, newest first, with the way to all that happened. */
export function News({ news }: { news: NewsView | null }) {
  const runs = news?.runs ?? [];
  if (!news?.since || !runs.length) return null;
  return (
    <section className="section news" aria-label="Since your last visit">
      <header>
        <h2>Since your last visit</h2>
        <span className="soft">
          {age(news.since)} ago: {count(runs.length, "run")} changed
        </span>
        <a className="end" href={`${to("activity")}?since=${encodeURIComponent(news.since)}`}>
          Show all
        </a>
      </header>
      <ul className="panel">
        {runs.slice(0, SHOWN).map((run) => (
          <li key={run.run}>
            <a href={to("runs", run.run)}>{run.title}</a>
            <span className="soft">{run.text}</span>
            <span className="muted num">{age(run.at)} ago</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
