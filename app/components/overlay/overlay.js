/* A held-out episode with what one or several runs predicted over what was driven.
 *
 * data = what player.js gets (episode, frames, width, height, url, fps, start, dims, events, path, link), and
 *   runs: [{id, label, short, url}]    the first is the page's own run; see overlay_runs.js
 *   ask: see overlay_ask.js
 */

const ADDRESS_AFTER_MS = 250;
const STAGE_HEIGHT_PX = 420;
const OVERLAY_KEYS = [
  ["N, P", "next and previous of the worst moments"],
  ["F", "whole chunks as fans on or off"],
  ["B", "band of the typical error on or off"],
  ["S", "next step of the chunk as the line"],
];

const overlays = new WeakMap();

export default function (component) {
  let overlay = overlays.get(component.parentElement);
  if (!overlay) {
    overlay = new Overlay(component.parentElement);
    overlays.set(component.parentElement, overlay);
  }
  overlay.update(component.data);
  return () => {
    overlay.dispose();
    overlays.delete(component.parentElement);
  };
}

class Overlay {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.host = root.host ?? root;
    for (const name of ["view", "over", "fault", "values", "legend", "where", "stage", "help", "worst"]) this[name] = find(`.${name}`);
    this.box = find(".overlay");
    this.playButton = find(".play");
    this.stepChoice = find(".step select");
    this.speed = find(".rate select");
    this.caption = find(".floor figcaption");
    this.toggles = Object.fromEntries(["loop", "arrow", "fans", "band"].map((name) => [name, find(`[data-act=${name}]`)]));
    this.chart = new TimeChart(find(".chart"));
    this.now = element("canvas", "", "chart-now");
    this.chart.holder.append(this.now);
    this.strip = new PictureStrip(find(".strip"));
    this.paths = new OverlayPaths(find(".path"));
    this.playback = new Playback(this);
    Object.assign(this, { runs: [], fetched: new Map(), index: 0, direction: 1, step: 1, moment: -1 });
    Object.assign(this, { loop: false, arrow: true, fans: false, band: true });
    this.swap = new InstructionSwap(this, find);
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
    this.worst.onclick = (event) => {
      const place = event.target.closest("button")?.dataset.place;
      if (place) this.toMoment(Number(place));
    };
    this.speed.onchange = () => this.playback.rebase();
    this.stepChoice.onchange = () => this.chooseStep(Number(this.stepChoice.value));
    this.box.onkeydown = (event) => this.key(event);
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
    if (event.target.matches?.("select, input") && event.key !== "Escape") return;
    const act = this.data && (actOf(event, false) ?? this.ownAct(event));
    if (!act || (event.key === " " && event.target.closest?.("button"))) return;
    if (act[0] === "escape" && this.help.hidden) return;
    event.preventDefault();
    event.stopPropagation();
    this.act(...act);
  }

  /** Keys that only the overlay has; by the place of the key, like all letters. */
  ownAct(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
    const byCode = { KeyN: ["moment", 1], KeyP: ["moment", -1], KeyF: ["fans"], KeyB: ["band"], KeyS: ["nextStep"] };
    return byCode[event.code] ?? null;
  }

  act(name, value) {
    const acts = {
      step: () => this.seek(this.index + value),
      first: () => this.seek(0),
      last: () => this.seek(this.data.frames - 1),
      play: () => this.play(!this.playback.playing),
      slower: () => this.changeSpeed(-1),
      faster: () => this.changeSpeed(1),
      moment: () => this.toMoment(this.moment < 0 && value < 0 ? -1 : this.moment + value),
      nextStep: () => this.chooseStep((this.step % this.stepChoice.options.length) + 1),
      help: () => this.showHelp(this.help.hidden),
      escape: () => this.showHelp(false),
    };
    if (acts[name]) acts[name]();
    else this.toggle(name);
  }

  toggle(name) {
    this[name] = !this[name];
    this.toggles[name].setAttribute("aria-pressed", String(this[name]));
    if (name === "fans" || name === "band") this.layout();
    else this.drawOver();
  }

  chooseStep(step) {
    this.step = step;
    this.stepChoice.value = String(step);
    this.layout();
  }

  changeSpeed(by) {
    this.speed.selectedIndex = Math.max(0, Math.min(this.speed.options.length - 1, this.speed.selectedIndex + by));
    this.playback.rebase();
  }

  showHelp(on) {
    this.help.hidden = !on;
    (on ? this.help : this.box).focus({ preventScroll: true });
  }

  toMoment(place) {
    const moments = this.runs[0]?.worst ?? [];
    if (!moments.length) return;
    this.moment = (place + moments.length) % moments.length;
    this.seek(moments[this.moment].frame);
    [...this.worst.querySelectorAll("button")].forEach((button, k) => button.setAttribute("aria-pressed", String(k === this.moment)));
  }

  update(data) {
    const before = this.data;
    const anotherEpisode = before?.episode !== data.episode;
    Object.assign(this, { data, theme: themeOf(this.host), reach: reaches(data.dims) });
    if (anotherEpisode || before.url !== data.url) {
      this.play(false);
      clearTimeout(this.remembering);
      if (anotherEpisode) this.index = Math.max(0, Math.min(data.frames - 1, data.start));
      this.moment = -1;
      this.stage.style.setProperty("--stage-ratio", `${data.width} / ${data.height}`);
      this.box.style.setProperty("--stage-width", `${Math.round((STAGE_HEIGHT_PX * data.width) / data.height)}px`);
      this.chart.canvas.setAttribute("aria-valuemax", data.frames);
      this.store?.dispose();
      this.store = null;
    }
    fillKeys(this.help.querySelector("table"), [...PLAYBACK_KEYS, ...OVERLAY_KEYS]);
    this.takeRuns();
    this.swap.update(data.ask);
    this.layout();
  }

  /** Fetch what is not there yet; what is stays, so that adding a run does not blink. */
  takeRuns() {
    const needed = this.data.runs.map(({ url }) => url).join(" ");
    if (needed === this.needed) {
      this.runs.forEach((run, k) => (run.color = this.theme.palette[k % this.theme.palette.length]));
      return;
    }
    this.needed = needed;
    this.runs = this.data.runs.map((given, k) => {
      const color = this.theme.palette[k % this.theme.palette.length];
      const run = this.fetched.get(given.url) ?? new EvaluatedRun(given, color);
      Object.assign(run, given, { color });
      if (!this.fetched.has(given.url)) {
        this.fetched.set(given.url, run);
        run.load().then(() => this.needed === needed && this.arrived());
      }
      return run;
    });
    this.tellRuns();
  }

  /** A run's predictions are there, or it is known why not. */
  arrived() {
    this.tellRuns();
    this.layout();
  }

  /** What follows from the runs outside of the canvases: steps to choose from, and the worst moments. */
  tellRuns() {
    const steps = Math.max(1, ...this.readyRuns.map((run) => run.predicted[0]?.length ?? 1));
    if (this.stepChoice.options.length !== steps) {
      this.step = Math.min(this.step, steps);
      const options = Array.from({ length: steps }, (_, k) => new Option(`step ${k + 1}`, String(k + 1)));
      this.stepChoice.replaceChildren(...options);
      this.stepChoice.value = String(this.step);
    }
    const [first] = this.runs;
    this.worst.replaceChildren(element("span", "Worst moments", "title"));
    for (const [place, { frame, error }] of (first?.worst ?? []).entries()) {
      const button = element("button", `frame ${frame + 1} \u00b7 ${error.toFixed(2)}`);
      button.type = "button";
      button.dataset.place = place;
      button.title = `RMSE of the chunk from here: ${error.toFixed(3)} ${first.errorUnit}`;
      button.setAttribute("aria-pressed", "false");
      this.worst.append(button);
    }
    this.worst.hidden = !first?.worst?.length;
    this.box.dataset.runs = this.readyRuns.length;
  }

  get readyRuns() {
    return this.runs.filter((run) => run.ready);
  }

  layout() {
    if (!this.data || !this.box.clientWidth) return;
    const width = requestWidth(this.stage.clientWidth, this.data.width);
    if (!this.store || this.store.requestWidth < width) {
      this.store?.dispose();
      this.store = new FrameStore(this.data, width, (k, entry) => k === this.index && this.paint(entry));
      this.store.focus(this.index, this.direction);
    }
    const chartWidth = this.chart.canvas.clientWidth;
    this.chart.build({
      panels: overlayPanels(this, this.readyRuns),
      theme: this.theme,
      axis: frameAxis(this.data.frames, chartWidth - 60),
      marks: this.data.events.map(([frame, kind]) => ({ at: frame / Math.max(1, this.data.frames - 1), kind })),
      panelHeight: chartWidth < 480 ? 110 : 136,
    });
    this.now.style.height = `${this.chart.height}px`;
    this.strip.build(this.data, this.theme, null);
    buildOverlayLegend(this, this.runs);
    buildOverlayValues(this, this.runs);
    tellEnds(this.caption, this, this.runs);
    this.showPosition();
    this.drawOver();
    this.swap.draw();
  }

  // What `Playback` asks for.
  get position() {
    return this.index;
  }

  rate() {
    return this.data.fps * Number(this.speed.value);
  }

  bounds() {
    return [0, this.data.frames - 1];
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
    const moved = bounded !== this.index;
    if (moved) this.direction = bounded > this.index ? 1 : -1;
    this.index = bounded;
    const entry = this.store.get(bounded);
    if (entry) {
      this.paint(entry);
      cancelAnimationFrame(this.prefetching);
      this.prefetching = requestAnimationFrame(() => this.store?.focus(this.index, this.direction));
    } else this.store.focus(bounded, this.direction);
    this.showPosition();
    this.drawOver();
    if (moved) this.swap.moved();
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
    this.swap.draw();
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
    if (this.index >= this.data.frames - 1) this.show(0);
    this.direction = 1;
    this.playback.play();
  }

  showPosition() {
    const { data, index, chart } = this;
    const runs = this.readyRuns;
    const points = data.dims.flatMap((dim, k) => [
      { panel: chart.panels[k], color: this.theme.text, value: dim.values[index] },
      ...runs.map((run) => ({ panel: chart.panels[k], color: run.color, value: run.at(index, this.step, run.axis(dim)) })),
    ]);
    chart.draw(data.frames > 1 ? index / (data.frames - 1) : 0.5, points);
    drawChunksNow(this.now, chart, this, runs);
    this.strip.draw(index);
    const [ways, pose] = overlayWays(this, this.runs);
    this.paths.draw(ways, pose, data.path.unit, this.theme);
    showOverlayValues(this, this.runs);
    const seconds = data.fpsKnown ? ` \u00b7 ${(index / data.fps).toFixed(2)} s` : "";
    this.where.replaceChildren(element("span", "frame ", "word"), element("strong", String(index + 1)), ` of ${data.frames}`, element("span", seconds, "aside"));
    chart.canvas.setAttribute("aria-valuenow", index + 1);
    const spoken = data.dims.map((dim) => `${dim.name} ${format(dim.values[index])} ${dim.unit}`).join(", ");
    chart.canvas.setAttribute("aria-valuetext", `frame ${index + 1} of ${data.frames}: driven ${spoken}`);
  }

  drawOver() {
    const g = freshContext(this.over);
    if (!this.arrow || !this.data) return;
    const { dims } = this.data;
    const size = [this.over.clientWidth, this.over.clientHeight];
    drawMotion(g, ...size, dims, dims.map((dim) => dim.values[this.index]), this.reach, "#ffffff", false);
    for (const run of this.readyRuns) {
      const predicted = dims.map((dim) => run.at(this.index, this.step, run.axis(dim)));
      if (predicted.some((value) => value !== null)) drawMotion(g, ...size, dims, predicted, this.reach, run.color, true);
    }
  }

  dispose() {
    document.removeEventListener("keydown", this.pageKeys);
    this.playback.pause();
    clearTimeout(this.remembering);
    this.resized.disconnect();
    cancelAnimationFrame(this.prefetching);
    this.swap.dispose();
    this.strip.dispose();
    this.store?.dispose();
  }
}
