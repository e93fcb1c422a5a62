const report = document.getElementById("report"), run = report.dataset.run;
const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));

document.querySelectorAll("details.reference").forEach(reference => {
  if (!reference.querySelector(".player")) return;
  const player = new Player(reference);
  const start = () => { if (reference.open && !player.segment) player.load(player.data.opens_at); };
  reference.addEventListener("toggle", start);
  start();
});

function problem(error) {
  const place = document.getElementById("problem");
  place.textContent = error.message;
  place.hidden = false;
}
function state(text, tone) {
  document.getElementById("rollback-text").textContent = text;
  const place = document.getElementById("rollback-state");
  place.className = "notice " + tone;
  place.hidden = false;
}
async function confirmed(name, act) {
  const dialog = document.getElementById(name + "-dialog"), button = document.getElementById(name);
  if (!button) return;
  button.addEventListener("click", () => { dialog.returnValue = ""; dialog.showModal(); });
  dialog.addEventListener("close", async () => {
    if (dialog.returnValue !== "yes") return;
    button.disabled = true;
    document.getElementById("problem").hidden = true;
    try { await act(); } catch (error) { button.disabled = false; problem(error); }
  });
}
confirmed("rollback", async () => {
  state("Asking for the rollback…", "calm");
  const body = report.dataset.outcome === "degraded" ? {} : { force: true };
  try { await ask("POST", "/api/regression/runs/" + run + "/rollback", body); }
  catch (error) { document.getElementById("rollback-state").hidden = true; throw error; }
  await followRollback();
});
confirmed("accept", async () => {
  await ask("POST", "/api/regression/runs/" + run + "/accept", report.dataset.outcome === "passed" ? {} : { override: true });
  location.reload();
});
confirmed("cancel", async () => {
  await ask("POST", "/api/regression/runs/" + run + "/cancel", {});
  location.reload();
});

async function progress() { return ask("GET", "/reports/regression/" + run + "/progress"); }
async function followRollback() {
  for (;;) {
    const now = await progress().catch(() => null);
    if (now) {
      state(now.rollback.text, now.rollback.tone);
      if (now.rollback.ended) { await wait(400); location.reload(); return; }
    }
    await wait(700);
  }
}
async function followRun() {
  for (;;) {
    await wait(1000);
    const now = await progress().catch(() => null);
    if (!now) continue;
    if (!now.running) { location.reload(); return; }
    document.getElementById("done-bar").max = now.total || 1;
    document.getElementById("done-bar").value = now.done;
    document.getElementById("done-text").textContent = now.done + " of " + now.total + " segments";
  }
}
if (report.dataset.running === "yes") followRun();
else if (document.getElementById("rollback-state").dataset.following === "yes") followRollback();
