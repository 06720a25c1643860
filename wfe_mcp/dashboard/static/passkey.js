// Has a passkey made, or something signed by one, and sends the form with it. What is signed is the server's word.
// At a server it also says that this page is open, and shows who else has it open.
"use strict";

async function ask(path, form) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(new FormData(form)).toString(),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  form.elements.ceremony.value = said.ceremony;
  return said.options;
}

async function sign(form, report) {
  report.textContent = "";
  const pin = form.elements.pin;
  const optional = pin && !form.dataset.pin;
  if (optional) pin.required = false;
  const complete = form.reportValidity();
  if (optional) pin.required = true;
  if (!complete) return;
  if (/^(127\.|\[)/.test(location.hostname)) {
    report.textContent = `Passkeys know this page as localhost only: open http://localhost:${location.port}${location.pathname}`;
    return;
  }
  if (!window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) {
    report.textContent = "This browser has no passkeys, or is too old for this page.";
    return;
  }
  try {
    if (form.dataset.key) {
      const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(await ask(form.dataset.key, form));
      form.elements.key.value = JSON.stringify((await navigator.credentials.create({ publicKey })).toJSON());
    }
    const options = await ask(form.dataset.sign, form);
    if (options) {
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
      form.elements.assertion.value = JSON.stringify((await navigator.credentials.get({ publicKey })).toJSON());
    }
    form.submit();
    return true;
  } catch (error) {
    report.textContent = `Nothing was done. ${error.message}`;
  }
}

for (const form of document.querySelectorAll("form[data-sign]")) {
  const button = form.querySelector("button.passkey");
  const report = form.querySelector("p.report");
  button.hidden = false;
  let isAsking = false; // a second click would ask for another signature, and the first one would not count
  button.addEventListener("click", async () => {
    if (isAsking) return;
    isAsking = true;
    isAsking = (await sign(form, report)) === true;
  });
}

const PRESENT_MS = 30000;

for (const place of document.querySelectorAll("[data-present]")) {
  const say = async () => {
    if (document.hidden) return;
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(`/api/v1/decisions/${place.dataset.present}/present`, { method: "POST", headers, body: "{}" });
    const text = answer.ok ? ((await answer.json()).data.text ?? "") : "";
    place.textContent = text;
    place.hidden = !text;
  };
  setInterval(() => say().catch(() => {}), PRESENT_MS);
}
