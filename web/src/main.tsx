import { createRoot } from "react-dom/client";
import { follow } from "./api";
import { App, Away, NoSession } from "./app";
import { watchFocus, watchPrefix } from "./keys";
import { watchPlace } from "./route";
import { begin } from "./session";
import "../../wfe_mcp/dashboard/static/tokens.css";
import "@xyflow/react/dist/style.css";
import "../../wfe_mcp/dashboard/static/common.css";
import "./app.css";

const kept = localStorage.getItem("wfe-theme");
if (kept) document.documentElement.dataset.theme = kept;

const root = document.getElementById("root");
if (root) {
  root.style.display = "contents";
  const page = createRoot(root);
  void begin((why) => page.render(<Away why={why} />)).then((isOpen) => {
    if (isOpen) {
      watchPrefix();
      watchFocus();
      watchPlace();
      follow();
    }
    page.render(isOpen ? <App /> : <NoSession />);
  });
}
