/* Up to four episodes on one scrubber.
 *
 * data = {
 *   episodes: [{name, instruction, episode, frames, width, height, url, fps, dims, events}]   as in player.js
 *   align: "frame" | "share"    the same frame of each, or the same share of each one's length
 *   start: int                  step to show first
 *   link: {name: value}         parameters of the page's address; step and alignment are kept there beside them
 * }
 * A step is a frame of the longest episode. One that has ended shows its last frame, veiled.
 */

const ADDRESS_AFTER_MS = 250;

const comparisons = new WeakMap();

export default function (component) {
  let comparison = comparisons.get(component.parentElement);
  if (!comparison) {
    comparison = new Comparison(component.parentElement);
    comparisons.set(component.parentElement, comparison);
  }
  comparison.update(component.data);
  return () => {
    comparison.dispose();
    comparisons.delete(component.parentElement);
  };
}

class Comparison {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.host = root.host ?? root;
    this.box = find(".compare");
    this.grid = find(".panes");
    this.legend = find(".legend");
    this.where = find(".where");
    this.help = find(".help");
    this.playButton = find(".play");
    this.speed = find(".speed select");
    this.radios = [...root.querySelectorAll(".align input")];
    this.chart = new TimeChart(find(".chart"));
    this.playback = new Playback(this);
    this.panes = [];
    this.position = 0;
    this.loop = false;
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
    fillKeys(this.help.querySelector("table"), PLAYBACK_KEYS.filter(([keys]) => keys !== "A"));
    this.speed.onchange = () => this.playback.rebase();
    for (const radio of this.radios) radio.onchange = () => this.realign(radio.value);
    this.box.onkeydown = (event) => this.key(event);
    this.pageKeys = (event) => document.activeElement === document.body && this.box.offsetParent && this.key(event);
    document.addEventListener("keydown", this.pageKeys);
    const { canvas } = this.chart;
    const seek = (event) => this.seek(Math.round(this.chart.shareAt(event.clientX) * (this.steps - 1)));
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.dragging = true;
      seek(event);
    };
    canvas.onpointermove = (event) => this.dragging && seek(event);
    canvas.onpointerup = canvas.onpointercancel = () => (this.dragging = false);
  }

  key(event) {
    if (event.target.matches?.("select, input")) return;
    const act = this.data && actOf(event, false);
    if (!act || (event.key === " " && event.target.closest?.("button"))) return;
    if (act[0] === "escape" && this.help.hidden) return;
    event.preventDefault();
    event.stopPropagation();
    this.act(...act);
  }

  act(name, value) {
    if (name === "step") this.seek(this.position + value);
    else if (name === "first") this.seek(0);
    else if (name === "last") this.seek(this.steps - 1);
    else if (name === "play") this.play(!this.playback.playing);
    else if (name === "loop") this.loop = !this.loop;
    else if (name === "help") this.showHelp(this.help.hidden);
    else if (name === "escape") this.showHelp(false);
    else if (name === "slower" || name === "faster") {
      const chosen = this.speed.selectedIndex + (name === "faster" ? 1 : -1);
      this.speed.selectedIndex = Math.max(0, Math.min(this.speed.options.length - 1, chosen));
      this.playback.rebase();
    }
  }

  showHelp(on) {
    this.help.hidden = !on;
    (on ? this.help : this.box).focus({ preventScroll: true });
  }

  update(data) {
    const identity = data.episodes.map(({ episode, url }) => episode + url).join(" ");
    const another = identity !== this.identity;
    Object.assign(this, { data, identity, theme: themeOf(this.host) });
    this.steps = Math.max(...data.episodes.map(({ frames }) => frames));
    if (another) {
      this.play(false);
      this.align = data.align;
      this.position = Math.max(0, Math.min(this.steps - 1, data.start));
      for (const pane of this.panes) pane.store?.dispose();
      this.panes = data.episodes.map((episode, k) => new Pane(episode, this.color(k), this.theme, () => this.tellPainted()));
      this.grid.replaceChildren(...this.panes.map(({ box }) => box));
      this.grid.style.setProperty("--columns", this.panes.length);
      this.chart.canvas.setAttribute("aria-valuemax", this.steps);
    }
    for (const radio of this.radios) radio.checked = radio.value === this.align;
    this.legend.replaceChildren(...data.episodes.map(({ name }, k) => legendItem(name, lineSample(this.color(k), false))));
    this.layout();
  }

  color(k) {
    return this.theme.palette[k % this.theme.palette.length];
  }

  realign(align) {
    this.align = align;
    this.layout();
    this.rememberSoon();
  }

  layout() {
    if (!this.data || !this.box.clientWidth) return;
    for (const pane of this.panes) pane.layout();
    this.buildChart();
    this.show(this.position);
  }

  /** The frame of an episode at a step. */
  frameAt({ frames }, step) {
    if (this.align === "share") return Math.round((step / Math.max(1, this.steps - 1)) * (frames - 1));
    return Math.min(step, frames - 1);
  }

  /** Where a frame of an episode is on the axis, 0 to 1. */
  shareOf({ frames }, frame) {
    return frame / Math.max(1, (this.align === "share" ? frames : this.steps) - 1);
  }

  buildChart() {
    const names = [...new Set(this.data.episodes.flatMap(({ dims }) => dims.map(({ name }) => name)))];
    const width = this.chart.canvas.clientWidth;
    const panels = names.map((name) => {
      const series = this.data.episodes.flatMap((episode, k) => {
        const dim = episode.dims.find((candidate) => candidate.name === name);
        const at = (frame) => this.shareOf(episode, frame);
        return dim ? [{ values: dim.values, unit: dim.unit, at, episode, color: this.color(k), width: 1.8 + 1.6 * (this.panes.length - 1 - k) }] : [];
      });
      const unit = [...new Set(series.map((one) => one.unit))].join(" or ");
      return { label: `${name} [${unit}]`, series, ...spanOf(series.flatMap(({ values }) => values)) };
    });
    const percent = [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, text: `${at * 100} %` }));
    this.chart.build({
      panels,
      theme: this.theme,
      axis: this.align === "share" ? percent : frameAxis(this.steps, width - 60),
      panelHeight: width < 480 ? 84 : 104,
    });
  }

  // What `Playback` asks for.
  rate() {
    return Math.max(...this.data.episodes.map(({ fps }) => fps)) * Number(this.speed.value);
  }

  bounds() {
    return [0, this.steps - 1];
  }

  ready(step) {
    return this.panes.every((pane) => pane.store.get(this.frameAt(pane.data, step)));
  }

  stopped() {
    this.play(false);
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
    if (this.position >= this.steps - 1) this.show(0);
    this.playback.play();
  }

  seek(step) {
    this.play(false);
    this.show(step);
    this.rememberSoon();
  }

  show(step) {
    const bounded = Math.max(0, Math.min(this.steps - 1, step));
    const direction = bounded >= this.position ? 1 : -1;
    this.position = bounded;
    for (const pane of this.panes) {
      const ended = this.align === "frame" && bounded >= pane.data.frames;
      pane.show(this.frameAt(pane.data, bounded), direction, ended);
    }
    const points = this.chart.panels.flatMap((panel) =>
      panel.series.map(({ values, episode, color }) => {
        const frame = this.frameAt(episode, bounded);
        return { panel, color, value: values[frame], at: this.shareOf(episode, frame) };
      }),
    );
    this.chart.draw(bounded / Math.max(1, this.steps - 1), points);
    const share = `${Math.round((100 * bounded) / Math.max(1, this.steps - 1))} %`;
    this.where.textContent = this.align === "share" ? share : `frame ${bounded + 1} of ${this.steps}`;
    this.chart.canvas.setAttribute("aria-valuenow", bounded + 1);
    this.chart.canvas.setAttribute("aria-valuetext", this.where.textContent);
  }

  tellPainted() {
    this.box.dataset.frames = this.panes.map(({ box }) => box.dataset.frame ?? "-").join(" ");
  }

  rememberSoon() {
    clearTimeout(this.remembering);
    this.remembering = setTimeout(() => {
      const address = new URL(window.location.href);
      const kept = { ...this.data.link, frame: this.position, align: this.align };
      for (const [name, value] of Object.entries(kept)) address.searchParams.set(name, value);
      window.history.replaceState(window.history.state, "", address);
    }, ADDRESS_AFTER_MS);
  }

  dispose() {
    document.removeEventListener("keydown", this.pageKeys);
    this.playback.pause();
    clearTimeout(this.remembering);
    this.resized.disconnect();
    for (const pane of this.panes) pane.store?.dispose();
  }
}
