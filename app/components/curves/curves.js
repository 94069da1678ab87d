/* The curves of one training run.
 *
 * data = {
 *   run: string      identity: another one begins afresh
 *   url: string      address of the run; see feed.js
 *   live: bool       false where the run has ended: read to the end, then stop asking
 *   status: string   how it ended, "" where that is not known
 * }
 */

const mounted = new WeakMap();

export default function (component) {
  let chart = mounted.get(component.parentElement);
  if (!chart) {
    chart = new Curves(component.parentElement);
    mounted.set(component.parentElement, chart);
  }
  chart.update(component.data);
  return () => {
    chart.dispose();
    mounted.delete(component.parentElement);
  };
}

const AXIS_LABELS = { epoch: "epoch", step: "step", time: "seconds of training" };
const finite = (value) => value !== null && value !== undefined;
const difference = (row) => (finite(row.val_loss) && finite(row.train_loss) ? row.val_loss - row.train_loss : null);
const improvement = (key) => (row, before) => {
  if (!before) return undefined;
  return finite(before[key]) && finite(row[key]) && before[key] !== 0 ? (100 * (before[key] - row[key])) / before[key] : null;
};
const each = (key) => (row) => (key in row ? row[key] : undefined);

const LOSS_LINES = [
  { label: "train, each logged step", step: "train_loss", color: 0, faint: true },
  { label: "train, mean of the epoch", epoch: each("train_loss"), color: 0 },
  { label: "validation", epoch: each("val_loss"), color: 1 },
];
const VIEWS = {
  losses: [
    { title: "Train and validation loss", lines: LOSS_LINES, first: true, best: true },
    { title: "Gap: validation minus train loss", best: true, lines: [{ label: "gap", epoch: difference, color: 2 }] },
    {
      title: "Improvement from epoch to epoch",
      percent: true,
      lines: [
        { label: "train", epoch: improvement("train_loss"), color: 0, unit: "%" },
        { label: "validation", epoch: improvement("val_loss"), color: 1, unit: "%" },
      ],
    },
    { title: "Losses on a log scale", log: true, lines: LOSS_LINES, best: true },
  ],
  machine: [
    { title: "Validation RMSE, physical units", first: true, best: true, lines: [{ label: "validation RMSE", epoch: each("val_rmse"), color: 1 }] },
    { title: "Learning rate", lines: [{ label: "learning rate", step: "learning_rate", color: 2 }] },
    { title: "Gradient norm", lines: [{ label: "gradient norm", step: "grad_norm", color: 3, faint: true }] },
    { title: "Speed", lines: [{ label: "windows per second", step: "windows_per_second", color: 4, faint: true }] },
    {
      title: "Memory, GB",
      lines: [
        { label: "process", step: "memory_bytes", color: 5, scale: 1e-9, unit: "GB" },
        { label: "GPU, highest so far", step: "gpu_memory_bytes", color: 6, scale: 1e-9, unit: "GB" },
      ],
    },
  ],
};
const VIEW_LABELS = [
  ["losses", "Losses"],
  ["machine", "Optimiser and machine"],
];
const ENDED = {
  succeeded: "Finished",
  failed: "Failed",
  stopped: "Stopped",
  interrupted: "Interrupted",
  lost: "Lost",
  unfinished: "No ending recorded",
};
const DETAIL_DELAY_MS = 250;
const DIVERGED_FACTOR = 2;

class Curves {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.box = find(".curves");
    this.grid = find(".panels");
    this.readout = find(".readout");
    this.status = find(".status");
    this.warn = find(".warn");
    this.reset = find(".reset");
    this.views = find(".views");
    this.axes = find(".axes");
    this.axis = "epoch";
    this.viewId = "losses";
    this.feed = new Feed(() => this.refresh());
    this.view = new SharedView(root.host ?? root, (what) => this.viewChanged(what));
    buildChoice(this.views, VIEW_LABELS, "tab", (id) => this.chooseView(id));
    buildChoice(this.axes, Object.keys(AXIS_LABELS).map((id) => [id, id]), "", (id) => this.chooseAxis(id));
    this.reset.onclick = () => this.view.setZoom(null);
    const slider = find(".smooth input");
    slider.oninput = () => {
      this.view.smoothing = Number(slider.value);
      find(".smooth output").textContent = slider.value;
      this.view.draw();
    };
    this.resized = new ResizeObserver(() => this.view.draw());
    this.resized.observe(this.box);
  }

  chooseView(id) {
    this.viewId = id;
    this.buildPanels();
    this.refresh();
  }

  chooseAxis(id) {
    this.axis = id;
    // A stretch of one axis is none of another.
    this.view.zoom = this.view.cursor = null;
    this.feed.zoomOut();
    this.refresh();
    this.viewChanged("zoom");
  }

  buildPanels() {
    this.view.panels = [];
    this.panels = VIEWS[this.viewId].map((panel) => ({ ...panel, panel: new Panel(this.view, panel) }));
    this.grid.replaceChildren(...this.panels.map(({ panel }) => panel.box));
  }

  update(data) {
    const another = this.data?.run !== data.run;
    this.data = data;
    this.view.readTheme();
    if (another) {
      this.view.zoom = this.view.cursor = null;
      this.buildPanels();
      this.feed.begin(data.url, data.live);
    } else this.feed.goOn(data.live);
    this.refresh();
    this.viewChanged("zoom");
  }

  viewChanged(what) {
    const { zoom, cursor } = this.view;
    this.reset.hidden = !zoom;
    this.box.dataset.zoom = zoom ? zoom.map((value) => value.toFixed(3)).join(" ") : "";
    if (what === "cursor") {
      this.readout.textContent = cursor === null ? "" : `${AXIS_LABELS[this.axis]} ${short(cursor)}`;
      return;
    }
    clearTimeout(this.zooming);
    if (!zoom) {
      if (this.feed.detail) {
        this.feed.zoomOut();
        this.refresh();
      }
    } else this.zooming = setTimeout(() => this.feed.zoomIn(this.axis, ...zoom), DETAIL_DELAY_MS);
  }

  lineOf(line) {
    if (line.epoch) return this.feed.perEpoch(this.axis, line.epoch);
    const series = this.feed.steps(line.step, this.axis);
    return line.scale ? new Series(series.x, series.y.map((value) => (value === null ? null : value * line.scale))) : series;
  }

  refresh() {
    if (!this.panels) return;
    const { feed, view } = this;
    const last = feed.epochs.at(-1);
    const high = Math.max(0, feed.base?.steps[this.axis]?.at(-1) ?? 0, feed.tail[this.axis].at(-1) ?? 0, last ? feed.epochAt(last, this.axis) : 0);
    view.full = { low: 0, high: high || 1 };
    view.axisLabel = AXIS_LABELS[this.axis];
    const best = feed.epochs.find((row) => row.epoch === last?.best_epoch);
    view.best = best ? feed.epochAt(best, this.axis) : null;
    view.emptyText = this.data.live || feed.unread || !feed.base ? "waiting for the first values" : "nothing was recorded";
    markChoice(this.views, this.viewId, "aria-selected");
    markChoice(this.axes, this.axis, "aria-pressed");
    for (const { panel, lines } of this.panels) {
      const shown = lines.map((line) => ({ ...line, series: this.lineOf(line) }));
      const drawn = shown.filter((line) => line.series.x.length);
      panel.show(drawn.length ? drawn : shown.slice(0, 1));
    }
    this.grid.hidden = Boolean(feed.base && !feed.unread && !this.data.live && !feed.rows && !feed.epochs.length);
    this.tell();
  }

  tell() {
    const { feed } = this;
    const last = feed.epochs.at(-1);
    const parts = [];
    if (!this.data.live && this.data.status) parts.push(ENDED[this.data.status] ?? this.data.status);
    if (feed.unread) parts.push(`reading the curves, ${Math.round((100 * feed.offset) / (feed.offset + feed.unread))} %`);
    else if (!feed.base) parts.push("Reading the curves");
    else if (last) {
      parts.push(`Epoch ${last.epoch} of ${last.epochs}`, `validation loss ${short(last.val_loss)}`);
      if (last.best_epoch) parts.push(`best epoch ${last.best_epoch}`);
      if (this.data.live && last.eta_seconds > 0) parts.push(`about ${duration(last.eta_seconds)} left`);
    } else if (this.data.live) parts.push(feed.rows ? "In the first epoch" : "Waiting for the first values");
    else parts.push(feed.rows ? "No epoch was finished" : "This run recorded no metric");
    if (feed.trouble) parts.push(feed.trouble);
    setText(this.status, parts.join(" · "));
    const warning = this.warning();
    this.warn.hidden = !warning;
    setText(this.warn, warning);
  }

  warning() {
    const { feed } = this;
    const found = [];
    const names = { train_loss: "The training loss", grad_norm: "The gradient norm" };
    for (const [field, name] of Object.entries(names)) {
      const missing = feed.missing[field];
      if (!missing) continue;
      const times = missing.count === 1 ? "once" : `${missing.count} times`;
      found.push(`${name} was not a number ${times}, first at step ${missing.step} (epoch ${short(missing.epoch)}).`);
    }
    const epochs = feed.epochs.filter((row) => row.val_loss === null).map((row) => row.epoch);
    if (epochs.length) found.push(`The validation loss was not a number in epoch ${epochs.slice(0, 5).join(", ")}${epochs.length > 5 ? " and later" : ""}.`);
    const grown = this.growth();
    if (grown > DIVERGED_FACTOR) found.push(`The training diverges: the loss is ${grown.toFixed(1)} times what it was at the beginning.`);
    return found.join(" ");
  }

  /** The loss of the last logged steps beside that of the first, by medians of a twentieth each; 0 where there are too few. */
  growth() {
    const values = this.feed.steps("train_loss", "step").y.filter((value) => value !== null);
    if (values.length < 40) return 0;
    const count = Math.ceil(values.length / 20);
    const median = (part) => part.sort((a, b) => a - b)[part.length >> 1];
    return median(values.slice(-count)) / median(values.slice(0, count));
  }

  dispose() {
    this.feed.dispose();
    clearTimeout(this.zooming);
    this.resized.disconnect();
  }
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
