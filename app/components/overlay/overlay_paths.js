/* Ways over the floor from above: what was driven, what the predicted commands make of it, and the chunk from here. */

/** Follow commands from a pose {x, y, heading}; each holds for one frame, and a turn bends the way within it. */
function follow(pose, chunk, dims, fps) {
  const column = (name) => dims.findIndex((dim) => dim.name === name);
  const [forward, left, turn] = ["linear_x", "linear_y", "angular_z"].map(column);
  let { x, y, heading } = pose;
  const points = [[x, y]];
  for (const values of chunk) {
    const of = (k) => (k < 0 ? 0 : (values[k] ?? 0) / fps);
    const middle = heading + of(turn) / 2;
    x += of(forward) * Math.cos(middle) - of(left) * Math.sin(middle);
    y += of(forward) * Math.sin(middle) + of(left) * Math.cos(middle);
    heading += of(turn);
    points.push([x, y]);
  }
  return points;
}

class OverlayPaths {
  constructor(canvas) {
    this.canvas = canvas;
    this.floor = new FloorPath(canvas);
  }

  /** `ways` are {points: [[x, y]], color, width, dashed, alpha}; `robot` is {x, y, heading} or null. */
  draw(ways, robot, unit, theme) {
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width) return;
    const g = freshContext(this.canvas, width, height);
    const all = ways.flatMap(({ points }) => points);
    if (!all.length) return;
    const reach = (k) => all.reduce(([low, high], point) => [Math.min(low, point[k]), Math.max(high, point[k])], [0, 0]);
    const [down, up] = reach(0);
    const [right, left] = reach(1);
    const margin = 16;
    const scale = Math.min((width - 2 * margin) / Math.max(left - right, 1e-6), (height - 2 * margin - 12) / Math.max(up - down, 1e-6), 1e6);
    const place = ([x, y]) => [width / 2 - (y - (left + right) / 2) * scale, (height - 12) / 2 - (x - (down + up) / 2) * scale];
    g.lineJoin = g.lineCap = "round";
    for (const { points, color, width: wide, dashed, alpha } of ways) {
      g.strokeStyle = g.fillStyle = color;
      g.lineWidth = wide;
      g.globalAlpha = alpha ?? 1;
      g.setLineDash(dashed ? [5, 5] : []);
      line(g, points.map(place));
      g.setLineDash([]);
      if (points.length > 1) dot(g, ...place(points.at(-1)), wide + 0.8);
      g.globalAlpha = 1;
    }
    if (robot) this.floor.drawRobot(g, place([robot.x, robot.y]), robot.heading, theme);
    this.floor.drawScale(g, unit, scale, width, height, theme);
  }
}

/** Every way that the overlay shows at a frame. */
function overlayWays({ data, theme, index }, runs) {
  const zip = ({ x, y }) => x.map((value, k) => [value, y[k]]);
  const pose = { x: data.path.x[index], y: data.path.y[index], heading: data.path.heading[index] };
  const ways = [{ points: zip(data.path), color: theme.text, width: 2, alpha: 0.55 }];
  for (const run of runs) {
    if (!run.ready) continue;
    ways.push({ points: zip(run.path), color: run.color, width: 1.6, dashed: true, alpha: 0.9 });
    const chunk = run.chunk(index, data.dims, data.frames);
    if (chunk) ways.push({ points: follow(pose, chunk, data.dims, data.fps), color: run.color, width: 3.2 });
  }
  return [ways, pose];
}

/** How far apart the ways end, one line a run. */
function tellEnds(caption, { data }, runs) {
  caption.replaceChildren();
  for (const run of runs) {
    if (!run.ready) continue;
    const row = element("span", "", "end");
    const swatch = element("span", "", "swatch");
    swatch.style.background = run.color;
    row.append(swatch, element("span", runs.length > 1 ? `${run.short}: ${run.path.told}` : run.path.told));
    caption.append(row);
  }
  const how = data.path.unit ? "Commands integrated" : "Shape of the commands' way";
  caption.append(element("span", `${how}: driven, predicted (dashed), and the chunk from here (thick).`, "end quiet"));
}
