// The project that lists show: chosen on one page, kept for the others of this tab.
import { createContext, useContext, useEffect, useSyncExternalStore } from "react";
import { useAsk, type Asked } from "./api";
import type { ActivityView, InboxView, ProjectList, RunView } from "./api_types";
import { chooseProject, chosenProject, onChosen } from "./chosen";
import { actIn } from "./cli";
import type { Route } from "./route";
import { Session } from "./session";
import { folder } from "./words";
import { Choose } from "./parts";

const NEVER = () => false;

export interface InProject {
  /** The id of the chosen project; empty: all of them. */
  id: string;
  /** The same, empty where none was chosen: what is typed is kept by it, as it is known at once. */
  chosen: string;
  choose: (id: string) => void;
  /** Whether the folders of all are known. */
  isKnown: boolean;
  /** The name of each project by its id; its path where two have the same. */
  names: Map<string, string>;
  /** Whether a list needs to say the project of each line. */
  many: boolean;
  /** Whether an event is about what is shown. */
  concerns: (event: ActivityView) => boolean;
  /** The id of the project in a folder; that which is shown, where no folder is given. */
  idOf: (root?: string | null) => string;
  /** The name of the project in a folder. */
  nameOf: (root: string) => string;
  /** The option of a command that lists the same. */
  cli: string[];
}

/** `one`: the page shows one project at a time, that which it was started in where none is chosen. */
export function useProject({ one = false } = {}): InProject {
  const chosen = useSyncExternalStore(onChosen, chosenProject);
  const data = useContext(Known);
  const session = useContext(Session);
  const rows = data?.projects ?? [];
  const roots = new Map(rows.map((row) => [row.project, row.root]));
  const isGone = chosen !== "" && !!data && !roots.has(chosen);
  useEffect(() => {
    if (isGone) chooseProject("");
  }, [isGone]);
  const given = rows.map((row) => `${row.name || folder(row.root)}${row.earlier ? " (earlier)" : ""}`);
  const names = new Map(rows.map((row, at) => [row.project, given.filter((name) => name === given[at]).length > 1 ? row.root : (given[at] ?? row.root)]));
  const here = session?.project ?? "";
  const id = isGone ? "" : chosen || (one ? here : "");
  return {
    id,
    chosen,
    choose: chooseProject,
    isKnown: !!data,
    names,
    concerns: (event) => !id || event.project === id,
    idOf: (root) => [...roots].find(([, folder_]) => folder_ === root)?.[0] ?? (chosen || here),
    nameOf: (root) => names.get(rows.find((row) => row.root === root)?.project ?? "") ?? folder(root),
    many: names.size > 1 && !id,
    cli: id || one ? [] : ["--all"],
  };
}

/** Pages of one run. */
const OF_RUNS = ["runs", "artifact", "form", "compare"];

/** All projects, for the pages: asked for once, and on each page again. */
export const Known = createContext<ProjectList | null>(null);

export function useKnown(page: string): Asked<ProjectList> {
  const projects = useAsk<ProjectList>("/projects", NEVER);
  useEffect(() => {
    if (projects.data) projects.reload();
  }, [page]); // eslint-disable-line
  return projects;
}

/** Lets commands act in the project that the page at `route` shows; another answer after they act in another one. `own`: the id of the server's. */
export function useActsIn({ page, parts: [first = "", second = ""] }: Route, inbox: InboxView | null, projects: Asked<ProjectList>, own = ""): string {
  const chosen = useSyncExternalStore(onChosen, chosenProject);
  const rows = projects.data?.projects ?? [];
  const ofRun = OF_RUNS.includes(page) && first !== "";
  const run = useAsk<RunView>(ofRun && rows.length > 1 ? `/runs/${encodeURIComponent(first)}` : null, NEVER);
  const id = ofRun ? (run.data?.project ?? "") : page === "projects" || (page === "items" && second) ? first : chosen;
  const row = rows.find((each) => each.project === id);
  useEffect(() => {
    if (id && projects.data && !row) projects.reload(); // it was added since
  }, [id]); // eslint-disable-line
  const shown = page === "inbox" ? inbox?.decisions.find((each) => each.request === first)?.project : row?.root;
  const folders: [string, string] = [rows.find((each) => each.project === own)?.root ?? "", shown ?? ""];
  actIn(...folders);
  return folders.join("\n");
}

/** Chooses the project; nothing where there is only one. */
export function ProjectChoice({ at, one = false }: { at: InProject; one?: boolean }) {
  if (at.names.size < 2) return null;
  return <Choose label="Project" all={one ? undefined : "all projects"} names={[...at.names.keys()]} says={(id) => at.names.get(id) ?? id} now={at.id} choose={at.choose} />;
}
