// The project that this tab shows, where one is chosen.
const CHOSEN = "wfe-project";

export const chosenProject = (): string => sessionStorage.getItem(CHOSEN) ?? "";

export function chooseProject(id: string): void {
  sessionStorage.setItem(CHOSEN, id);
  window.dispatchEvent(new Event(CHOSEN));
}

export function onChosen(changed: () => void): () => void {
  window.addEventListener(CHOSEN, changed);
  return () => window.removeEventListener(CHOSEN, changed);
}
