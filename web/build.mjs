// Bundles src/ into one HTML file without addresses: script and style are inline, and the server allows exactly their bytes.
// The same sources give the same bytes on every machine. scripts/build_web.py calls this and writes the stamp.
import { build } from "esbuild";
import { mkdirSync, writeFileSync } from "node:fs";

const target = process.argv[2];
const found = await build({
  entryPoints: ["src/main.tsx"],
  bundle: true,
  minify: true,
  write: false,
  outdir: "out",
  format: "iife",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "wfe-visible",
  alias: { "wfe-visible/jsx-runtime": "./src/visible/jsx-runtime.ts" },
  charset: "utf8",
  legalComments: "none",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".css": "css" },
});
const text = (end) => found.outputFiles.find((file) => file.path.endsWith(end)).text;
const script = text(".js").replace(/<\/script/gi, "<\\/script").trim();
const style = text(".css").trim();
mkdirSync(target, { recursive: true });
writeFileSync(
  `${target}/index.html`,
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>wfe</title>
<link rel="icon" href="/icon.svg">
<style>${style}</style>
</head>
<body>
<div id="root"><main><h1>wfe</h1><p>Loading. Without JavaScript, decide on <a href="/">the plain page</a>.</p></main></div>
<script>${script}</script>
</body>
</html>
`,
);
