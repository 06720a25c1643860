// From a link to the application: the code after # goes along, and is sent to no server on the way.
"use strict";
const given = new URLSearchParams(location.hash.slice(1));
const next = new URLSearchParams({ to: document.currentScript.dataset.to });
if (given.has("code")) next.set("code", given.get("code"));
location.replace(`/app/#${next}`);
