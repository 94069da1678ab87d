/* A held-out episode with what one or several runs predicted over what was driven.
 *
 * data = what player.js gets (episode, frames, width, height, url, fps, start, dims, events, path, link), and
 *   runs: [{id, label, short, url}]    the first is the page's own run; see overlay_runs.js
 *   ask: see overlay_ask.js
 */

const OVERLAY_KEYS = [
  ["N, P", "next and previous of the worst moments"],
  ["F", "whole chunks as fans on or off"],
  ["B", "band of the typical error on or off"],
  ["S", "next step of the chunk as the line"],
];

class Overlay extends FrameScrubber {
  constructor(root) {
    super(root, 420);
    this.worst = this.find(".worst");
    this.stepChoice = this.find(".step select");
    this.now = element("canvas", "", "chart-now");
    this.chart.holder.append(this.now);
    this.paths = new OverlayPaths(this.find(".path"));
    Object.assign(this, { runs: [], fetched: new Map(), step: 1, moment: -1, fans: false, band: true });
    this.passing = ["Escape"];
    Object.assign(this.acts, {
      moment: (by) => this.toMoment(this.moment < 0 && by < 0 ? -1 : this.moment + by),
      nextStep: () => this.chooseStep((this.step % this.stepChoice.options.length) + 1),
      fans: () => this.toggle("fans"),
      band: () => this.toggle("band"),
    });
    this.swap = new InstructionSwap(this);
    this.stepChoice.onchange = () => this.chooseStep(Number(this.stepChoice.value));
    this.worst.onclick = (event) => {
      const place = event.target.closest("button")?.dataset.place;
      if (place) this.toMoment(Number(place));
    };
  }

  ownActOf({ code }) {
    const byCode = { KeyN: ["moment", 1], KeyP: ["moment", -1], KeyF: ["fans"], KeyB: ["band"], KeyS: ["nextStep"] };
    return byCode[code] ?? null;
  }

  get knownKeys() {
    return [...PLAYBACK_KEYS, ...OVERLAY_KEYS];
  }

  toggle(name) {
    super.toggle(name);
    if (name === "fans" || name === "band") this.layout();
  }

  chooseStep(step) {
    this.step = step;
    this.stepChoice.value = String(step);
    this.layout();
  }

  toMoment(place) {
    const moments = this.runs[0]?.worst ?? [];
    if (!moments.length) return;
    this.moment = (place + moments.length) % moments.length;
    this.seek(moments[this.moment].frame);
    [...this.worst.querySelectorAll("button")].forEach((button, k) => button.setAttribute("aria-pressed", String(k === this.moment)));
  }

  update({ data }) {
    if (this.take(data)) this.moment = -1;
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

  build() {
    this.buildChart(overlayPanels(this, this.readyRuns), [110, 136], null);
    this.now.style.height = `${this.chart.height}px`;
    buildOverlayLegend(this, this.runs);
    buildOverlayValues(this, this.runs);
    tellEnds(this.caption, this, this.runs);
    this.swap.draw();
  }

  show(index) {
    const before = this.index;
    super.show(index);
    if (this.index !== before) this.swap.moved();
  }

  paint(entry) {
    super.paint(entry);
    this.swap.draw();
  }

  showPosition() {
    super.showPosition();
    drawChunksNow(this.now, this.chart, this, this.readyRuns);
    const [ways, pose] = overlayWays(this, this.runs);
    this.paths.draw(ways, pose, this.data.path.unit, this.theme);
    showOverlayValues(this, this.runs);
  }

  cursorPoints() {
    const { data, chart, theme, index, step, readyRuns } = this;
    return data.dims.flatMap((dim, k) => [
      { panel: chart.panels[k], color: theme.text, value: dim.values[index] },
      ...readyRuns.map((run) => ({ panel: chart.panels[k], color: run.color, value: run.at(index, step, run.axis(dim)) })),
    ]);
  }

  spoken() {
    return `driven ${super.spoken()}`;
  }

  motions() {
    const { dims } = this.data;
    const predicted = this.readyRuns.map((run) => ({ values: dims.map((dim) => run.at(this.index, this.step, run.axis(dim))), color: run.color, dashed: true }));
    return [...super.motions(), ...predicted.filter(({ values }) => values.some((value) => value !== null))];
  }

  dispose() {
    super.dispose();
    this.swap.dispose();
  }
}

export default mounted(Overlay);
