/* Values over the course of an episode, one panel a unit, with a cursor, events and the kept part.
 *
 * A panel is {label, low, high, ticks, series: [{values, at, color, width, dashed, dots, fill, alpha}]}, where at(k) is the place of
 * the k-th value on the axis, 0 to 1, and a series with `fill` is a band of that half height instead of a line.
 */

class TimeChart {
  /** The canvas gets a holder with the cursor: elements that are moved, so that no step paints the chart anew. */
  constructor(canvas) {
    this.canvas = canvas;
    this.holder = element("div", "", "chart-holder");
    this.cursor = element("i", "", "chart-cursor");
    this.dots = [];
    // On a page that is drawn a second time the canvas may still be in the holder of the first.
    (canvas.closest(".chart-holder") ?? canvas).replaceWith(this.holder);
    this.holder.append(canvas, this.cursor);
  }

  /** The part that does not move with the cursor, drawn once. `marks` are {at, kind} with kind "start", "stop" or "flag". */
  build({ panels, theme, axis, marks = [], kept = null, panelHeight }) {
    Object.assign(this, { panels, theme });
    const width = this.canvas.clientWidth;
    const gap = 16;
    const axisHeight = 18;
    const top = marks.length || panels[0].label ? 16 : 6;
    this.height = top + panels.length * panelHeight + (panels.length - 1) * gap + axisHeight;
    this.canvas.style.height = `${this.height}px`;
    this.plot = { left: 48, right: width - 12, top };
    const g = freshContext(this.canvas, width, this.height);
    g.font = `11px ${theme.font}`;
    panels.forEach((panel, p) => {
      panel.top = top + p * (panelHeight + gap);
      panel.bottom = panel.top + panelHeight - 6;
      this.drawPanel(g, panel);
    });
    if (kept) this.drawKept(g, kept);
    this.drawMarks(g, marks);
    this.drawAxis(g, axis);
    this.cursor.style.top = `${panels[0].top - 4}px`;
    this.cursor.style.height = `${panels.at(-1).bottom - panels[0].top + 4}px`;
  }

  x(share) {
    return this.plot.left + share * (this.plot.right - this.plot.left);
  }

  /** Where a pointer is on the axis, 0 to 1. */
  shareAt(clientX) {
    const share = (clientX - this.canvas.getBoundingClientRect().left - this.plot.left) / (this.plot.right - this.plot.left);
    return Math.max(0, Math.min(1, share));
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
    for (const series of panel.series) this.drawSeries(g, panel, series);
    if (panel.label) {
      // Above the panel: inside it would hide a part of the lines.
      g.fillStyle = this.theme.text;
      g.textAlign = "left";
      g.textBaseline = "bottom";
      g.fillText(panel.label, left, panel.top - 2);
    }
  }

  drawSeries(g, panel, { values, at, color, width, dashed, dots, fill, alpha }) {
    g.strokeStyle = g.fillStyle = color;
    g.globalAlpha = alpha ?? 1;
    if (fill) {
      this.drawBand(g, panel, values, at, fill);
      g.globalAlpha = 1;
      return;
    }
    g.lineWidth = width;
    g.setLineDash(dashed ? [5, 4] : []);
    g.beginPath();
    let pen = false;
    values.forEach((value, k) => {
      if (value === null || value === undefined) {
        pen = false;
        return;
      }
      if (pen) g.lineTo(this.x(at(k)), panel.y(value));
      else g.moveTo(this.x(at(k)), panel.y(value));
      pen = true;
    });
    g.stroke();
    g.setLineDash([]);
    if (dots) values.forEach((value, k) => value !== null && dot(g, this.x(at(k)), panel.y(value), 2.4));
    g.globalAlpha = 1;
  }

  /** A band of `half` above and below the values; it ends where a value is missing. */
  drawBand(g, panel, values, at, half) {
    const stretch = [];
    const flush = () => {
      if (stretch.length > 1) {
        const edge = (side) => stretch.map((k) => [this.x(at(k)), panel.y(values[k] + side * half)]);
        g.beginPath();
        [...edge(1), ...edge(-1).reverse()].forEach(([x, y], k) => (k ? g.lineTo(x, y) : g.moveTo(x, y)));
        g.fill();
      }
      stretch.length = 0;
    };
    values.forEach((value, k) => (value === null || value === undefined ? flush() : stretch.push(k)));
    flush();
  }

  /** What was trimmed away is veiled, and the ends of what is kept are drawn as brackets. */
  drawKept(g, [first, last]) {
    const { left, right } = this.plot;
    const top = this.panels[0].top - 4;
    const bottom = this.panels.at(-1).bottom;
    g.fillStyle = this.theme.text;
    g.globalAlpha = 0.13;
    g.fillRect(left, top, this.x(first) - left, bottom - top);
    g.fillRect(this.x(last), top, right - this.x(last), bottom - top);
    g.globalAlpha = 1;
    g.strokeStyle = this.theme.primary;
    g.lineWidth = 2;
    for (const [share, side] of [[first, 5], [last, -5]]) {
      const x = this.x(share);
      line(g, [[x + side, top], [x, top], [x, bottom], [x + side, bottom]]);
    }
  }

  drawMarks(g, marks) {
    const y = this.plot.top - 9;
    for (const { at, kind } of marks) {
      const x = this.x(at);
      g.fillStyle = { start: this.theme.green, stop: this.theme.red, flag: this.theme.orange }[kind] ?? this.theme.text;
      g.beginPath();
      if (kind === "start") {
        g.moveTo(x - 3, y - 4.5);
        g.lineTo(x + 5, y);
        g.lineTo(x - 3, y + 4.5);
      } else if (kind === "stop") g.rect(x - 3.5, y - 3.5, 7, 7);
      else g.rect(x - 1, y - 5, 2, 10);
      g.fill();
    }
  }

  /** `axis` is [{at, text}]. */
  drawAxis(g, axis) {
    g.fillStyle = this.theme.text;
    g.globalAlpha = 0.75;
    g.textAlign = "center";
    g.textBaseline = "bottom";
    for (const { at, text } of axis) g.fillText(text, this.x(at), this.height - 1);
    g.globalAlpha = 1;
  }

  /** Move the cursor to a place of the axis; `points` are {panel, value, color}, and may bring an `at` of their own. */
  draw(share, points) {
    this.cursor.style.transform = `translateX(${this.x(share) - 0.6}px)`;
    const known = points.filter(({ value }) => value !== null && value !== undefined);
    while (this.dots.length < known.length) {
      this.dots.push(element("i", "", "chart-dot"));
      this.holder.append(this.dots.at(-1));
    }
    this.dots.forEach((mark, k) => {
      mark.hidden = k >= known.length;
      if (mark.hidden) return;
      const { panel, value, color, at } = known[k];
      mark.style.background = color;
      mark.style.transform = `translate(${this.x(at ?? share) - 4.2}px, ${panel.y(value) - 4.2}px)`;
    });
  }
}

/** The span of some values with a margin and round ticks. */
function spanOf(values, wantedTicks = 4) {
  let low = 0;
  let high = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (high - low < 1e-6) high = low + 1;
  const margin = (high - low) * 0.08;
  const step = niceStep((high - low) / wantedTicks, false);
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k === 0 ? 0 : k * step);
  return { low: low - margin, high: high + margin, ticks };
}

/** Frame numbers, from 1, at round places of an axis that is `width` pixels long. */
function frameAxis(frames, width) {
  const last = frames - 1;
  const step = niceStep(Math.max(1, last) / Math.max(2, width / 90), true);
  const axis = [];
  for (let number = 0; number <= last + 1; number += step) {
    const k = Math.max(0, number - 1);
    if (number === 0 || number > 1) axis.push({ at: last ? k / last : 0.5, text: String(k + 1) });
  }
  return axis;
}
