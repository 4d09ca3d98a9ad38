// The only script. Where a page says that something is being counted, it looks again; without it there is a link.
const waiting = document.querySelector("[data-again]");
let tries = 0;
async function look() {
  const answer = await fetch(waiting.dataset.again, { headers: { accept: "application/json" } });
  const page = answer.ok ? await answer.json() : null;
  if (page?.effect?.state !== "counting") location.reload();
  else if (++tries < 40) setTimeout(look, 1500);
}
if (waiting) setTimeout(look, 1000);
