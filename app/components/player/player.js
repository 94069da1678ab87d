/* Episode player: frames from the JPEG route with prefetch, velocities of every dimension under them.
 *
 * data = {
 *   episode: string              identity: another one resets the player
 *   frames: int                  number of frames
 *   width, height: int           of a stored frame, pixels
 *   url: string                  of a frame, with {index} and {width} (pixels) to be filled in
 *   fps: number, fpsKnown: bool  frames a second of the recording, and whether the recording says so
 *   start: int                   frame to show first
 *   dims: [{name, unit, positive, values: [number], predicted: [number|null] | null}]
 *   predictedLabel: string
 *   events: [[frame, "start" | "stop" | "flag"]]
 *   path: see floor_path.js
 *   curation: see curation.js, or null where nothing may be changed
 *   link: {name: value} | null   parameters of the page's address; the frame is kept there beside them, so that a copied
 *                                address opens the same frame. The entry is replaced, or each step would need a "back".
 * }
 */

const ADDRESS_AFTER_MS = 250;
const STAGE_HEIGHT_PX = 460;

const players = new WeakMap();

export default function (component) {
  let player = players.get(component.parentElement);
  if (!player) {
    player = new Player(component.parentElement);
    players.set(component.parentElement, player);
  }
  player.update(component);
  return () => {
    player.dispose();
    players.delete(component.parentElement);
  };
}

class Player {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.host = root.host ?? root;
    for (const name of ["player", "view", "over", "fault", "excluded", "values", "legend", "where", "stage", "play", "help"]) {
      this[name === "player" ? "box" : name === "play" ? "playButton" : name] = find(`.${name}`);
    }
    this.speed = find(".speed select");
    this.caption = find(".floor figcaption");
    this.toggles = { loop: find("[data-act=loop]"), arrow: find("[data-act=arrow]") };
    this.chart = new TimeChart(find(".chart"));
    this.strip = new PictureStrip(find(".strip"));
    this.path = new FloorPath(find(".path"));
    this.curation = new Curation(this, find);
    this.playback = new Playback(this);
    this.index = 0;
    this.direction = 1;
    this.loop = false;
    this.arrow = true;
    this.listen(find(".controls"));
    this.resized = new ResizeObserver(() => this.layout());
    this.resized.observe(this.box);
  }

  listen(controls) {
    const buttons = { back: ["step", -1], next: ["step", 1] };
    controls.onclick = (event) => {
      const name = event.target.closest("button")?.dataset.act;
      if (name) this.act(...(buttons[name] ?? [name]));
    };
    this.help.onclick = (event) => (event.target === this.help || event.target.closest("button")) && this.act("help");
    this.speed.onchange = () => this.playback.rebase();
    this.box.onkeydown = (event) => this.key(event);
    // The keys also work on a page where nothing else has the focus.
    this.pageKeys = (event) => document.activeElement === document.body && this.box.offsetParent && this.key(event);
    document.addEventListener("keydown", this.pageKeys);
    for (const part of [this.chart, this.strip]) {
      const { canvas } = part;
      const seek = (event) => this.seek(Math.round(part.shareAt(event.clientX) * (this.data.frames - 1)));
      canvas.onpointerdown = (event) => {
        canvas.setPointerCapture(event.pointerId);
        this.dragging = true;
        seek(event);
      };
      canvas.onpointermove = (event) => this.dragging && seek(event);
      canvas.onpointerup = canvas.onpointercancel = () => (this.dragging = false);
    }
  }

  key(event) {
    if (event.target === this.speed && !event.key.match(/^[?]$/)) return;
    const act = this.data && actOf(event, Boolean(this.data.curation));
    if (!act || (event.key === " " && event.target.closest?.("button"))) return;
    if (act[0] === "escape" && this.help.hidden) return;
    event.preventDefault();
    event.stopPropagation();
    this.act(...act);
  }

  act(name, value) {
    const acts = {
      step: () => this.seek(this.index + value),
      first: () => this.seek(0),
      last: () => this.seek(this.data.frames - 1),
      play: () => this.play(!this.playback.playing),
      loop: () => this.toggle("loop"),
      arrow: () => this.toggle("arrow"),
      slower: () => this.changeSpeed(-1),
      faster: () => this.changeSpeed(1),
      help: () => this.showHelp(this.help.hidden),
      escape: () => this.showHelp(false),
    };
    if (acts[name]) acts[name]();
    else this.curation.act(name, value);
  }

  toggle(name) {
    this[name] = !this[name];
    this.toggles[name].setAttribute("aria-pressed", String(this[name]));
    this.drawOver();
  }

  changeSpeed(by) {
    const chosen = this.speed.selectedIndex + by;
    this.speed.selectedIndex = Math.max(0, Math.min(this.speed.options.length - 1, chosen));
    this.playback.rebase();
  }

  showHelp(on) {
    this.help.hidden = !on;
    (on ? this.help : this.box).focus({ preventScroll: true });
  }

  update(component) {
    const { data } = component;
    const before = this.data;
    const anotherEpisode = before?.episode !== data.episode;
    this.data = data;
    this.trigger = component.setTriggerValue;
    this.theme = themeOf(this.host);
    this.reach = reaches(data.dims);
    if (anotherEpisode || before.url !== data.url) {
      this.play(false);
      clearTimeout(this.remembering);
      if (anotherEpisode) this.index = Math.max(0, Math.min(data.frames - 1, data.start));
      this.stage.style.setProperty("--stage-ratio", `${data.width} / ${data.height}`);
      this.box.style.setProperty("--stage-width", `${Math.round((STAGE_HEIGHT_PX * data.width) / data.height)}px`);
      this.chart.canvas.setAttribute("aria-valuemax", data.frames);
      this.store?.dispose();
      this.store = null;
    }
    fillHelp(this.help.querySelector("table"), Boolean(data.curation));
    this.curation.update(this.excluded);
    buildLegend(this);
    buildValues(this);
    this.layout();
  }

  layout() {
    if (!this.data || !this.box.clientWidth) return;
    const width = requestWidth(this.stage.clientWidth, this.data.width);
    if (!this.store || this.store.requestWidth < width) {
      this.store?.dispose();
      this.store = new FrameStore(this.data, width, (k, entry) => k === this.index && this.paint(entry));
      this.store.focus(this.index, this.direction);
    }
    const kept = this.data.curation?.trim ?? null;
    buildChart(this, kept);
    this.strip.build(this.data, this.theme, kept);
    this.showPosition();
    this.drawOver();
  }

  // What `Playback` asks for.
  get position() {
    return this.index;
  }

  rate() {
    return this.data.fps * Number(this.speed.value);
  }

  /** Playing stays within what is kept of a trimmed episode. */
  bounds() {
    const [first, last] = this.data.curation?.trim ?? [0, this.data.frames - 1];
    return this.index > last ? [0, this.data.frames - 1] : [first, last];
  }

  ready(index) {
    return this.store.get(index);
  }

  stopped() {
    this.play(false);
  }

  seek(index) {
    this.play(false);
    this.show(index);
    this.rememberSoon();
  }

  rememberSoon() {
    clearTimeout(this.remembering);
    if (!this.data.link) return;
    this.remembering = setTimeout(() => {
      const address = new URL(window.location.href);
      for (const [name, value] of Object.entries({ ...this.data.link, frame: this.index })) address.searchParams.set(name, value);
      window.history.replaceState(window.history.state, "", address);
    }, ADDRESS_AFTER_MS);
  }

  show(index) {
    const bounded = Math.max(0, Math.min(this.data.frames - 1, index));
    if (bounded !== this.index) this.direction = bounded > this.index ? 1 : -1;
    this.index = bounded;
    const entry = this.store.get(bounded);
    if (entry) {
      this.paint(entry);
      this.prefetchSoon();
    } else this.store.focus(bounded, this.direction);
    this.showPosition();
    this.drawOver();
  }

  /** Look ahead when the picture is on the screen: fetching and decoding others would compete with it for the processor. */
  prefetchSoon() {
    cancelAnimationFrame(this.prefetching);
    this.prefetching = requestAnimationFrame(() => this.store?.focus(this.index, this.direction));
  }

  paint(entry) {
    this.fault.hidden = !entry.error;
    if (entry.error) this.fault.textContent = entry.error;
    else {
      const { bitmap } = entry;
      if (this.view.width !== bitmap.width || this.view.height !== bitmap.height) {
        this.view.width = bitmap.width;
        this.view.height = bitmap.height;
      }
      this.view.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
    }
    this.box.dataset.frame = this.index;
    this.box.dispatchEvent(new CustomEvent("painted", { detail: this.index, bubbles: true, composed: true }));
  }

  play(on) {
    if (on === this.playback.playing) return;
    this.playButton.setAttribute("aria-pressed", String(on));
    this.playButton.setAttribute("aria-label", on ? "Pause" : "Play");
    if (!on) {
      this.playback.pause();
      this.rememberSoon();
      return;
    }
    const [first, last] = this.bounds();
    if (this.index >= last) this.show(first);
    this.direction = 1;
    this.playback.play();
  }

  showPosition() {
    const { data, index } = this;
    const share = data.frames > 1 ? index / (data.frames - 1) : 0.5;
    this.chart.draw(share, this.cursorPoints(index));
    this.strip.draw(index);
    this.path.draw(data.path, index, this.theme);
    showPositionText(this);
  }

  cursorPoints(index) {
    return this.chart.panels.flatMap((panel) =>
      panel.series.filter((series) => !series.dashed).map(({ values, color }) => ({ panel, color, value: values[index] })),
    );
  }

  drawOver() {
    const g = freshContext(this.over);
    if (!this.arrow || !this.data) return;
    const { dims } = this.data;
    const size = [this.over.clientWidth, this.over.clientHeight];
    const at = (series) => dims.map((dim) => dim[series]?.[this.index] ?? null);
    drawMotion(g, ...size, dims, at("values"), this.reach, "#ffffff", false);
    const predicted = at("predicted");
    if (predicted.some((value) => value !== null)) drawMotion(g, ...size, dims, predicted, this.reach, "#ffb02e", true);
  }

  dispose() {
    document.removeEventListener("keydown", this.pageKeys);
    this.playback.pause();
    clearTimeout(this.remembering);
    this.resized.disconnect();
    cancelAnimationFrame(this.prefetching);
    this.curation.dispose();
    this.strip.dispose();
    this.store?.dispose();
  }
}
