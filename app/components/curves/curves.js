/* Curves of one training run, read from the progress route by byte offset: the server sends only what is new.
 *
 * data = {
 *   run: string    identity: another one begins afresh
 *   url: string    answers ?offset=N with {offset, rows}; rows are the events of the run's progress file
 *   live: bool     false where the run has ended: read to the end, then stop asking
 * }
 */

const POLL_MS = 1000;
const POLL_HIDDEN_MS = 5000;

const charts = new WeakMap();

export default function (component) {
  let chart = charts.get(component.parentElement);
  if (!chart) {
    chart = new Curves(component.parentElement);
    charts.set(component.parentElement, chart);
  }
  chart.update(component.data);
  return () => {
    chart.dispose();
    charts.delete(component.parentElement);
  };
}

/** Points of one line: x is the epoch, a value that was not finite is null. */
class Series {
  constructor(label, color, perStep) {
    this.label = label;
    this.color = color;
    this.perStep = perStep;
    this.x = [];
    this.y = [];
  }

  add(x, y) {
    if (x === undefined || x === null || y === undefined) return;
    this.x.push(x);
    this.y.push(y);
  }

  /** Index of the last point at or before `x`, -1 where there is none. */
  before(x) {
    let low = 0;
    let high = this.x.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x[middle] <= x) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  nearest(x) {
    const k = this.before(x);
    if (k < 0) return this.x.length ? 0 : -1;
    return k + 1 < this.x.length && this.x[k + 1] - x < x - this.x[k] ? k + 1 : k;
  }
}

const VIEWS = [
  {
    id: "loss",
    label: "Loss",
    lines: [
      { event: "step", field: "train_loss", label: "train loss, each step", color: 0, perStep: true },
      { event: "epoch", field: "train_loss", label: "train loss, epoch", color: 0 },
      { event: "epoch", field: "val_loss", label: "validation loss", color: 1 },
    ],
  },
  {
    id: "rmse",
    label: "Validation RMSE",
    lines: [{ event: "epoch", field: "val_rmse", label: "validation RMSE, physical units", color: 1 }],
  },
  {
    id: "rate",
    label: "Learning rate",
    lines: [{ event: "step", field: "learning_rate", label: "learning rate", color: 2 }],
  },
];

class Curves {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.host = root.host ?? root;
    this.box = find(".curves");
    this.chart = find(".chart");
    this.legend = find(".legend");
    this.readout = find(".readout");
    this.status = find(".status");
    this.reset = find(".reset");
    this.log = find(".log input");
    this.views = find(".views");
    this.view = VIEWS[0];
    this.zoom = null;
    this.buildViews();
    this.listen();
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.box);
  }

  buildViews() {
    this.views.replaceChildren();
    for (const view of VIEWS) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = view.label;
      button.setAttribute("role", "tab");
      button.onclick = () => {
        this.view = view;
        this.cursor = null;
        this.showView();
      };
      this.views.append(button);
    }
  }

  showView() {
    [...this.views.children].forEach((button, k) => button.setAttribute("aria-selected", String(VIEWS[k] === this.view)));
    this.legend.replaceChildren();
    for (const line of this.view.lines) {
      const item = document.createElement("span");
      const mark = document.createElement("i");
      mark.style.color = this.theme.palette[line.color];
      mark.style.opacity = line.perStep ? 0.45 : 1;
      item.append(mark, line.label);
      this.legend.append(item);
    }
    this.draw();
  }

  listen() {
    this.log.onchange = () => this.draw();
    this.reset.onclick = () => this.setZoom(null);
    this.chart.ondblclick = () => this.setZoom(null);
    this.chart.onpointerdown = (event) => {
      this.chart.setPointerCapture(event.pointerId);
      this.dragFrom = this.toEpoch(event);
      this.dragTo = this.dragFrom;
    };
    this.chart.onpointermove = (event) => {
      this.cursor = this.toEpoch(event);
      if (this.dragFrom !== undefined) this.dragTo = this.cursor;
      this.draw();
    };
    this.chart.onpointerleave = () => {
      this.cursor = null;
      this.draw();
    };
    this.chart.onpointerup = () => {
      const [from, to] = [this.dragFrom, this.dragTo].sort((a, b) => a - b);
      this.dragFrom = this.dragTo = undefined;
      const { low, high } = this.range();
      if (from !== undefined && to - from > (high - low) * 0.01) this.setZoom([from, to]);
    };
    this.chart.onpointercancel = () => (this.dragFrom = this.dragTo = undefined);
    this.chart.onkeydown = (event) => this.key(event);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { low, high } = this.range();
    const at = this.cursor ?? (low + high) / 2;
    const about = (factor) => this.setZoom([at - (at - low) * factor, at + (high - at) * factor]);
    const steps = {
      ArrowRight: () => this.moveCursor(1),
      ArrowLeft: () => this.moveCursor(-1),
      "+": () => about(0.6),
      "=": () => about(0.6),
      "-": () => about(1 / 0.6),
      0: () => this.setZoom(null),
      Escape: () => this.setZoom(null),
    };
    if (!steps[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    steps[event.key]();
  }

  moveCursor(direction) {
    const line = this.view.lines.at(-1);
    const series = this.series(line);
    if (!series.x.length) return;
    const k = this.cursor === null || this.cursor === undefined ? series.x.length - 1 : series.nearest(this.cursor) + direction;
    this.cursor = series.x[Math.max(0, Math.min(series.x.length - 1, k))];
    this.draw();
  }

  update(data) {
    const another = !this.data || this.data.run !== data.run;
    const wasLive = this.data?.live;
    this.data = data;
    this.readTheme();
    if (another) {
      this.zoom = null;
      this.clear();
    }
    if (another || (data.live && !wasLive)) this.poll();
    this.showView();
    this.tell();
  }

  clear() {
    this.offset = 0;
    this.lines = new Map();
    this.lastEpoch = null;
    this.notFinite = 0;
  }

  readTheme() {
    const style = getComputedStyle(this.host);
    const color = (name) => style.getPropertyValue(`--st-${name}`).trim();
    this.theme = {
      text: color("text-color"),
      border: color("border-color"),
      primary: color("primary-color"),
      red: color("red-color"),
      font: color("font") || "sans-serif",
      palette: color("chart-categorical-colors").split(","),
    };
  }

  series(line) {
    const name = `${line.event}.${line.field}`;
    if (!this.lines.has(name)) this.lines.set(name, new Series(line.label, line.color, line.perStep));
    return this.lines.get(name);
  }

  async poll() {
    clearTimeout(this.polling);
    const { run } = this.data;
    let grown = false;
    try {
      const response = await fetch(`${this.data.url}?offset=${this.offset}`);
      if (response.ok) {
        const body = await response.json();
        if (this.disposed || this.data.run !== run) return;
        // A smaller offset than asked for means that the file began anew.
        if (body.offset < this.offset) this.clear();
        grown = body.offset > this.offset;
        this.offset = body.offset;
        this.read(body.rows);
      }
    } catch {
      this.status.textContent = "The server does not answer; asking again.";
    }
    if (this.disposed || this.data.run !== run) return;
    if (!this.data.live && !grown) return;
    this.polling = setTimeout(() => this.poll(), document.hidden ? POLL_HIDDEN_MS : POLL_MS);
  }

  read(rows) {
    for (const row of rows) {
      for (const view of VIEWS) {
        for (const line of view.lines) {
          if (row.event !== line.event || !(line.field in row)) continue;
          this.series(line).add(row.epoch, row[line.field]);
          if (row[line.field] === null) this.notFinite++;
        }
      }
      if (row.event === "epoch") this.lastEpoch = row;
    }
    if (!rows.length) return;
    this.draw();
    this.tell();
  }

  tell() {
    const row = this.lastEpoch;
    const parts = [];
    if (!row) parts.push(this.data.live ? "Waiting for the first epoch." : "No epoch was finished.");
    else {
      parts.push(`Epoch ${row.epoch} of ${row.epochs}`, `validation loss ${short(row.val_loss)}`);
      if (row.best_epoch) parts.push(`best epoch ${row.best_epoch}`);
      if (this.data.live && row.eta_seconds > 0) parts.push(`about ${duration(row.eta_seconds)} left`);
    }
    if (this.notFinite) parts.push(`not finite: ${this.notFinite === 1 ? "1 value" : `${this.notFinite} values`}`);
    const text = parts.join(" · ");
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  /** The epochs shown: the zoom, else all there are. */
  range() {
    if (this.zoom) return { low: this.zoom[0], high: this.zoom[1] };
    let high = 0;
    for (const series of this.lines.values()) high = Math.max(high, series.x.at(-1) ?? 0);
    return { low: 0, high: Math.max(1, high) };
  }

  setZoom(zoom) {
    this.zoom = zoom && [Math.max(0, zoom[0]), zoom[1]];
    this.reset.hidden = !this.zoom;
    this.draw();
  }

  toEpoch(event) {
    const { low, high } = this.range();
    const { left, right } = this.plot;
    const share = (event.clientX - this.chart.getBoundingClientRect().left - left) / (right - left);
    return low + Math.max(0, Math.min(1, share)) * (high - low);
  }

  /** Lowest and highest value in sight, with a margin; null where nothing can be drawn. */
  valueRange(lines, { low, high }, log) {
    let min = Infinity;
    let max = -Infinity;
    for (const series of lines) {
      const last = Math.min(series.x.length - 1, series.before(high) + 1);
      for (let k = Math.max(0, series.before(low)); k <= last; k++) {
        const value = series.y[k];
        if (value === null || (log && value <= 0)) continue;
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
    if (min > max) return null;
    if (log) return { min: min / 1.15, max: max * 1.15 };
    const bottom = min >= 0 && min < max * 0.5 ? 0 : min;
    const margin = (max - bottom || Math.abs(max) || 1) * 0.06;
    return { min: bottom === 0 ? 0 : bottom - margin, max: max + margin };
  }

  draw() {
    const width = this.chart.clientWidth;
    const height = this.chart.clientHeight;
    if (!width || !this.theme) return;
    const scale = window.devicePixelRatio;
    this.chart.width = Math.round(width * scale);
    this.chart.height = Math.round(height * scale);
    const g = this.chart.getContext("2d");
    g.scale(scale, scale);
    g.font = `11px ${this.theme.font}`;
    this.plot = { left: 58, right: width - 12, top: 10, bottom: height - 36 };
    const lines = this.view.lines.map((line) => this.series(line));
    const epochs = this.range();
    const log = this.log.checked;
    const values = this.valueRange(lines, epochs, log);
    this.chart.dataset.points = lines.reduce((sum, series) => sum + series.x.length, 0);
    if (!values) {
      this.drawEmpty(g, width, height);
      return;
    }
    const { left, right, top, bottom } = this.plot;
    const level = log ? Math.log10 : (value) => value;
    const [least, most] = [level(values.min), level(values.max)];
    const x = (epoch) => left + ((epoch - epochs.low) / (epochs.high - epochs.low)) * (right - left);
    const y = (value) => bottom - ((level(value) - least) / (most - least)) * (bottom - top);
    this.drawAxes(g, epochs, log ? logTicks(values) : linearTicks(values), x, y);
    g.save();
    g.beginPath();
    g.rect(left, top - 4, right - left, bottom - top + 8);
    g.clip();
    this.drawBest(g, x);
    for (const series of lines) this.drawSeries(g, series, epochs, x, y, log);
    this.drawSelection(g, x);
    this.drawCursor(g, lines, x, y, log);
    g.restore();
  }

  drawEmpty(g, width, height) {
    g.fillStyle = this.theme.text;
    g.globalAlpha = 0.7;
    g.font = `13px ${this.theme.font}`;
    g.textAlign = "center";
    g.fillText(this.data.live ? "Nothing measured yet: the first values appear after a few steps." : "Nothing was recorded.", width / 2, height / 2);
    g.globalAlpha = 1;
    this.readout.textContent = "";
  }

  drawAxes(g, epochs, valueTicks, x, y) {
    const { left, right, top, bottom } = this.plot;
    g.strokeStyle = this.theme.border;
    g.fillStyle = this.theme.text;
    g.lineWidth = 0.8;
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const tick of valueTicks) {
      stroke(g, [[left, y(tick)], [right, y(tick)]]);
      g.globalAlpha = 0.75;
      g.fillText(tickText(tick), left - 7, y(tick));
      g.globalAlpha = 1;
    }
    g.textAlign = "center";
    g.textBaseline = "top";
    const count = Math.max(2, Math.floor((right - left) / 80));
    for (const tick of linearTicks({ min: epochs.low, max: epochs.high }, count)) {
      stroke(g, [[x(tick), bottom], [x(tick), bottom + 4]]);
      g.globalAlpha = 0.75;
      g.fillText(tickText(tick), x(tick), bottom + 6);
      g.globalAlpha = 1;
    }
    g.globalAlpha = 0.75;
    g.fillText("epoch", (left + right) / 2, bottom + 21);
    g.globalAlpha = 1;
    stroke(g, [[left, top], [left, bottom], [right, bottom]]);
  }

  drawBest(g, x) {
    const best = this.lastEpoch?.best_epoch;
    if (!best || this.view.id === "rate") return;
    const { top, bottom } = this.plot;
    g.strokeStyle = this.theme.text;
    g.globalAlpha = 0.55;
    g.setLineDash([4, 4]);
    g.lineWidth = 1.2;
    stroke(g, [[x(best), top], [x(best), bottom]]);
    g.setLineDash([]);
    g.globalAlpha = 0.85;
    g.fillStyle = this.theme.text;
    const right = x(best) > (this.plot.left + this.plot.right) / 2;
    g.textAlign = right ? "right" : "left";
    g.textBaseline = "top";
    g.fillText("best", x(best) + (right ? -5 : 5), top);
    g.globalAlpha = 1;
  }

  drawSeries(g, series, epochs, x, y, log) {
    const color = this.theme.palette[series.color % this.theme.palette.length];
    const first = Math.max(0, series.before(epochs.low));
    const last = Math.min(series.x.length - 1, series.before(epochs.high) + 1);
    g.strokeStyle = g.fillStyle = color;
    g.lineWidth = series.perStep ? 1.2 : 2.2;
    g.globalAlpha = series.perStep ? 0.45 : 1;
    g.beginPath();
    let pen = false;
    for (const point of decimated(series, first, last, x, log)) {
      if (point === null) {
        pen = false;
        continue;
      }
      const [px, value] = point;
      if (pen) g.lineTo(px, y(value));
      else g.moveTo(px, y(value));
      pen = true;
    }
    g.stroke();
    g.globalAlpha = 1;
    for (let k = first; k <= last; k++) {
      if (series.y[k] === null) this.drawNotFinite(g, x(series.x[k]));
      else if (!series.perStep && last - first < 150 && (!log || series.y[k] > 0)) {
        g.fillStyle = color;
        dot(g, x(series.x[k]), y(series.y[k]), 3);
      }
    }
  }

  drawNotFinite(g, px) {
    const { top } = this.plot;
    g.strokeStyle = this.theme.red;
    g.lineWidth = 2;
    stroke(g, [[px - 4, top - 1], [px + 4, top + 7]]);
    stroke(g, [[px - 4, top + 7], [px + 4, top - 1]]);
  }

  drawSelection(g, x) {
    if (this.dragFrom === undefined || this.dragTo === this.dragFrom) return;
    g.fillStyle = this.theme.primary;
    g.globalAlpha = 0.18;
    g.fillRect(x(this.dragFrom), this.plot.top, x(this.dragTo) - x(this.dragFrom), this.plot.bottom - this.plot.top);
    g.globalAlpha = 1;
  }

  drawCursor(g, lines, x, y, log) {
    if (this.cursor === null || this.cursor === undefined) {
      this.readout.textContent = "";
      return;
    }
    g.strokeStyle = this.theme.text;
    g.globalAlpha = 0.5;
    g.lineWidth = 1;
    stroke(g, [[x(this.cursor), this.plot.top], [x(this.cursor), this.plot.bottom]]);
    g.globalAlpha = 1;
    const parts = [`epoch ${this.cursor.toFixed(2)}`];
    for (const series of lines) {
      const k = series.nearest(this.cursor);
      if (k < 0) continue;
      const value = series.y[k];
      parts.push(`${series.label} ${short(value)}`);
      if (value === null || (log && value <= 0)) continue;
      g.fillStyle = this.theme.palette[series.color];
      dot(g, x(series.x[k]), y(value), 4);
    }
    this.readout.textContent = parts.join(" · ");
  }

  dispose() {
    this.disposed = true;
    clearTimeout(this.polling);
    this.resized.disconnect();
  }
}

/** Pixels to join: where many points share a pixel column, its first, lowest, highest and last, so no spike is lost. */
function* decimated(series, first, last, x, log) {
  const drawable = (k) => series.y[k] !== null && (!log || series.y[k] > 0);
  let k = first;
  while (k <= last) {
    if (!drawable(k)) {
      yield null;
      k++;
      continue;
    }
    const column = Math.round(x(series.x[k]));
    let low = k;
    let high = k;
    let end = k;
    while (end + 1 <= last && drawable(end + 1) && Math.round(x(series.x[end + 1])) === column) {
      end++;
      if (series.y[end] < series.y[low]) low = end;
      if (series.y[end] > series.y[high]) high = end;
    }
    for (const pick of [...new Set([k, low, high, end])].sort((a, b) => a - b)) yield [x(series.x[pick]), series.y[pick]];
    k = end + 1;
  }
}

function linearTicks({ min, max }, count = 5) {
  const rough = (max - min || 1) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(min / step - 1e-9); k * step <= max * (1 + 1e-9); k++) ticks.push(k * step);
  return ticks;
}

function logTicks({ min, max }) {
  const factors = max / min > 50 ? [1] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(Math.log10(min)); power <= Math.ceil(Math.log10(max)); power++) {
    for (const factor of factors) {
      const tick = factor * 10 ** power;
      if (tick >= min && tick <= max) ticks.push(tick);
    }
  }
  return ticks.length ? ticks : [min, max];
}

function tickText(value) {
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(0);
  return String(Number(value.toPrecision(4)));
}

function short(value) {
  if (value === null || value === undefined) return "not finite";
  return Math.abs(value) >= 1e-3 || value === 0 ? value.toFixed(4) : value.toExponential(2);
}

function duration(seconds) {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function stroke(g, points) {
  g.beginPath();
  points.forEach(([x, y], k) => (k ? g.lineTo(x, y) : g.moveTo(x, y)));
  g.stroke();
}

function dot(g, x, y, radius) {
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.fill();
}
