// Places for the phases of a graph: layers by the longest way from the start, each ordered by the middle of its neighbours.

export interface Placed {
  phase: string;
  needs: string[];
}

export interface Place {
  x: number;
  y: number;
}

export type Direction = "down" | "right";

export const WIDTH = 208;
export const HEIGHT = 54;
const GAP = { across: 24, along: 40 };
const SWEEPS = 4;
const WIDEST = 8;

export function layout(nodes: readonly Placed[], direction: Direction): Map<string, Place> {
  const known = new Map(nodes.map((each) => [each.phase, each]));
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
  const layers: string[][] = [];
  for (const { phase, needs } of nodes) {
    (layers[depth(phase, new Set())] ??= []).push(phase);
    for (const need of needs) after.set(need, [...(after.get(need) ?? []), phase]);
  }
  const middle = new Map<string, number>();
  const settle = (layer: string[]) => layer.forEach((phase, index) => middle.set(phase, index - (layer.length - 1) / 2));
  layers.forEach(settle);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const order = sweep % 2 ? [...layers].reverse() : layers;
    for (const layer of order) {
      const near = (phase: string): number => {
        const others = sweep % 2 ? (after.get(phase) ?? []) : (known.get(phase)?.needs ?? []);
        const places = others.map((each) => middle.get(each) ?? 0);
        return places.length ? places.reduce((sum, each) => sum + each, 0) / places.length : (middle.get(phase) ?? 0);
      };
      const wanted = new Map(layer.map((phase) => [phase, near(phase)]));
      layer.sort((one, two) => (wanted.get(one) ?? 0) - (wanted.get(two) ?? 0));
      settle(layer);
    }
  }
  // A layer wider than a screen is broken into rows, so that many phases side by side stay readable.
  const found = new Map<string, Place>();
  let along = 0;
  const [size, length] = direction === "down" ? [WIDTH, HEIGHT] : [HEIGHT, WIDTH];
  for (const layer of layers) {
    for (let from = 0; from < layer.length; from += WIDEST) {
      const row = layer.slice(from, from + WIDEST);
      row.forEach((phase, index) => {
        const across = (index - (row.length - 1) / 2) * (size + GAP.across);
        found.set(phase, direction === "down" ? { x: across, y: along } : { x: along, y: across });
      });
      along += length + (from + WIDEST < layer.length ? GAP.across : GAP.along);
    }
  }
  return found;
}
