/* One chart: lines over a common x axis, which several panels share through `view`.
 *
 * view = {theme, axisLabel, zoom, cursor, smoothing, extent(), best}: see SharedView in shared_view.js.
 * A line is {label, series, color, faint, dashed, unit}.
 */

class Panel {
  constructor(view, { title, log = false, first = false, percent = false, best = false }) {
    Object.assign(this, { view, title, log, percent, best, lines: [] });
    this.box = document.createElement("div");
    this.box.className = "panel";
    const heading = document.createElement("h4");
    heading.textContent = title;
    this.legend = document.createElement("div");
    this.legend.className = "legend";
    this.canvas = document.createElement("canvas");
    this.canvas.className = first ? "plot chart" : "plot";
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", title);
    this.box.append(heading, this.legend, this.canvas);
    view.control(this);
  }

  show(lines) {
    this.lines = lines;
    this.legend.replaceChildren();
    this.marks = lines.map((line) => {
      const item = document.createElement("span");
      const mark = document.createElement("i");
      mark.style.color = this.colorOf(line);
      mark.style.opacity = line.faint ? 0.45 : 1;
      if (line.dashed) mark.className = "dashed";
      const text = document.createElement("b");
      text.style.fontWeight = 400;
      item.append(mark, text);
      this.legend.append(item);
      return text;
    });
    this.draw();
  }

  colorOf(line) {
    const { palette } = this.view.theme;
    return palette[line.color % palette.length];
  }

  /** Lowest and highest value in sight, with a margin; null where nothing can be drawn. */
  valueRange({ low, high }) {
    let min = Infinity;
    let max = -Infinity;
    for (const { series } of this.lines) {
      const last = Math.min(series.x.length - 1, series.before(high) + 1);
      for (let k = Math.max(0, series.before(low)); k <= last; k++) {
        const value = series.y[k];
        if (value === null || (this.log && value <= 0)) continue;
        if (value < min) min = value;
        if (value > max) max = value;
      }
    }
    if (min > max) return null;
    if (this.log) return { min: min / 1.15, max: max * 1.15 };
    const bottom = min >= 0 && min < max * 0.5 ? 0 : min;
    const margin = (max - bottom || Math.abs(max) || 1) * 0.06;
    return { min: bottom === 0 ? 0 : bottom - margin, max: max + margin };
  }

  draw() {
    const { canvas, view } = this;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !view.theme) return;
    const scale = window.devicePixelRatio;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const g = canvas.getContext("2d");
    g.scale(scale, scale);
    g.font = `11px ${view.theme.font}`;
    this.plot = { left: 52, right: width - 10, top: 10, bottom: height - 34 };
    canvas.dataset.points = this.lines.reduce((sum, { series }) => sum + series.x.length, 0);
    const along = view.extent();
    const values = this.valueRange(along);
    this.tellValues();
    if (!values) {
      this.drawEmpty(g, width, height);
      this.drawMissing(g, along);
      return;
    }
    const { left, right, top, bottom } = this.plot;
    const level = this.log ? Math.log10 : (value) => value;
    const [least, most] = [level(values.min), level(values.max)];
    const x = (at) => left + ((at - along.low) / (along.high - along.low)) * (right - left);
    const y = (value) => bottom - ((level(value) - least) / (most - least)) * (bottom - top);
    this.drawAxes(g, along, this.log ? logTicks(values) : linearTicks(values), x, y);
    g.save();
    g.beginPath();
    g.rect(left, top - 6, right - left, bottom - top + 10);
    g.clip();
    if (this.best) this.drawBest(g, x);
    for (const line of this.lines) this.drawLine(g, line, along, x, y);
    this.drawSelection(g, x);
    this.drawCursor(g, x, y);
    g.restore();
  }

  drawEmpty(g, width, height) {
    g.fillStyle = this.view.theme.text;
    g.globalAlpha = 0.75;
    g.textAlign = "center";
    g.fillText(this.view.emptyText, width / 2, height / 2);
    g.globalAlpha = 1;
  }

  drawMissing(g, along) {
    const { left, right } = this.plot;
    const x = (at) => left + ((at - along.low) / (along.high - along.low)) * (right - left);
    for (const { series } of this.lines) series.y.forEach((value, k) => value === null && this.drawNotFinite(g, x(series.x[k])));
  }

  drawAxes(g, along, valueTicks, x, y) {
    const { left, right, top, bottom } = this.plot;
    g.strokeStyle = this.view.theme.border;
    g.fillStyle = this.view.theme.text;
    g.lineWidth = 0.8;
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const tick of valueTicks) {
      stroke(g, [[left, y(tick)], [right, y(tick)]]);
      g.fillText(this.percent ? `${tickText(tick)} %` : tickText(tick), left - 6, y(tick));
    }
    g.textAlign = "center";
    g.textBaseline = "top";
    const count = Math.max(2, Math.floor((right - left) / 80));
    for (const tick of linearTicks({ min: along.low, max: along.high }, count)) {
      stroke(g, [[x(tick), bottom], [x(tick), bottom + 4]]);
      g.fillText(tickText(tick), Math.min(x(tick), right - 8), bottom + 5);
    }
    g.fillText(this.view.axisLabel, (left + right) / 2, bottom + 19);
    stroke(g, [[left, top], [left, bottom], [right, bottom]]);
  }

  drawBest(g, x) {
    const { best, theme } = this.view;
    if (best === null || best === undefined) return;
    const { left, right, top, bottom } = this.plot;
    g.strokeStyle = g.fillStyle = theme.text;
    g.globalAlpha = 0.6;
    g.setLineDash([4, 4]);
    g.lineWidth = 1.2;
    stroke(g, [[x(best), top], [x(best), bottom]]);
    g.setLineDash([]);
    g.globalAlpha = 0.9;
    const beyond = x(best) > (left + right) / 2;
    g.textAlign = beyond ? "right" : "left";
    g.textBaseline = "top";
    g.fillText("best", x(best) + (beyond ? -5 : 5), top - 2);
    g.globalAlpha = 1;
  }

  drawLine(g, line, along, x, y) {
    const { smoothing } = this.view;
    const soft = smoothing > 0 && line.series.x.length > 2;
    this.drawPath(g, line, line.series, along, x, y, soft ? 0.28 : line.faint ? 0.5 : 1, line.faint || soft ? 1.1 : 2);
    if (soft) this.drawPath(g, line, this.smooth(line), along, x, y, 1, 2);
    const { series } = line;
    const first = Math.max(0, series.before(along.low));
    const last = Math.min(series.x.length - 1, series.before(along.high) + 1);
    let marked = -Infinity;
    for (let k = first; k <= last; k++) {
      if (series.y[k] === null) {
        // One cross a few pixels: a thousand in a row would be one red bar.
        const px = x(series.x[k]);
        if (px - marked > 3) this.drawNotFinite(g, (marked = px));
      } else if (!line.faint && last - first < 150 && (!this.log || series.y[k] > 0)) {
        g.fillStyle = this.colorOf(line);
        g.globalAlpha = soft ? 0.4 : 1;
        dot(g, x(series.x[k]), y(series.y[k]), 2.6);
        g.globalAlpha = 1;
      }
    }
  }

  smooth(line) {
    const { smoothing } = this.view;
    if (line.smoothed?.of !== line.series || line.smoothed.weight !== smoothing) {
      line.smoothed = { of: line.series, weight: smoothing, series: smoothed(line.series, smoothing) };
    }
    return line.smoothed.series;
  }

  drawPath(g, line, series, along, x, y, alpha, width) {
    const first = Math.max(0, series.before(along.low));
    const last = Math.min(series.x.length - 1, series.before(along.high) + 1);
    g.strokeStyle = this.colorOf(line);
    g.lineWidth = width;
    g.globalAlpha = alpha;
    g.setLineDash(line.dashed ? [5, 4] : []);
    g.beginPath();
    let pen = false;
    for (const point of decimated(series, first, last, x, this.log)) {
      if (point === null) pen = false;
      else {
        if (pen) g.lineTo(point[0], y(point[1]));
        else g.moveTo(point[0], y(point[1]));
        pen = true;
      }
    }
    g.stroke();
    g.setLineDash([]);
    g.globalAlpha = 1;
  }

  drawNotFinite(g, px) {
    const { top } = this.plot;
    g.strokeStyle = this.view.theme.red;
    g.lineWidth = 2;
    stroke(g, [[px - 4, top - 2], [px + 4, top + 6]]);
    stroke(g, [[px - 4, top + 6], [px + 4, top - 2]]);
  }

  drawSelection(g, x) {
    const { selection, theme } = this.view;
    if (!selection) return;
    g.fillStyle = theme.primary;
    g.globalAlpha = 0.18;
    g.fillRect(x(selection[0]), this.plot.top, x(selection[1]) - x(selection[0]), this.plot.bottom - this.plot.top);
    g.globalAlpha = 1;
  }

  drawCursor(g, x, y) {
    const { cursor, theme } = this.view;
    if (cursor === null) return;
    g.strokeStyle = theme.text;
    g.globalAlpha = 0.5;
    g.lineWidth = 1;
    stroke(g, [[x(cursor), this.plot.top], [x(cursor), this.plot.bottom]]);
    g.globalAlpha = 1;
    for (const line of this.lines) {
      const k = line.series.nearest(cursor);
      if (k < 0 || line.series.y[k] === null || (this.log && line.series.y[k] <= 0)) continue;
      g.fillStyle = this.colorOf(line);
      dot(g, x(line.series.x[k]), y(line.series.y[k]), 3.6);
    }
  }

  /** The values at the cursor, in the legend, so that all panels tell theirs at once. */
  tellValues() {
    const { cursor } = this.view;
    this.lines.forEach((line, at) => {
      let text = line.label;
      const k = cursor === null ? -1 : line.series.nearest(cursor);
      if (k >= 0) text += ` ${short(line.series.y[k])}${line.series.y[k] === null || !line.unit ? "" : ` ${line.unit}`}`;
      if (this.marks[at].textContent !== text) this.marks[at].textContent = text;
    });
  }
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
