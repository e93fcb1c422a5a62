"use strict";
/* Two clips, one clock: the baseline leads, the new clip follows. Positions are frames, not seconds. */
class Player {
  constructor(reference) {
    this.root = reference.querySelector(".player");
    this.data = JSON.parse(this.root.dataset.player);
    this.videos = ["baseline", "new"].map(name => this.root.querySelector("video." + name));
    this.scrub = this.root.querySelector(".scrub");
    this.reference = reference;
    this.loads = 0;
    this.wire();
  }
  one(selector) { return this.root.querySelector(selector); }
  get leader() { return this.live[0]; }
  get frame() { return this.leader ? Math.min(this.segment.frames - 1, Math.floor(this.leader.currentTime * this.segment.fps + 1e-3)) : Number(this.scrub.value); }
  get playing() { return Boolean(this.leader) && !this.leader.paused; }
  wire() {
    this.one(".play").addEventListener("click", () => this.toggle());
    this.one(".step-back").addEventListener("click", () => this.step(-1));
    this.one(".step-on").addEventListener("click", () => this.step(1));
    this.one(".jump").addEventListener("click", () => this.toWorst());
    this.one(".speed").addEventListener("change", event => this.videos.forEach(video => { video.playbackRate = Number(event.target.value); }));
    this.one(".wipe-at").addEventListener("input", event => this.one(".stage").style.setProperty("--wipe", event.target.value + "%"));
    this.scrub.addEventListener("input", () => { const wanted = Number(this.scrub.value); this.pause(); this.seek(wanted); });
    this.root.querySelectorAll("[data-view]").forEach(button => button.addEventListener("click", () => this.view(button)));
    this.root.addEventListener("keydown", event => this.key(event));
    this.videos.forEach(video => video.addEventListener("seeked", () => this.show()));
    this.videos[0].addEventListener("ended", () => this.again());
    this.videos[1].addEventListener("ended", () => { if (this.leader === this.videos[1]) this.again(); });
    this.reference.querySelectorAll("[data-segment]").forEach(button => button.addEventListener("click", () => this.load(Number(button.dataset.segment))));
    this.reference.querySelectorAll("[data-goto]").forEach(button => button.addEventListener("click", () => {
      this.pause(); this.seek(Number(button.dataset.goto)); this.region = JSON.parse(button.dataset.region); this.regionFrame = Number(button.dataset.goto); this.show();
      this.root.scrollIntoView({ block: "nearest" });
    }));
  }
  async load(position) {
    const load = ++this.loads;
    this.segment = this.data.segments.find(segment => segment.position === position);
    this.live = [];
    this.root.dataset.ready = "no";
    this.reference.querySelectorAll("[data-segment]").forEach(button => button.setAttribute("aria-pressed", String(Number(button.dataset.segment) === position)));
    this.reference.querySelectorAll("[data-metrics]").forEach(table => { table.hidden = Number(table.dataset.metrics) !== position; });
    const worst = this.segment.worst;
    this.region = worst ? worst.region : null;
    this.regionFrame = worst ? worst.frame : null;
    this.scrub.max = String(Math.max(0, this.segment.frames - 1));
    this.one(".frame-last").textContent = String(Math.max(0, this.segment.frames - 1));
    this.marks();
    await Promise.all(this.videos.map((video, index) => this.source(video, index ? this.segment.new_clip : this.segment.baseline_clip, index)));
    if (load !== this.loads) return;
    this.live = this.videos.filter(video => !video.hidden);
    await this.seek(worst ? worst.frame : 0);
    this.root.dataset.ready = "yes";
  }
  async source(video, sha256, index) {
    const missing = video.parentElement.querySelector(".missing");
    video.pause();
    const fail = text => { video.hidden = true; missing.hidden = false; missing.textContent = text; };
    if (!sha256) return fail(index ? this.segment.failure || "There is no new clip." : "There is no baseline clip.");
    try {
      const link = await ask("GET", "/api/media/" + sha256 + "/link");
      video.hidden = false; missing.hidden = true;
      await new Promise((done, failed) => {
        video.onloadeddata = done;
        video.onerror = () => failed(new Error("The clip could not be played."));
        video.src = link.url;
        video.playbackRate = Number(this.one(".speed").value);
      });
      video.playbackRate = Number(this.one(".speed").value);
    } catch (error) { fail(error.message); }
  }
  marks() {
    const place = this.one(".marks"), worst = this.segment.worst, last = Math.max(1, this.segment.frames - 1);
    place.replaceChildren();
    for (const mark of this.segment.marks) {
      const button = document.createElement("button");
      const main = Boolean(worst) && mark.frame === worst.frame;
      button.type = "button";
      button.className = main ? "mark worst" + (worst.degraded ? "" : " minor") : "mark minor";
      button.dataset.frame = String(mark.frame);
      button.textContent = "▼";
      button.title = mark.text;
      button.setAttribute("aria-label", mark.text);
      button.style.left = (100 * mark.frame / last) + "%";
      button.addEventListener("click", () => { this.pause(); this.seek(mark.frame); });
      place.append(button);
    }
    const jump = this.one(".jump");
    jump.hidden = !worst;
    jump.classList.toggle("calm", Boolean(worst) && !worst.degraded);
    if (worst) jump.textContent = (worst.degraded ? "Worst: " : "Largest change: ") + worst.label + ", frame " + worst.frame;
  }
  async seek(frame) {
    const wanted = Math.max(0, Math.min(this.segment.frames - 1, frame));
    const time = (wanted + 0.5) / this.segment.fps;
    await Promise.all(this.live.map(video => new Promise(done => {
      video.addEventListener("seeked", done, { once: true });
      video.currentTime = time;
    })));
    this.show();
  }
  show() {
    if (!this.segment) return;
    const frame = this.frame;
    this.scrub.value = String(frame);
    this.one(".frame-now").textContent = String(frame);
    this.one(".play").textContent = this.playing ? "Pause" : "Play";
    const boxed = Boolean(this.region) && frame === this.regionFrame && !this.playing;
    this.root.querySelectorAll(".box").forEach(box => {
      const video = box.parentElement.querySelector("video");
      box.hidden = !boxed || video.hidden;
      if (box.hidden) return;
      /* The picture may be narrower than its element: find where it really is. */
      const scale = Math.min(video.clientWidth / this.segment.width, video.clientHeight / this.segment.height);
      const left = (video.clientWidth - this.segment.width * scale) / 2, top = (video.clientHeight - this.segment.height * scale) / 2;
      const [x, y, width, height] = this.region;
      Object.assign(box.style, { left: left + x * scale + "px", top: top + y * scale + "px", width: width * scale + "px", height: height * scale + "px" });
    });
  }
  async play() {
    if (!this.leader) return;
    if (this.frame >= this.segment.frames - 1) await this.seek(0);
    const time = this.leader.currentTime;
    this.live.forEach(video => { video.currentTime = time; });
    await Promise.all(this.live.map(video => video.play()));
    this.follow();
  }
  pause() {
    this.live.forEach(video => video.pause());
    const [first, second] = this.live;
    if (second && Math.abs(first.currentTime - second.currentTime) > 1e-4) second.currentTime = first.currentTime;
    this.show();
  }
  toggle() { if (this.playing) { this.pause(); this.seek(this.frame); } else this.play(); }
  async again() { if (!this.live.length) return; await this.seek(0); this.play(); }
  follow() {
    if (!this.playing) return this.show();
    const [first, second] = this.live;
    if (second && !second.seeking && Math.abs(first.currentTime - second.currentTime) > 0.75 / this.segment.fps) second.currentTime = first.currentTime;
    this.show();
    requestAnimationFrame(() => this.follow());
  }
  step(by) { this.pause(); this.seek(this.frame + by); }
  toWorst() { const worst = this.segment.worst; if (!worst) return; this.region = worst.region; this.regionFrame = worst.frame; this.pause(); this.seek(worst.frame); }
  view(chosen) {
    this.one(".stage").dataset.mode = chosen.dataset.view;
    this.root.querySelectorAll("[data-view]").forEach(button => button.setAttribute("aria-pressed", String(button === chosen)));
    this.show();
  }
  key(event) {
    if (event.target.matches("select, input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = { " ": () => this.toggle(), ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), w: () => this.toWorst() };
    if (event.key === " " && event.target.matches("button")) return;
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (action) { event.preventDefault(); action(); }
  }
}
