// What a decision on a run would lead to, as the engine computes it before anybody decides.
import { query, useAsk } from "./api";
import type { ActivityView, PromiseView } from "./api_types";

/** The promise of one way on; asked again whenever the run changes. Without a way nothing is asked. */
export function usePromise(run: string, way: string, given: { phase?: string; to?: string; from_step?: string } = {}): PromiseView {
  const asked = useAsk<PromiseView>(way ? `/runs/${encodeURIComponent(run)}/promise${query({ way, ...given })}` : null, (event: ActivityView) => event.run === run);
  return asked.data ?? {};
}
