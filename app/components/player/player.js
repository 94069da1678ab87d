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
 *   link: {name: value} | null   parameters of the page's address; the frame is kept there beside them, so that a copied
 *                                address opens the same frame. The entry is replaced, or each step would need a "back".
 * }
 */

const FETCHES_AT_ONCE = 4;
const PREFETCH_AHEAD = 16;
const PREFETCH_BEHIND = 3;
const BITMAP_BUDGET_BYTES = 96e6;
const ADDRESS_AFTER_MS = 250;
const STAGE_HEIGHT_PX = 460;
const REQUEST_WIDTHS = [320, 480, 640, 960, 1280, 1920];

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

/** Fetches and decodes frames, nearest first, and keeps as many as the budget allows. */
class FrameStore {
  constructor(data, requestWidth, onReady) {
    this.data = data;
    this.requestWidth = requestWidth;
    this.onReady = onReady;
    this.frames = new Map(); // index -> {bitmap} or {error}
    this.inflight = new Map(); // index -> AbortController
    this.wanted = [];
    const decoded = Math.max(1, Math.min(data.width, requestWidth));
    this.capacity = Math.max(8, Math.floor(BITMAP_BUDGET_BYTES / (4 * decoded * decoded * (data.height / data.width))));
  }

  get(index) {
    return this.frames.get(index);
  }

  /** Say which frame is needed now; those around it follow. */
  focus(index, direction) {
    const ahead = Math.min(PREFETCH_AHEAD, this.capacity - PREFETCH_BEHIND - 1);
    this.wanted = [index];
    for (let step = 1; step <= ahead; step++) this.wanted.push(index + direction * step);
    for (let step = 1; step <= PREFETCH_BEHIND; step++) this.wanted.push(index - direction * step);
    this.wanted = this.wanted.filter((k) => k >= 0 && k < this.data.frames);
    const needed = new Set(this.wanted);
    for (const [k, abort] of this.inflight) {
      if (!needed.has(k)) {
        abort.abort();
        this.inflight.delete(k);
      }
    }
    this.index = index;
    this.pump();
  }

  pump() {
    for (const k of this.wanted) {
      if (this.inflight.size >= FETCHES_AT_ONCE) return;
      if (!this.frames.has(k) && !this.inflight.has(k)) this.fetchFrame(k);
    }
  }

  async fetchFrame(k) {
    const abort = new AbortController();
    this.inflight.set(k, abort);
    const url = this.data.url.replace("{index}", k).replace("{width}", this.requestWidth);
    let entry;
    try {
      const response = await fetch(url, { signal: abort.signal });
      if (response.ok) entry = { bitmap: await createImageBitmap(await response.blob()) };
      else entry = { error: (await response.text()).slice(0, 400) };
    } catch (error) {
      if (error.name === "AbortError") return;
      entry = { error: "The server did not answer; move to another frame to try again.", transient: true };
    }
    if (this.inflight.get(k) !== abort) {
      entry.bitmap?.close();
      return;
    }
    this.inflight.delete(k);
    if (!entry.transient) this.keep(k, entry);
    this.onReady(k, entry);
    if (!entry.transient) this.pump();
  }

  keep(k, entry) {
    this.frames.set(k, entry);
    if (this.frames.size <= this.capacity) return;
    let farthest = k;
    for (const index of this.frames.keys()) {
      if (Math.abs(index - this.index) > Math.abs(farthest - this.index)) farthest = index;
    }
    this.frames.get(farthest).bitmap?.close();
    this.frames.delete(farthest);
  }

  dispose() {
    for (const abort of this.inflight.values()) abort.abort();
    this.inflight.clear();
    for (const entry of this.frames.values()) entry.bitmap?.close();
    this.frames.clear();
  }
}

class Player {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.host = root.host ?? root;
    this.box = find(".player");
    this.view = find(".view");
    this.fault = find(".fault");
    this.compass = find(".compass");
    this.values = find(".values");
    this.chart = find(".chart");
    this.legend = find(".legend");
    this.where = find(".where");
    this.speed = find(".speed select");
    this.playButton = find(".play");
    this.stage = find(".stage");
    this.index = 0;
    this.playing = false;
    this.direction = 1;
    this.listen(find(".controls"));
    this.resized = new ResizeObserver(() => this.layout());
    this.resized.observe(this.box);
  }

  listen(controls) {
    const acts = {
      first: () => this.seek(0),
      back: () => this.seek(this.index - 1),
      play: () => this.play(!this.playing),
      next: () => this.seek(this.index + 1),
      last: () => this.seek(this.data.frames - 1),
    };
    controls.onclick = (event) => acts[event.target.closest("button")?.dataset.act]?.();
    this.speed.onchange = () => this.restartClock();
    this.box.onkeydown = (event) => this.key(event);
    this.chart.onpointerdown = (event) => {
      this.chart.setPointerCapture(event.pointerId);
      this.dragging = true;
      this.seekToPointer(event);
    };
    this.chart.onpointermove = (event) => this.dragging && this.seekToPointer(event);
    this.chart.onpointerup = this.chart.onpointercancel = () => (this.dragging = false);
  }

  key(event) {
    if (event.target === this.speed || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 10 : 1;
    const moves = {
      ArrowRight: () => this.seek(this.index + step),
      ArrowLeft: () => this.seek(this.index - step),
      Home: () => this.seek(0),
      End: () => this.seek(this.data.frames - 1),
      " ": () => this.play(!this.playing),
    };
    const move = moves[event.key];
    if (!move || (event.key === " " && event.target.closest?.("button"))) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  }

  update(component) {
    const { data } = component;
    const another = !this.data || this.data.episode !== data.episode || this.data.url !== data.url;
    this.data = data;
    this.readTheme();
    if (another) {
      this.play(false);
      clearTimeout(this.remembering);
      this.index = Math.max(0, Math.min(data.frames - 1, data.start));
      this.painted = null;
      this.stage.style.setProperty("--stage-ratio", `${data.width} / ${data.height}`);
      this.box.style.setProperty("--stage-width", `${Math.round((STAGE_HEIGHT_PX * data.width) / data.height)}px`);
      this.chart.setAttribute("aria-valuemax", data.frames);
      this.store?.dispose();
      this.store = null;
    }
    this.buildLegend();
    this.buildValues();
    this.layout();
  }

  readTheme() {
    const style = getComputedStyle(this.host);
    const color = (name) => style.getPropertyValue(`--st-${name}`).trim();
    const palette = color("chart-categorical-colors").split(",");
    this.theme = {
      text: color("text-color"),
      border: color("border-color"),
      primary: color("primary-color"),
      font: style.getPropertyValue("--st-font").trim() || "sans-serif",
      palette: this.data.dims.map((_, k) => palette[k % palette.length] || color("primary-color")),
    };
  }

  requestWidth() {
    const shown = this.stage.clientWidth * window.devicePixelRatio;
    const fitting = REQUEST_WIDTHS.find((width) => width >= shown) ?? REQUEST_WIDTHS.at(-1);
    return Math.min(fitting, this.data.width);
  }

  layout() {
    if (!this.data || !this.box.clientWidth) return;
    const width = this.requestWidth();
    if (!this.store || this.store.requestWidth < width) {
      this.store?.dispose();
      this.store = new FrameStore(this.data, width, (k, entry) => k === this.index && this.paint(entry));
      this.store.focus(this.index, this.direction);
    }
    this.panels = unitPanels(this.data.dims);
    this.buildChart();
    this.drawChart();
    this.showPosition();
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
    if (entry) this.paint(entry);
    this.store.focus(bounded, this.direction);
    this.drawChart();
    this.showPosition();
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
    this.painted = this.index;
    this.box.dataset.frame = this.index;
    this.box.dispatchEvent(new CustomEvent("painted", { detail: this.index, bubbles: true, composed: true }));
  }

  play(on) {
    if (on === this.playing) return;
    this.playing = on;
    this.playButton.setAttribute("aria-pressed", String(on));
    this.playButton.setAttribute("aria-label", on ? "Pause" : "Play");
    if (!on) {
      cancelAnimationFrame(this.ticking);
      this.rememberSoon();
      return;
    }
    if (this.index >= this.data.frames - 1) this.show(0);
    this.direction = 1;
    this.restartClock();
    this.ticking = requestAnimationFrame((now) => this.tick(now));
  }

  restartClock() {
    this.clockStart = performance.now();
    this.clockFrame = this.index;
  }

  /** Never run ahead of the network: where the due frame is not decoded, the clock waits for it. */
  tick(now) {
    if (!this.playing) return;
    const rate = this.data.fps * Number(this.speed.value);
    const due = Math.min(this.data.frames - 1, this.clockFrame + Math.floor(((now - this.clockStart) / 1000) * rate));
    if (due > this.index) {
      let ready = due;
      while (ready > this.index && !this.store.get(ready)) ready--;
      if (ready > this.index) this.show(ready);
      if (ready < due) this.restartClock();
    }
    if (this.index >= this.data.frames - 1) {
      this.play(false);
      return;
    }
    this.ticking = requestAnimationFrame((time) => this.tick(time));
  }

  seekToPointer(event) {
    const { left, right } = this.plot;
    const share = (event.clientX - this.chart.getBoundingClientRect().left - left) / (right - left);
    this.seek(Math.round(share * (this.data.frames - 1)));
  }

  showPosition() {
    const { data, index } = this;
    const seconds = data.fpsKnown ? ` · ${(index / data.fps).toFixed(2)} s` : "";
    this.where.innerHTML = `<span class="word">frame </span><strong>${index + 1}</strong> of ${data.frames}<span class="aside">${seconds}</span>`;
    const spoken = data.dims.map((dim) => `${dim.name} ${format(dim.values[index])} ${dim.unit}`).join(", ");
    this.chart.setAttribute("aria-valuenow", index + 1);
    this.chart.setAttribute("aria-valuetext", `frame ${index + 1} of ${data.frames}: ${spoken}`);
    [...this.values.tBodies[0].rows].forEach((row, k) => {
      row.cells[1].firstChild.textContent = format(data.dims[k].values[index]);
      if (row.cells.length > 3) row.cells[2].textContent = format(data.dims[k].predicted?.[index]);
    });
    this.drawCompass();
  }

  buildValues() {
    const predicted = this.data.dims.some((dim) => dim.predicted);
    const head = this.values.tHead;
    head.replaceChildren();
    head.hidden = !predicted;
    if (predicted) head.append(rowOf("th", ["", "true", "predicted", ""]));
    const body = this.values.tBodies[0];
    body.replaceChildren();
    this.data.dims.forEach((dim, k) => {
      const row = rowOf("td", predicted ? ["", "", dim.unit] : ["", dim.unit]);
      row.cells[0].append(element("strong", "-"));
      row.lastChild.className = "unit";
      const name = element("th", dim.name);
      name.scope = "row";
      const swatch = element("span", "", "swatch");
      swatch.style.background = this.theme.palette[k];
      name.prepend(swatch);
      name.title = `positive: ${dim.positive}`;
      row.prepend(name);
      body.append(row);
    });
  }

  buildLegend() {
    this.legend.replaceChildren();
    const item = (label, color, dashed) => {
      const span = element("span", "", "item");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("viewBox", "0 0 26 10");
      svg.setAttribute("aria-hidden", "true");
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      line.setAttribute("d", "M1 5h24");
      line.setAttribute("stroke", color);
      line.setAttribute("stroke-width", "2.5");
      if (dashed) line.setAttribute("stroke-dasharray", "5 4");
      svg.append(line);
      span.append(svg, element("span", label));
      this.legend.append(span);
    };
    this.data.dims.forEach((dim, k) => item(`${dim.name} [${dim.unit}], + is ${dim.positive}`, this.theme.palette[k], false));
    if (this.data.dims.some((dim) => dim.predicted)) item(this.data.predictedLabel, this.theme.text, true);
  }

  /** The part of the chart that does not move with the cursor, drawn once. */
  buildChart() {
    const width = this.chart.clientWidth;
    const panelHeight = width < 480 ? 96 : 132;
    const gap = 16;
    const axis = 18;
    const height = this.panels.length * panelHeight + (this.panels.length - 1) * gap + axis;
    this.chart.style.height = `${height}px`;
    const scale = window.devicePixelRatio;
    this.background = document.createElement("canvas");
    for (const canvas of [this.chart, this.background]) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const g = this.background.getContext("2d");
    g.scale(scale, scale);
    g.font = `11px ${this.theme.font}`;
    this.plot = { left: 48, right: width - 12, height, axis };
    this.panels.forEach((panel, p) => {
      panel.top = p * (panelHeight + gap) + 6;
      panel.bottom = p * (panelHeight + gap) + panelHeight;
      this.drawPanel(g, panel);
    });
    this.drawFrameAxis(g);
  }

  x(index) {
    const { left, right } = this.plot;
    return this.data.frames > 1 ? left + (index / (this.data.frames - 1)) * (right - left) : (left + right) / 2;
  }

  drawPanel(g, panel) {
    const { left, right } = this.plot;
    panel.y = (value) => panel.bottom - ((value - panel.low) / (panel.high - panel.low)) * (panel.bottom - panel.top);
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const tick of panel.ticks) {
      g.strokeStyle = this.theme.border;
      g.lineWidth = tick === 0 ? 1.6 : 0.8;
      line(g, [[left, panel.y(tick)], [right, panel.y(tick)]]);
      g.fillStyle = this.theme.text;
      g.globalAlpha = 0.75;
      g.fillText(tickText(tick), left - 6, panel.y(tick));
      g.globalAlpha = 1;
    }
    panel.dims.forEach(({ dim, column }, k) => {
      g.strokeStyle = g.fillStyle = this.theme.palette[column];
      // Keyboard drivers give the same value to two dimensions at once: the one below stays visible as a wider line.
      g.lineWidth = 1.8 + 2 * (panel.dims.length - 1 - k);
      this.drawSeries(g, panel, dim.values, this.data.frames <= 80 && k === panel.dims.length - 1);
    });
    for (const { dim, column } of panel.dims) {
      if (!dim.predicted) continue;
      g.strokeStyle = this.theme.palette[column];
      g.lineWidth = 2;
      g.setLineDash([5, 4]);
      this.drawSeries(g, panel, dim.predicted, false);
      g.setLineDash([]);
    }
  }

  drawSeries(g, panel, values, dots) {
    g.beginPath();
    let pen = false;
    values.forEach((value, k) => {
      if (value === null || value === undefined) {
        pen = false;
        return;
      }
      if (pen) g.lineTo(this.x(k), panel.y(value));
      else g.moveTo(this.x(k), panel.y(value));
      pen = true;
    });
    g.stroke();
    if (!dots) return;
    values.forEach((value, k) => dot(g, this.x(k), panel.y(value), 2.4));
  }

  drawFrameAxis(g) {
    const { left, right, height } = this.plot;
    const last = this.data.frames - 1;
    const step = niceStep(Math.max(1, last) / Math.max(2, (right - left) / 90), true);
    g.fillStyle = this.theme.text;
    g.globalAlpha = 0.75;
    g.textAlign = "center";
    g.textBaseline = "bottom";
    for (let number = 0; number <= last + 1; number += step) {
      const k = Math.max(0, number - 1);
      if (number === 0 || number > 1) g.fillText(String(k + 1), this.x(k), height - 1);
    }
    g.globalAlpha = 1;
  }

  drawChart() {
    const g = this.chart.getContext("2d");
    const scale = window.devicePixelRatio;
    g.setTransform(1, 0, 0, 1, 0, 0);
    g.clearRect(0, 0, this.chart.width, this.chart.height);
    g.drawImage(this.background, 0, 0);
    g.setTransform(scale, 0, 0, scale, 0, 0);
    const x = this.x(this.index);
    g.strokeStyle = this.theme.text;
    g.lineWidth = 1.2;
    line(g, [[x, this.panels[0].top - 4], [x, this.panels.at(-1).bottom]]);
    for (const panel of this.panels) {
      for (const { dim, column } of panel.dims) {
        g.fillStyle = this.theme.palette[column];
        dot(g, x, panel.y(dim.values[this.index]), 4.2);
      }
    }
  }

  /** The commanded velocity from above: up is forward, left is left; a turn is an arc on the rim. */
  drawCompass() {
    const size = this.compass.clientWidth;
    const scale = window.devicePixelRatio;
    this.compass.width = this.compass.height = Math.round(size * scale);
    const g = this.compass.getContext("2d");
    g.scale(scale, scale);
    const middle = size / 2;
    const rim = middle - 14;
    g.strokeStyle = this.theme.border;
    g.lineWidth = 1;
    g.beginPath();
    g.arc(middle, middle, rim, 0, 2 * Math.PI);
    g.stroke();
    line(g, [[middle - rim, middle], [middle + rim, middle]]);
    line(g, [[middle, middle - rim], [middle, middle + rim]]);
    g.fillStyle = this.theme.text;
    g.globalAlpha = 0.7;
    g.font = `10px ${this.theme.font}`;
    g.textAlign = "center";
    g.textBaseline = "middle";
    g.fillText("fwd", middle, 6);
    g.fillText("back", middle, size - 6);
    g.globalAlpha = 1;
    const column = Object.fromEntries(this.data.dims.map((dim, k) => [dim.name, k]));
    const reach = (name) => {
      const dim = this.data.dims[column[name]];
      return dim ? Math.max(1e-6, ...dim.values.map(Math.abs)) : 1;
    };
    const linear = Math.max(reach("linear_x"), "linear_y" in column ? reach("linear_y") : 0);
    const draw = (values, color, dashed) => {
      const of = (name) => (name in column ? (values[column[name]] ?? 0) : 0);
      g.setLineDash(dashed ? [4, 3] : []);
      g.strokeStyle = g.fillStyle = color;
      g.lineWidth = dashed ? 2 : 3;
      const clip = (value) => Math.max(-1.15, Math.min(1.15, value));
      arrow(g, middle, middle, middle - clip(of("linear_y") / linear) * rim * 0.86, middle - clip(of("linear_x") / linear) * rim * 0.86);
      const turn = clip(of("angular_z") / reach("angular_z"));
      if (Math.abs(turn) > 0.02) {
        g.beginPath();
        g.arc(middle, middle, rim - (dashed ? 5 : 0), -Math.PI / 2, -Math.PI / 2 - turn * 1.3, turn > 0);
        g.stroke();
      }
      g.setLineDash([]);
    };
    const { index } = this;
    const truth = this.data.dims.map((dim) => dim.values[index]);
    const predicted = this.data.dims.map((dim) => dim.predicted?.[index]);
    draw(truth, this.theme.primary, false);
    if (predicted.some((value) => value !== null && value !== undefined)) draw(predicted, this.theme.text, true);
    const spoken = this.data.dims.map((dim) => `${dim.name} ${format(dim.values[index])} ${dim.unit}`).join(", ");
    this.compass.setAttribute("aria-label", `Commanded direction: ${spoken}`);
  }

  dispose() {
    this.playing = false;
    cancelAnimationFrame(this.ticking);
    clearTimeout(this.remembering);
    this.resized.disconnect();
    this.store?.dispose();
  }
}

/** One panel for each unit, so that metres a second and radians a second never share an axis. */
function unitPanels(dims) {
  const units = [...new Set(dims.map((dim) => dim.unit))];
  return units.map((unit) => {
    const members = dims.map((dim, column) => ({ dim, column })).filter(({ dim }) => dim.unit === unit);
    const values = members.flatMap(({ dim }) => [...dim.values, ...(dim.predicted ?? [])]).filter(Number.isFinite);
    let low = 0;
    let high = 0;
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (high - low < 1e-6) high = low + 1;
    const margin = (high - low) * 0.08;
    const step = niceStep((high - low) / 4, false);
    const ticks = [];
    for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k === 0 ? 0 : k * step);
    return { unit, dims: members, low: low - margin, high: high + margin, ticks };
  });
}

function niceStep(rough, whole) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
  return whole ? Math.max(1, Math.round(step)) : step;
}

function tickText(value) {
  return String(Number(value.toPrecision(3)));
}

function format(value) {
  return value === null || value === undefined ? "-" : value.toFixed(2);
}

function element(tag, text, className) {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

function rowOf(tag, texts) {
  const row = document.createElement("tr");
  for (const text of texts) row.append(element(tag, text));
  return row;
}

function line(g, points) {
  g.beginPath();
  points.forEach(([x, y], k) => (k ? g.lineTo(x, y) : g.moveTo(x, y)));
  g.stroke();
}

function dot(g, x, y, radius) {
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.fill();
}

function arrow(g, x0, y0, x1, y1) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length < 3) {
    dot(g, x0, y0, 4);
    return;
  }
  line(g, [[x0, y0], [x1, y1]]);
  const angle = Math.atan2(y1 - y0, x1 - x0);
  const side = (turn) => [x1 - 9 * Math.cos(angle + turn), y1 - 9 * Math.sin(angle + turn)];
  g.setLineDash([]);
  line(g, [side(0.5), [x1, y1], side(-0.5)]);
}
