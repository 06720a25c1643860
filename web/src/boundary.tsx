// A page that cannot be drawn says so, and the rest of the application goes on.
import { Component, type ReactNode } from "react";

/** `at`: the address of the page; another one is tried anew. */
export class Boundary extends Component<{ at: string; children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error): { error: Error } {
    return { error };
  }

  override componentDidUpdate(before: { at: string }): void {
    if (this.state.error && before.at !== this.props.at) this.setState({ error: null });
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <div className="empty">
        <h1>This page cannot be shown</h1>
        <p className="note no words" role="alert">
          {error.message}
        </p>
        <p className="soft">This is a fault of wfe-mcp. Nothing that is stored is lost; the other pages work.</p>
        <p className="row wrap">
          <button type="button" className="btn solid" onClick={() => location.reload()}>
            Load it again
          </button>
          <button type="button" className="btn" onClick={discard}>
            Discard what you typed in this tab, and load it again
          </button>
        </p>
      </div>
    );
  }
}

function discard(): void {
  for (const name of Object.keys(sessionStorage)) if (name.startsWith("wfe-draft ")) sessionStorage.removeItem(name);
  location.reload();
}
