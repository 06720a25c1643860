// From a link to the application: the code after # goes along, and is sent to no server on the way. A decision or the inbox
// without a code is shown by the plain page, unless this tab has a session or another tab of this browser lends its own.
"use strict";
const LEND_MS = 400;
const given = new URLSearchParams(location.hash.slice(1));
const { to, plain } = document.currentScript.dataset;
const next = new URLSearchParams({ to });
if (given.has("code")) next.set("code", given.get("code"));
const application = () => location.replace(`/app/#${next}`);
if (!plain || given.has("code") || sessionStorage.getItem("wfe-token")) application();
else {
  const tabs = new BroadcastChannel("wfe-session");
  tabs.addEventListener("message", ({ data }) => data?.token && application());
  setTimeout(() => location.replace(plain), LEND_MS);
  tabs.postMessage("who");
}
