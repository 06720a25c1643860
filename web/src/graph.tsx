// The graph of a run: one node per phase, in the anatomy of every list; the list beside it shows the same.
import { Background, Controls, Handle, MarkerType, Position, ReactFlow, type Edge, type Node, type NodeProps } from "@xyflow/react";
import { memo, useEffect, useMemo, useRef, useState } from "react";
import type { NodeView } from "./api_types";
import { Icon } from "./icons";
import { HEIGHT, WIDTH, layout, type Direction } from "./layout";
import { Gates } from "./parts";
import { look, money, person, span, stateWord } from "./words";

/** A phase of a run, or of a template. */
export interface GraphNode extends NodeView {
  /** In place of the state: what the phase is, where nothing runs. */
  about?: string;
}

/** Whether a person does the phase, and nothing else is waited for. */
export const isTask = (node: GraphNode): boolean => node.kind === "human" && node.state === "ready";

/** The state as it is shown: a phase that a person does waits for them once it is ready. */
export const stateOf = (node: GraphNode): string => (isTask(node) ? "awaiting" : node.state);

export const subline = (node: GraphNode): string =>
  node.about ??
  [
    node.held ? `waiting for ${person()} to let it go on` : node.left ? "its worker is gone" : stateWord(stateOf(node)),
    node.items ? `${node.items.replace("/", " of ")} ${node.items.endsWith("/1") ? "item" : "items"}` : "",
    node.working_s && !["pending", "ready"].includes(node.state) ? (node.state === "awaiting" ? `after ${span(node.working_s)} of work` : span(node.working_s)) : "",
    node.attempt > 1 ? `attempt ${node.attempt}` : "",
  ]
    .filter(Boolean)
    .join(", ");

type PhaseNode = Node<{ node: GraphNode; direction: Direction; connects: boolean; box: boolean }, "phase">;

const Phase = memo(function Phase({ data, selected }: NodeProps<PhaseNode>) {
  const { node, direction, connects, box } = data;
  const shown = node.about === undefined ? look(node.left ? "ready" : stateOf(node)) : "plain";
  const [target, source] = direction === "down" ? [Position.Top, Position.Bottom] : [Position.Left, Position.Right];
  return (
    <div className={`node ${box ? "box " : ""}${shown}${node.weakened || node.forced ? " weak" : ""}`} aria-current={selected || undefined}>
      <Handle type="target" position={target} isConnectable={connects} />
      <span className="top">
        <span className={`s-${shown === "pending" || shown === "plain" ? "skipped" : shown}`}>
          <Icon name={shown === "plain" ? (PLAIN[node.kind] ?? "form") : node.kind === "loop" && shown === "running" ? "loop" : shown} spin={shown === "running"} />
        </span>
        <span className="name">{node.item ? `${node.item} ${node.name}` : node.name}</span>
        <Gates gates={node.gates} />
      </span>
      <span className="sub">
        <span>{subline(node)}</span>
        {node.attempt > 0 && node.cost_usd != null && <span className="end">{money(node.cost_usd)}</span>}
      </span>
      <Handle type="source" position={source} isConnectable={connects} />
    </div>
  );
});

const PLAIN: Record<string, string> = { human: "person", loop: "loop", llm: "model", steps: "play", flow: "fork" };

const KINDS = { phase: Phase };

/** Of a loop with more items, those that are drawn: the ones at work or still to come, else the last. The list has all. */
const MOST_ITEMS = 6;

export function drawn(nodes: GraphNode[]): GraphNode[] {
  const items = new Map<string, Map<string, boolean>>();
  for (const each of nodes) {
    if (!each.item || !each.parent) continue;
    const of = items.get(each.parent) ?? new Map<string, boolean>();
    of.set(each.item, (of.get(each.item) ?? true) && ["completed", "skipped"].includes(each.state));
    items.set(each.parent, of);
  }
  const shown = new Map([...items].map(([parent, of]) => {
    const names = [...of.keys()];
    const open = names.filter((name) => !of.get(name));
    return [parent, new Set(names.length <= MOST_ITEMS ? names : open.length ? open.slice(0, MOST_ITEMS) : names.slice(-MOST_ITEMS))];
  }));
  const found = new Set<string>();
  return nodes.filter((node) => {
    const hidden = (node.item && shown.get(node.parent ?? "")?.has(node.item) === false) || (node.parent && nodes.some((one) => one.phase === node.parent) && !found.has(node.parent));
    if (!hidden) found.add(node.phase);
    return !hidden;
  });
}

/** How many boxes it lies in. */
const deep = (node: GraphNode, nodes: GraphNode[]): number => {
  const around = node.parent && nodes.find((each) => each.phase === node.parent);
  return around ? 1 + deep(around, nodes) : 0;
};

function useMedia(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const changed = () => matchMedia("print").matches || setMatches(media.matches); // paper takes the graph as it is: another one would not be measured
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, [query]);
  return matches;
}

function useDark(): boolean {
  const read = () => (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const [dark, setDark] = useState(read);
  useEffect(() => {
    const media = matchMedia("(prefers-color-scheme: dark)");
    const changed = () => setDark(read());
    window.addEventListener("wfe-theme", changed);
    media.addEventListener("change", changed);
    return () => {
      window.removeEventListener("wfe-theme", changed);
      media.removeEventListener("change", changed);
    };
  }, []);
  return dark;
}

/** More phases than that are for the list on a phone: the graph then shows their shape. */
const MOST_IN_FULL = 60;
const MARGIN = 24;
/** What leaves dragging and wheels to the panel around the graph. */
const SCROLLS = { panOnDrag: false, panOnScroll: false, zoomOnScroll: false, zoomOnPinch: false, zoomOnDoubleClick: false, preventScrolling: false };

/** `connect`: the phase at the second name is to need the first. */
export function Graph({ nodes: all, chosen, choose, direction, connect }: {
  nodes: GraphNode[];
  chosen: string;
  choose: (phase: string) => void;
  direction: Direction;
  connect?: (from: string, to: string) => void;
}) {
  const dark = useDark();
  const nodes = useMemo(() => drawn(all), [all]);
  const shape = nodes.map((each) => `${each.phase}<${each.needs.join()}<${each.parent ?? ""}`).join("|");
  const places = useMemo(() => layout(nodes, direction), [shape, direction]); // eslint-disable-line
  // On a phone a graph that fits is too small to read: there it has its full size, and its panel scrolls like any text.
  const full = useMedia("(max-width: 45rem)") && connect === undefined && nodes.length <= MOST_IN_FULL;
  const wide = useMemo(() => Math.max(...[...places.values()].map((each) => each.x + each.width)) + 2 * MARGIN, [places]);
  const panel = useRef<HTMLDivElement>(null);
  const at = places.get((nodes.find((each) => each.phase === chosen) ?? nodes.find((each) => ["running", "awaiting", "failed"].includes(each.state)) ?? nodes[0])?.phase ?? "");
  const middle = at ? at.x + at.width / 2 + MARGIN : 0;
  useEffect(() => {
    if (full && panel.current) panel.current.scrollLeft = middle - panel.current.clientWidth / 2;
  }, [full, middle, wide]);
  const tall = useMemo(() => Math.min(full ? Infinity : 34, Math.max(13, (Math.max(...[...places.values()].map((each) => each.y + each.height)) + 80) / 16)), [places, full]);
  const shown = useMemo(
    () =>
      nodes.map((node): PhaseNode => {
        const { x, y, width, height } = places.get(node.phase) ?? { x: 0, y: 0, width: WIDTH, height: HEIGHT };
        return {
          id: node.phase,
          type: "phase",
          position: { x, y },
          data: { node, direction, connects: connect !== undefined && !node.parent, box: height > HEIGHT },
          width,
          height,
          zIndex: 2 * deep(node, nodes) + 1,
          selected: node.phase === chosen,
          ariaRole: "button",
        };
      }),
    [nodes, places, chosen, direction, connect],
  );
  const edges = useMemo(() => {
    const states = new Map(nodes.map((each) => [each.phase, look(each.state)]));
    return nodes.flatMap((node) =>
      node.needs
        .filter((need) => states.has(need))
        .map((need): Edge => {
          const now = states.get(node.phase) === "running";
          return {
            id: `${need}>${node.phase}`,
            source: need,
            target: node.phase,
            animated: now,
            className: now ? "now" : states.get(need) === "passed" && states.get(node.phase) !== "pending" ? "done" : "",
            zIndex: 2 * deep(node, nodes),
            markerEnd: { type: MarkerType.ArrowClosed, width: 14, height: 14, color: "var(--line-strong)" },
          };
        }),
    );
  }, [nodes]);
  return (
    <div className="flow-panel" ref={panel}>
      <div className={connect ? "flow editable" : "flow"} style={{ height: `${tall}rem`, ...(full ? { minWidth: `${wide}px` } : {}) }} role="group" aria-label={connect ? "Graph of the template. The form shows the same." : "Graph of the run. The list shows the same as a table."}>
        <ReactFlow<PhaseNode>
          key={`${shape.length} ${direction} ${full}`}
          nodes={shown}
          edges={edges}
          nodeTypes={KINDS}
          nodesDraggable={false}
          nodesConnectable={connect !== undefined}
          onConnect={({ source, target }) => connect?.(source, target)}
          edgesFocusable={false}
          onlyRenderVisibleElements={nodes.length > 120}
          minZoom={0.05}
          maxZoom={1.5}
          fitView
          fitViewOptions={full ? { minZoom: 1, maxZoom: 1 } : { maxZoom: 1, padding: 0.08, minZoom: nodes.length > 60 ? 0.45 : 0.05 }}
          {...(full ? SCROLLS : {})}
          onNodeClick={(_, node) => choose(node.id)}
          onNodesChange={(changes) => changes.forEach((change) => change.type === "select" && change.selected && choose(change.id))}
          colorMode={dark ? "dark" : "light"}
          proOptions={{ hideAttribution: false }}
        >
          <Background gap={24} />
          {!full && <Controls showInteractive={false} />}
        </ReactFlow>
      </div>
    </div>
  );
}
