/* What panels over one x axis share: the zoom, which stays while data streams in, the cursor, smoothing, and their controls. */

class SharedView {
  /** `changed(what)` is called with "zoom" or "cursor" after the panels were drawn. */
  constructor(host, changed) {
    this.host = host;
    this.changed = changed;
    this.panels = [];
    this.zoom = this.cursor = this.selection = this.best = null;
    this.smoothing = 0;
    this.axisLabel = "epoch";
    this.emptyText = "";
    this.full = { low: 0, high: 1 };
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

  extent() {
    return this.zoom ? { low: this.zoom[0], high: this.zoom[1] } : this.full;
  }

  draw() {
    for (const panel of this.panels) panel.draw();
  }

  setZoom(zoom) {
    if (zoom) {
      const width = zoom[1] - zoom[0];
      const low = Math.max(this.full.low, zoom[0]);
      zoom = [low, zoom[1] > zoom[0] ? low + width : low + 1e-9];
      if (zoom[0] <= this.full.low && zoom[1] >= this.full.high) zoom = null;
    }
    this.zoom = zoom;
    this.draw();
    this.changed("zoom");
  }

  setCursor(cursor) {
    this.cursor = cursor;
    this.draw();
    this.changed("cursor");
  }

  control(panel) {
    this.panels.push(panel);
    const { canvas } = panel;
    const at = (event) => {
      if (!panel.plot) return this.extent().low;
      const { low, high } = this.extent();
      const { left, right } = panel.plot;
      const share = (event.clientX - canvas.getBoundingClientRect().left - left) / (right - left);
      return low + Math.max(0, Math.min(1, share)) * (high - low);
    };
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.drag = { from: at(event), pixel: event.clientX, pan: event.shiftKey, extent: this.extent() };
    };
    canvas.onpointermove = (event) => {
      if (this.drag?.pan) {
        const { low, high } = this.drag.extent;
        const { left, right } = panel.plot;
        const moved = ((event.clientX - this.drag.pixel) / (right - left)) * (high - low);
        if (this.zoom) this.setZoom([low - moved, high - moved]);
        return;
      }
      const here = at(event);
      if (this.drag) this.selection = [this.drag.from, here];
      this.setCursor(here);
    };
    canvas.onpointerup = () => {
      const selection = this.selection?.toSorted((a, b) => a - b);
      this.drag = this.selection = null;
      const { low, high } = this.extent();
      if (selection && selection[1] - selection[0] > (high - low) * 0.01) this.setZoom(selection);
      else this.draw();
    };
    canvas.onpointercancel = () => {
      this.drag = this.selection = null;
      this.draw();
    };
    canvas.onpointerleave = () => !this.drag && this.setCursor(null);
    canvas.ondblclick = () => this.setZoom(null);
    canvas.onkeydown = (event) => this.key(event, panel);
  }

  key(event, panel) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { low, high } = this.extent();
    const at = this.cursor ?? (low + high) / 2;
    const about = (factor) => this.setZoom([at - (at - low) * factor, at + (high - at) * factor]);
    const move = (share) => this.zoom && this.setZoom([low + share * (high - low), high + share * (high - low)]);
    const steps = {
      ArrowRight: () => (event.shiftKey ? move(0.2) : this.step(panel, 1)),
      ArrowLeft: () => (event.shiftKey ? move(-0.2) : this.step(panel, -1)),
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

  step(panel, direction) {
    const series = panel.lines.map((line) => line.series).findLast((candidate) => candidate.x.length);
    if (!series) return;
    const k = this.cursor === null ? series.x.length - 1 : series.nearest(this.cursor) + direction;
    this.setCursor(series.x[Math.max(0, Math.min(series.x.length - 1, k))]);
  }
}

function buildChoice(box, options, role, choose) {
  box.replaceChildren();
  for (const [id, label] of options) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.dataset.id = id;
    if (role) button.setAttribute("role", role);
    button.onclick = () => choose(id);
    box.append(button);
  }
}

function markChoice(box, id, attribute) {
  for (const button of box.children) button.setAttribute(attribute, String(button.dataset.id === id));
}
