// The graph of a run: one node per phase, in the anatomy of every list; the list beside it shows the same.
import { Background, Controls, Handle, MarkerType, Position, ReactFlow, type Edge, type Node, type NodeProps } from "@xyflow/react";
import { memo, useEffect, useMemo, useState } from "react";
import type { NodeView } from "./api_types";
import { Icon } from "./icons";
import { HEIGHT, WIDTH, layout, type Direction } from "./layout";
import { Gates } from "./parts";
import { look, money, span, stateWord } from "./words";

/** A phase of a run, or of a template. */
export interface GraphNode extends NodeView {
  /** In place of the state: what the phase is, where nothing runs. */
  about?: string;
}

export const subline = (node: GraphNode): string =>
  node.about ??
  [
    node.held ? "waiting for you to let it go on" : stateWord(node.state),
    node.items ? `${node.items.replace("/", " of ")} items` : "",
    node.working_s ? (node.state === "awaiting" ? `after ${span(node.working_s)} of work` : span(node.working_s)) : "",
    node.attempt > 1 ? `attempt ${node.attempt}` : "",
  ]
    .filter(Boolean)
    .join(", ");

type PhaseNode = Node<{ node: GraphNode; direction: Direction; connects: boolean }, "phase">;

const Phase = memo(function Phase({ data, selected }: NodeProps<PhaseNode>) {
  const { node, direction, connects } = data;
  const shown = node.about === undefined ? look(node.state) : "plain";
  const [target, source] = direction === "down" ? [Position.Top, Position.Bottom] : [Position.Left, Position.Right];
  return (
    <div className={`node ${shown}${node.weakened || node.forced ? " weak" : ""}`} aria-current={selected || undefined}>
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

/** What a node is drawn after: its needs, and for the first phases inside a loop the loop itself. */
export function before(node: GraphNode): string[] {
  return node.needs.length || !node.parent ? node.needs : [node.parent];
}

export function useDark(): boolean {
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

/** `connect`: the phase at the second name is to need the first. */
export function Graph({ nodes, chosen, choose, direction, connect }: {
  nodes: GraphNode[];
  chosen: string;
  choose: (phase: string) => void;
  direction: Direction;
  connect?: (from: string, to: string) => void;
}) {
  const dark = useDark();
  const shape = nodes.map((each) => `${each.phase}<${before(each).join()}`).join("|");
  const places = useMemo(() => layout(nodes.map((each) => ({ phase: each.phase, needs: before(each) })), direction), [shape, direction]); // eslint-disable-line
  const tall = useMemo(() => {
    const ys = [...places.values()].map((each) => each.y);
    return Math.min(34, Math.max(13, (Math.max(...ys) - Math.min(...ys) + HEIGHT + 80) / 16));
  }, [places]);
  const shown = useMemo(
    () =>
      nodes.map((node): PhaseNode => ({
        id: node.phase,
        type: "phase",
        position: places.get(node.phase) ?? { x: 0, y: 0 },
        data: { node, direction, connects: connect !== undefined },
        width: WIDTH,
        height: HEIGHT,
        selected: node.phase === chosen,
        ariaRole: "button",
      })),
    [nodes, places, chosen, direction, connect],
  );
  const edges = useMemo(() => {
    const states = new Map(nodes.map((each) => [each.phase, look(each.state)]));
    return nodes.flatMap((node) =>
      before(node)
        .filter((need) => states.has(need))
        .map((need): Edge => {
          const now = states.get(node.phase) === "running";
          return {
            id: `${need}>${node.phase}`,
            source: need,
            target: node.phase,
            animated: now,
            className: now ? "now" : states.get(need) === "passed" && states.get(node.phase) !== "pending" ? "done" : "",
            style: need === node.parent ? { strokeDasharray: "3 3" } : undefined,
            markerEnd: { type: MarkerType.ArrowClosed, width: 14, height: 14, color: "var(--line-strong)" },
          };
        }),
    );
  }, [nodes]);
  return (
    <div className={connect ? "flow editable" : "flow"} style={{ height: `${tall}rem` }} role="group" aria-label={connect ? "Graph of the template. The form shows the same." : "Graph of the run. The list shows the same as a table."}>
      <ReactFlow<PhaseNode>
        key={`${shape.length} ${direction}`}
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
        fitViewOptions={{ maxZoom: 1, padding: 0.08, minZoom: nodes.length > 60 ? 0.45 : 0.05 }}
        onNodeClick={(_, node) => choose(node.id)}
        onNodesChange={(changes) => changes.forEach((each) => each.type === "select" && each.selected && choose(each.id))}
        colorMode={dark ? "dark" : "light"}
        proOptions={{ hideAttribution: false }}
      >
        <Background gap={24} />
        <Controls showInteractive={false} />
      </ReactFlow>
    </div>
  );
}
