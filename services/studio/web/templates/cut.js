/* The last frames of one clip and then the first of the next, as one film. Positions are frames from the cut: 0 is the first frame after it. */
class Cut {
  constructor(card) {
    this.root = card.querySelector(".player");
    this.data = JSON.parse(card.dataset.player);
    this.videos = [...this.root.querySelectorAll("video")];
    this.scrub = this.root.querySelector(".scrub");
    this.playing = false;
    this.wire();
  }
  one(selector) { return this.root.querySelector(selector); }
  wire() {
    this.one(".play").addEventListener("click", () => this.toggle());
    this.one(".step-back").addEventListener("click", () => this.step(-1));
    this.one(".step-on").addEventListener("click", () => this.step(1));
    this.one(".speed").addEventListener("change", event => this.videos.forEach(video => { video.playbackRate = Number(event.target.value); }));
    if (this.one(".jump")) this.one(".jump").addEventListener("click", () => this.go(this.data.offset));
    this.scrub.addEventListener("input", () => this.go(Number(this.scrub.value)));
    this.root.querySelectorAll("[data-view]").forEach(button => button.addEventListener("click", () => this.view(button)));
    this.root.addEventListener("keydown", event => this.key(event));
  }
  async load() {
    const [before, after] = this.data.sides;
    this.low = -Math.min(this.data.window, before.frames);
    this.high = Math.min(this.data.window, after.frames) - 1;
    this.scrub.min = String(this.low);
    this.scrub.max = String(this.high);
    this.marks();
    try {
      await Promise.all(this.videos.map((video, index) => this.source(video, this.data.sides[index].clip)));
      await this.show(Math.max(this.low, Math.min(this.high, this.data.offset)));
      this.root.dataset.ready = "yes";
    } catch (error) {
      const missing = this.one(".missing");
      missing.textContent = error.message;
      missing.hidden = false;
      this.root.querySelectorAll(".pane").forEach(pane => { pane.hidden = true; });
    }
  }
  async source(video, sha256) {
    const link = await ask("GET", "/api/media/" + sha256 + "/link");
    await new Promise((done, failed) => {
      video.onloadeddata = done;
      video.onerror = () => failed(new Error("The clip could not be played."));
      video.src = link.url;
    });
  }
  marks() {
    const place = this.one(".marks"), span = Math.max(1, this.high - this.low);
    place.replaceChildren();
    for (const [offset, text, name] of [[0, "The cut", "mark minor"], [this.data.offset, "The largest disturbance", "mark worst"]]) {
      if (name === "mark worst" && !this.one(".jump")) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.className = name;
      button.textContent = name === "mark worst" ? "▼" : "│";
      button.title = text;
      button.setAttribute("aria-label", text);
      button.style.left = (100 * (offset - this.low) / span) + "%";
      button.addEventListener("click", () => this.go(offset));
      place.append(button);
    }
  }
  time(index, offset) {
    const side = this.data.sides[index], frame = index ? Math.max(0, offset) : side.frames + Math.min(-1, offset);
    return (frame + 0.5) / side.fps;
  }
  offset(index) {
    const side = this.data.sides[index], frame = Math.floor(this.videos[index].currentTime * side.fps + 1e-3);
    return index ? frame : frame - side.frames;
  }
  async show(offset) {
    this.at = Math.max(this.low, Math.min(this.high, offset));
    this.tell();
    await Promise.all(this.videos.map((video, index) => this.seek(video, this.time(index, this.at))));
  }
  seek(video, time) {
    if (Math.abs(video.currentTime - time) < 1e-4) return Promise.resolve();
    return new Promise(done => { video.addEventListener("seeked", done, { once: true }); video.currentTime = time; });
  }
  tell() {
    const words = this.at < 0 ? -this.at + " before the cut" : this.at === 0 ? "at the cut" : this.at + " after the cut";
    this.one(".stage").dataset.shows = this.at < 0 ? "before" : "after";
    this.one(".frame-now").textContent = words;
    this.scrub.value = String(this.at);
    this.one(".play").textContent = this.playing ? "Pause" : "Play";
  }
  go(offset) { this.stop(); return this.show(offset); }
  step(by) { return this.go(this.at + by); }
  stop() { this.playing = false; this.videos.forEach(video => video.pause()); this.tell(); }
  async toggle() {
    if (this.playing) return this.go(this.at);
    this.view(this.one("[data-view=across]"));
    await this.show(this.at >= this.high ? this.low : this.at);
    this.playing = true;
    this.videos.forEach(video => { video.playbackRate = Number(this.one(".speed").value); });
    await this.start(this.at < 0 ? 0 : 1);
    this.follow();
  }
  /* Whoever stops it while it starts has the last word. */
  async start(index) {
    await this.videos[index].play().catch(() => {});
    if (!this.playing) this.videos[index].pause();
  }
  async follow() {
    if (!this.playing) return;
    const index = this.at < 0 ? 0 : 1, video = this.videos[index], now = this.offset(index);
    if (index === 0 && (video.ended || now >= 0)) { this.at = 0; video.pause(); await this.start(1); }
    else if (index === 1 && (video.ended || now > this.high)) { video.pause(); await this.show(this.low); if (this.playing) await this.start(0); }
    else this.at = now;
    if (!this.playing) return;
    this.tell();
    requestAnimationFrame(() => this.follow());
  }
  view(chosen) {
    this.one(".stage").dataset.mode = chosen.dataset.view;
    this.root.querySelectorAll("[data-view]").forEach(button => button.setAttribute("aria-pressed", String(button === chosen)));
    if (chosen.dataset.view === "side" && this.playing) this.go(this.at);
  }
  key(event) {
    if (event.target.matches("select, input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = { " ": () => this.toggle(), ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), w: () => this.go(this.data.offset) };
    if (event.key === " " && event.target.matches("button")) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action) { event.preventDefault(); action(); }
  }
}
