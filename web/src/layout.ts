// Places for the phases of a graph: layers by the longest way from the start, each ordered by the middle of its neighbours.
// What a loop repeats, and what a flow runs, lies inside of it: laid out by itself, and placed as one box.

export interface Placed {
  phase: string;
  needs: string[];
  /** The loop or flow around it. */
  parent?: string;
}

/** The upper left corner, and how large it is. */
export interface Place {
  x: number;
  y: number;
  width: number;
  height: number;
}

export type Direction = "down" | "right";

export const WIDTH = 208;
export const HEIGHT = 54;
const GAP = { across: 24, along: 40 };
/** Inside a box: its edge, and the room for its own name. */
const EDGE = 12;
const SWEEPS = 4;
const WIDEST = 8;

export function layout(nodes: readonly Placed[], direction: Direction): Map<string, Place> {
  const known = new Set(nodes.map((node) => node.phase));
  const inside = new Map<string, Placed[]>();
  for (const each of nodes) {
    const parent = each.parent && known.has(each.parent) && each.parent !== each.phase ? each.parent : "";
    inside.set(parent, [...(inside.get(parent) ?? []), each]);
  }
  const found = new Map<string, Place>();
  const box = (parent: string): { width: number; height: number } => {
    const own = inside.get(parent) ?? [];
    const sizes = new Map(own.map(({ phase }) => [phase, inside.has(phase) ? box(phase) : { width: WIDTH, height: HEIGHT }]));
    const places = layers(own, sizes, direction);
    for (const [phase, place] of places) found.set(phase, place);
    const right = Math.max(0, ...[...places.values()].map((each) => each.x + each.width));
    const bottom = Math.max(0, ...[...places.values()].map((each) => each.y + each.height));
    return { width: Math.max(WIDTH, right + 2 * EDGE), height: HEIGHT + bottom + EDGE };
  };
  box("");
  // Places inside a box begin at its own corner: they move along with it, the outer ones first.
  const move = (parent: string, x: number, y: number) => {
    for (const { phase } of inside.get(parent) ?? []) {
      const place = found.get(phase);
      if (!place) continue;
      place.x += x;
      place.y += y;
      move(phase, place.x + EDGE, place.y + HEIGHT);
    }
  };
  move("", 0, 0);
  return found;
}

type Size = { width: number; height: number };

/** Phases beside and after each other, from (0, 0) on. */
function layers(nodes: readonly Placed[], sizes: ReadonlyMap<string, Size>, direction: Direction): Map<string, Place> {
  const known = new Map(nodes.map((node) => [node.phase, node]));
  const depths = new Map<string, number>();
  const depth = (phase: string, above: ReadonlySet<string>): number => {
    const found = depths.get(phase);
    if (found !== undefined) return found;
    if (above.has(phase)) return 0; // a ring, which a template in the making may have
    const before = (known.get(phase)?.needs ?? []).filter((each) => known.has(each));
    const inner = new Set(above).add(phase);
    const value = before.length ? 1 + Math.max(...before.map((each) => depth(each, inner))) : 0;
    depths.set(phase, value);
    return value;
  };
  const after = new Map<string, string[]>();
  const byDepth: string[][] = [];
  for (const { phase, needs } of nodes) {
    (byDepth[depth(phase, new Set())] ??= []).push(phase);
    for (const need of needs) after.set(need, [...(after.get(need) ?? []), phase]);
  }
  const rows = byDepth.filter(() => true); // a ring leaves depths without a phase
  const middle = new Map<string, number>();
  const settle = (row: string[]) => row.forEach((phase, index) => middle.set(phase, index - (row.length - 1) / 2));
  rows.forEach(settle);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const order = sweep % 2 ? [...rows].reverse() : rows;
    for (const row of order) {
      const near = (phase: string): number => {
        const others = sweep % 2 ? (after.get(phase) ?? []) : (known.get(phase)?.needs ?? []);
        const places = others.map((other) => middle.get(other) ?? 0);
        return places.length ? places.reduce((sum, each) => sum + each, 0) / places.length : (middle.get(phase) ?? 0);
      };
      const wanted = new Map(row.map((phase) => [phase, near(phase)]));
      row.sort((one, two) => (wanted.get(one) ?? 0) - (wanted.get(two) ?? 0));
      settle(row);
    }
  }
  // A layer wider than a screen is broken into rows, so that many phases side by side stay readable.
  const found = new Map<string, Place>();
  const down = direction === "down";
  let along = 0;
  for (const layer of rows) {
    for (let from = 0; from < layer.length; from += WIDEST) {
      const row = layer.slice(from, from + WIDEST).map((phase) => ({ phase, size: sizes.get(phase) ?? { width: WIDTH, height: HEIGHT } }));
      const across = row.map(({ size }) => (down ? size.width : size.height));
      let at = -(across.reduce((sum, each) => sum + each, 0) + GAP.across * (row.length - 1)) / 2;
      row.forEach(({ phase, size }, index) => {
        found.set(phase, { ...(down ? { x: at, y: along } : { x: along, y: at }), ...size });
        at += (across[index] ?? 0) + GAP.across;
      });
      along += Math.max(...row.map(({ size }) => (down ? size.height : size.width))) + (from + WIDEST < layer.length ? GAP.across : GAP.along);
    }
  }
  const left = Math.min(0, ...[...found.values()].map((each) => each.x));
  const top = Math.min(0, ...[...found.values()].map((each) => each.y));
  for (const place of found.values()) {
    place.x -= left;
    place.y -= top;
  }
  return found;
}
