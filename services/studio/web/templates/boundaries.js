const page = document.getElementById("boundaries"), scene = page.dataset.scene;
const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));

document.querySelectorAll("details.boundary").forEach(card => {
  if (location.hash === "#" + card.id) card.open = true;
  if (card.querySelector(".player")) {
    const cut = new Cut(card);
    const start = () => { if (card.open && !cut.started) { cut.started = true; cut.load(); } };
    card.addEventListener("toggle", start);
    start();
  }
  act(card, "repair", form => ask("POST", "/api/segments/" + card.dataset.next + "/smooth-boundary",
    { position: "before", method: form.get("method"), overwrite: form.getAll("overwrite").map(Number) }));
  act(card, "accept", () => ask("POST", "/api/segments/" + card.dataset.next + "/smooth-boundary", { position: "before", method: "accept" }));
  act(card, "undo", form => ask("POST", "/api/boundary-repairs/" + card.dataset.repair + "/undo", { overwrite: form.getAll("overwrite").map(Number) }));
  const cancel = card.querySelector(".cancel");
  if (cancel) cancel.addEventListener("click", () => done(card, cancel, ask("DELETE", "/api/boundary-repairs/" + card.dataset.repair)));
});
document.querySelectorAll(".chain a").forEach(link => link.addEventListener("click", () => {
  document.querySelector(link.getAttribute("href")).open = true;
}));

function act(card, name, send) {
  const button = card.querySelector("[data-opens=" + name + "]"), dialog = card.querySelector("[data-dialog=" + name + "]");
  if (!button || !dialog) return;
  button.addEventListener("click", () => { dialog.returnValue = ""; dialog.showModal(); });
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "yes") done(card, button, send(new FormData(dialog.querySelector("form"))));
  });
}
async function done(card, button, sent) {
  const place = document.getElementById("problem");
  button.disabled = true;
  place.hidden = true;
  try { await sent; again(card); }
  catch (error) { button.disabled = false; place.textContent = error.message; place.hidden = false; place.scrollIntoView({ block: "nearest" }); }
}
function again(card) {
  history.replaceState(null, "", "#" + card.id);
  location.reload();
}
async function follow() {
  for (;;) {
    await wait(1000);
    const now = await ask("GET", "/scenes/" + scene + "/boundaries/progress").catch(() => null);
    if (!now || document.querySelector("dialog[open]")) continue;
    if (now.state !== page.dataset.state) return location.reload();
    for (const one of now.followed) {
      const card = document.getElementById(one.anchor), bar = card.querySelector(".following-bar");
      card.querySelector(".following-text").textContent = one.text;
      if (one.total) { bar.max = one.total; bar.value = one.done; } else bar.removeAttribute("value");
    }
  }
}
if (page.dataset.following === "yes") follow();
