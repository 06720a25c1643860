// Work items by status: a card is moved by its key, by its menu, or by dragging it. Where it may go, the server says.
import { useState } from "react";
import { flushSync } from "react-dom";
import type { ItemCard } from "./api_types";
import { cli } from "./cli";
import { ProjectChoice, useProject } from "./in_project";
import { STATUSES, useMoving } from "./item_acts";
import { useKeys } from "./keys";
import { Choose, Cli, Empty, Problem, Waiting } from "./parts";
import { go, useKept } from "./route";
import { ItemFlags, itemPage, priority, Progress, useBacklog, WorkHead, WORKED } from "./work";
import { age, capital } from "./words";

/** Of what is over, the newest are shown. */
const OVER = ["done", "dropped"];
const MOST_OVER = 20;
/** Cards of a column until more are asked for. */
const FEW = 30;

const legal = (item: ItemCard | null, status: string): boolean => !!item?.moves?.some((move) => move.to === status && !move.refused);

export function WorkBoard() {
  const at = useProject();
  const [kind, setKind] = useKept("kind", "");
  const kinds = kind ? [kind] : WORKED;
  const open = useBacklog(at, { kind: kinds, limit: 500 });
  const over = useBacklog(at, { kind: kinds, status: OVER, order: "newest", limit: MOST_OVER });
  const moving = useMoving(() => {
    open.reload();
    over.reload();
  });
  const [dragged, setDragged] = useState<ItemCard | null>(null);
  const [chosen, setChosen] = useState("");
  const items = [...(open.data?.items ?? []), ...(over.data?.items ?? [])];
  const key = (each: ItemCard) => `${each.project} ${each.id}`;
  const [shown, setShown] = useKept<Record<string, number>>("shown", {});
  const columns = STATUSES.map((status): [string, ItemCard[], ItemCard[]] => {
    const all = items.filter((item) => item.status === status);
    return [status, all.slice(0, shown[status] ?? FEW), all];
  });
  const showMore = (status: string, from: number, next: ItemCard) => {
    flushSync(() => setShown({ ...shown, [status]: from + FEW }));
    document.getElementById(`card ${key(next)}`)?.focus();
  };
  const order = columns.flatMap(([, cards]) => cards);
  const now = order.find((each) => key(each) === chosen);
  const step = (by: number) => {
    const next = order[Math.min(order.length - 1, Math.max(0, (now ? order.indexOf(now) : by > 0 ? -1 : 0) + by))];
    if (next) document.getElementById(`card ${key(next)}`)?.focus();
  };
  const beside = (by: number) => {
    const filled = columns.filter(([, cards]) => cards.length);
    const column = filled.findIndex(([, cards]) => now && cards.includes(now));
    const cards = filled[Math.min(filled.length - 1, Math.max(0, column + by))]?.[1];
    if (cards?.[0]) document.getElementById(`card ${key(cards[0])}`)?.focus();
  };
  useKeys({
    j: () => step(1),
    k: () => step(-1),
    l: () => beside(1),
    h: () => beside(-1),
    o: () => now && go(itemPage(now)),
    m: () => now && moving.choose(now),
  });
  const error = open.error ?? over.error;
  const count = (status: string): number => Number(kind ? 0 : (open.data?.counts[status] ?? 0));
  return (
    <>
      <WorkHead now="board" about="by status, highest priority first" />
      <div className="filters">
        <Choose label="Kind" all="any" names={WORKED} now={kind} choose={setKind} />
        <ProjectChoice at={at} />
        <span className="end">
          <Cli text={cli`wfe-mcp work list ${kind ? ["--kind", kind] : []}`} />
        </span>
      </div>
      <Problem error={error ?? moving.error} />
      {moving.asks}
      <p className="hidden" role="status">{moving.said}</p>
      {(!open.data || !over.data) && !error && <Waiting />}
      {open.data && over.data && items.length === 0 && (
        <Empty title="Nothing to do yet" steps={[{ say: "Add an item here, or let your agent add it.", cli: "wfe-mcp work add TITLE" }]}>
          Cards move by themselves as the runs that work them begin and end; you move the others.
        </Empty>
      )}
      {items.length > 0 && (
        <div className={`board work ${dragged ? "dragging" : ""}`} tabIndex={0} role="region" aria-label="Board of work items">
          {columns.map(([status, cards, all]) => (
            <section
              key={status}
              aria-label={status}
              data-status={status}
              className={dragged && status !== dragged.status ? (legal(dragged, status) ? "can" : "cannot") : ""}
              onDragOver={(event) => dragged && event.preventDefault()}
              onDrop={(event) => {
                event.preventDefault();
                if (dragged) moving.move(dragged, status);
                setDragged(null);
              }}
            >
              <h2>
                {capital(status)} <span className="muted">{Math.max(all.length, count(status))}</span>
              </h2>
              <ul>
                {count(status) > all.length && (
                  <li className="small">
                    <a href={`#/items?status=${status}`}>{count(status) - all.length} more in the list</a>
                  </li>
                )}
                {cards.map((card) => (
                  <li key={key(card)}>
                    <article
                      className="card"
                      draggable
                      aria-current={card === now ? "true" : undefined}
                      onDragStart={(event) => {
                        event.dataTransfer.setData("text/plain", card.id);
                        event.dataTransfer.effectAllowed = "move";
                        setDragged(card);
                      }}
                      onDragEnd={() => setDragged(null)}
                    >
                      <a id={`card ${key(card)}`} href={itemPage(card)} draggable={false} onFocus={() => setChosen(key(card))}>
                        <b>{card.title}</b>
                      </a>
                      <span className="row wrap small muted">
                        <span className="code">{card.id}</span>
                        <span>{card.kind}</span>
                        {card.priority !== 5 && <span>{priority(card.priority)}</span>}
                        {at.many && <span>{at.names.get(card.project)}</span>}
                      </span>
                      <ItemFlags item={card} />
                      <Progress done={card.done} parts={card.parts} />
                      <span className="row small muted">
                        <span className="num" title={card.changed_at}>{age(card.changed_at ?? "")}</span>
                        <button type="button" className="btn slim bare end" disabled={moving.busy} aria-label={`Move ${card.id}`} aria-keyshortcuts="m" onClick={() => moving.choose(card)}>
                          Move…
                        </button>
                      </span>
                    </article>
                  </li>
                ))}
                {all.slice(cards.length, cards.length + 1).map((next) => (
                  <li key="more">
                    <button type="button" className="btn slim" onClick={() => showMore(status, cards.length, next)}>
                      {Math.min(FEW, all.length - cards.length)} more<span className="hidden"> of {status}</span>
                    </button>
                  </li>
                ))}
              </ul>
            </section>
          ))}
        </div>
      )}
      {items.length > 0 && (
        <p className="keybar">
          <span><kbd>j</kbd> / <kbd>k</kbd> next, previous card</span>
          <span><kbd>h</kbd> / <kbd>l</kbd> column to the left, right</span>
          <span><kbd>Enter</kbd> open</span>
          <span><kbd>m</kbd> move</span>
        </p>
      )}
    </>
  );
}
