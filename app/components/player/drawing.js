/* What every canvas of the players shares: colours of the theme, lines, numbers. */

function themeOf(host) {
  const style = getComputedStyle(host);
  const color = (name) => style.getPropertyValue(`--st-${name}`).trim();
  return {
    text: color("text-color"),
    border: color("border-color"),
    primary: color("primary-color"),
    surface: color("secondary-background-color"),
    background: color("background-color"),
    green: color("green-color"),
    red: color("red-color"),
    orange: color("orange-color"),
    font: style.getPropertyValue("--st-font").trim() || "sans-serif",
    palette: color("chart-categorical-colors").split(","),
  };
}

/** Fit a canvas to its place on the page and return a context whose unit is a CSS pixel. */
function freshContext(canvas, width = canvas.clientWidth, height = canvas.clientHeight) {
  const scale = window.devicePixelRatio;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  const g = canvas.getContext("2d");
  g.setTransform(1, 0, 0, 1, 0, 0);
  g.clearRect(0, 0, w, h);
  g.setTransform(scale, 0, 0, scale, 0, 0);
  return g;
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

function arrowHead(g, x, y, angle, size) {
  const side = (turn) => [x - size * Math.cos(angle + turn), y - size * Math.sin(angle + turn)];
  g.setLineDash([]);
  line(g, [side(0.5), [x, y], side(-0.5)]);
}

/** A sample of a line for a legend. */
function lineSample(color, dashed) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 26 10");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M1 5h24");
  path.setAttribute("stroke", color);
  path.setAttribute("stroke-width", "2.5");
  if (dashed) path.setAttribute("stroke-dasharray", "5 4");
  svg.append(path);
  return svg;
}

function legendItem(label, sample) {
  const item = element("span", "", "item");
  item.append(sample, element("span", label));
  return item;
}

/** Largest absolute value; a loop, because a recording can be longer than an argument list. */
function largest(values) {
  let most = 0;
  for (const value of values) if (Number.isFinite(value) && Math.abs(value) > most) most = Math.abs(value);
  return most;
}

/** How far each dimension reaches in an episode, so that an arrow of full length is the fastest it drove. */
function reaches(dims) {
  const reach = Object.fromEntries(dims.map((dim) => [dim.name, largest(dim.values)]));
  const linear = Math.max(reach.linear_x ?? 0, reach.linear_y ?? 0, 1e-6);
  return { linear, turn: Math.max(reach.angular_z ?? 0, 1e-6) };
}

/** The commanded motion as an arrow on the floor in front of the camera: up is forward, left is left, an arc is a turn. */
function drawMotion(g, width, height, dims, values, reach, color, dashed) {
  const of = (name) => values[dims.findIndex((dim) => dim.name === name)] ?? 0;
  const clip = (value) => Math.max(-1.15, Math.min(1.15, value));
  const length = Math.min(width, height) * 0.3;
  const [x0, y0] = [width / 2, height * 0.72];
  const dx = -clip(of("linear_y") / reach.linear) * length;
  // The floor is seen at an angle: what leads away looks shorter than what leads sideways.
  const dy = -clip(of("linear_x") / reach.linear) * length * 0.8;
  const turn = clip(of("angular_z") / reach.turn);
  const stroke = (style, wide) => {
    g.strokeStyle = g.fillStyle = style;
    g.lineWidth = wide;
    g.lineCap = g.lineJoin = "round";
    g.setLineDash(dashed ? [7, 6] : []);
    if (Math.hypot(dx, dy) > 3) {
      line(g, [[x0, y0], [x0 + dx, y0 + dy]]);
      arrowHead(g, x0 + dx, y0 + dy, Math.atan2(dy, dx), 14);
    } else if (Math.abs(turn) <= 0.02) dot(g, x0, y0, wide);
    if (Math.abs(turn) > 0.02) {
      const radius = length * 0.62;
      const end = -Math.PI / 2 - turn * 1.3;
      g.setLineDash(dashed ? [7, 6] : []);
      g.beginPath();
      g.arc(x0, y0, radius, -Math.PI / 2, end, turn > 0);
      g.stroke();
      arrowHead(g, x0 + radius * Math.cos(end), y0 + radius * Math.sin(end), end + (turn > 0 ? -1 : 1) * (Math.PI / 2), 10);
    }
    g.setLineDash([]);
  };
  // A dark rim keeps the arrow visible on any picture.
  stroke("rgba(0, 0, 0, 0.55)", dashed ? 5 : 8);
  stroke(color, dashed ? 2.5 : 4.5);
}
