document.querySelectorAll("[data-time]").forEach(element => {
  const time = new Date(element.dataset.time);
  if (!isNaN(time)) element.textContent = time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
});
