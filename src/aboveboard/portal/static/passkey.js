// Passkeys: fetches what to ask, lets the device answer, and sends the answer with the form it stands in. Nothing is written
// into the page but what the template holds already: the Content-Security-Policy with Trusted Types would refuse it.
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const named = (keys) => (keys ?? []).map((key) => ({ ...key, id: bytes(key.id) }));

async function asked(form) {
  const answer = await fetch(form.dataset.options, {
    method: "POST", headers: { accept: "application/json" }, body: new URLSearchParams(new FormData(form)),
  });
  if (answer.status === 403 && (await answer.clone().json()).error?.kind === "step_up") {
    form.submit(); // the page that answers leads to the proof, and back
    return null;
  }
  if (!answer.ok) throw new Error(String(answer.status));
  const { options } = await answer.json();
  options.challenge = bytes(options.challenge);
  options.excludeCredentials = named(options.excludeCredentials);
  options.allowCredentials = named(options.allowCredentials);
  if (options.user) options.user.id = bytes(options.user.id);
  return options;
}

async function answered(kind, publicKey) {
  const { id, type, rawId, response } = await navigator.credentials[kind]({ publicKey });
  const parts = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const told = parts.filter((part) => response[part]).map((part) => [part, text(response[part])]);
  return JSON.stringify({ id, type, rawId: text(rawId), response: Object.fromEntries(told) });
}

async function send(event) {
  const form = event.currentTarget;
  const failed = document.querySelector("[data-failed]");
  event.preventDefault();
  failed.firstElementChild.hidden = true;
  try {
    const options = await asked(form);
    if (!options) return;
    form.elements.credential.value = await answered(form.dataset.passkey, options);
    form.submit();
  } catch {
    failed.firstElementChild.hidden = false;
    failed.focus();
  }
}

const able = Boolean(window.PublicKeyCredential);
for (const note of document.querySelectorAll("[data-unscripted]")) note.hidden = true;
for (const note of document.querySelectorAll("[data-unable]")) note.hidden = able;
for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !able;
  form.addEventListener("submit", send);
}
