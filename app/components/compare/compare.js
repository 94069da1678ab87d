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

class Comparison extends Scrubber {
  constructor(root) {
    super(root);
    this.grid = this.find(".panes");
    this.radios = [...this.box.querySelectorAll(".align input")];
    for (const radio of this.radios) radio.onchange = () => this.realign(radio.value);
    this.panes = [];
  }

  get knownKeys() {
    return PLAYBACK_KEYS.filter(([keys]) => keys !== "A");
  }

  get last() {
    return this.steps - 1;
  }

  update({ data }) {
    const identity = data.episodes.map(({ episode, url }) => episode + url).join(" ");
    const another = identity !== this.identity;
    Object.assign(this, { data, identity, theme: themeOf(this.host) });
    this.steps = Math.max(...data.episodes.map(({ frames }) => frames));
    if (another) {
      this.play(false);
      this.align = data.align;
      this.position = this.bounded(data.start);
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
    if (this.align === "share") return Math.round((step / Math.max(1, this.last)) * (frames - 1));
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

  rate() {
    return Math.max(...this.data.episodes.map(({ fps }) => fps)) * Number(this.speed.value);
  }

  ready(step) {
    return this.panes.every((pane) => pane.store.get(this.frameAt(pane.data, step)));
  }

  show(step) {
    this.moveTo(step);
    const here = this.position;
    for (const pane of this.panes) {
      const ended = this.align === "frame" && here >= pane.data.frames;
      pane.show(this.frameAt(pane.data, here), this.direction, ended);
    }
    const points = this.chart.panels.flatMap((panel) =>
      panel.series.map(({ values, episode, color }) => {
        const frame = this.frameAt(episode, here);
        return { panel, color, value: values[frame], at: this.shareOf(episode, frame) };
      }),
    );
    this.chart.draw(here / Math.max(1, this.last), points);
    const share = `${Math.round((100 * here) / Math.max(1, this.last))} %`;
    this.where.textContent = this.align === "share" ? share : `frame ${here + 1} of ${this.steps}`;
    this.chart.canvas.setAttribute("aria-valuenow", here + 1);
    this.chart.canvas.setAttribute("aria-valuetext", this.where.textContent);
  }

  tellPainted() {
    this.box.dataset.frames = this.panes.map(({ box }) => box.dataset.frame ?? "-").join(" ");
  }

  get remembered() {
    return { ...super.remembered, align: this.align };
  }

  dispose() {
    super.dispose();
    for (const pane of this.panes) pane.store?.dispose();
  }
}

export default mounted(Comparison);
