/* The way over the floor that the commands make, seen from above. The robot starts upwards; left is left.
 *
 * path = {x: [m], y: [m], heading: [rad], unit: "m" | ""}: position before each command; forward and left positive,
 * counter-clockwise positive. Without a unit only the shape means something.
 */

class FloorPath {
  constructor(canvas) {
    this.canvas = canvas;
  }

  draw(path, index, theme) {
    const size = this.canvas.clientWidth;
    if (!size) return;
    const g = freshContext(this.canvas, size, this.canvas.clientHeight);
    const height = this.canvas.clientHeight;
    const span = { left: 0, right: 0, down: 0, up: 0 };
    path.x.forEach((x, k) => {
      span.up = Math.max(span.up, x);
      span.down = Math.min(span.down, x);
      span.left = Math.max(span.left, path.y[k]);
      span.right = Math.min(span.right, path.y[k]);
    });
    const margin = 16;
    const wide = Math.max(span.left - span.right, 1e-6);
    const high = Math.max(span.up - span.down, 1e-6);
    const scale = Math.min((size - 2 * margin) / wide, (height - 2 * margin - 12) / high, 1e6);
    const middle = [(span.left + span.right) / 2, (span.up + span.down) / 2];
    const place = (k) => [size / 2 - (path.y[k] - middle[0]) * scale, (height - 12) / 2 - (path.x[k] - middle[1]) * scale];
    const way = (from, to) => Array.from({ length: to - from + 1 }, (_, k) => place(from + k));
    g.lineJoin = "round";
    g.strokeStyle = theme.text;
    g.globalAlpha = 0.35;
    g.lineWidth = 1.6;
    line(g, way(0, path.x.length - 1));
    g.globalAlpha = 1;
    g.strokeStyle = theme.primary;
    g.lineWidth = 3;
    line(g, way(0, index));
    g.fillStyle = theme.text;
    dot(g, ...place(0), 3);
    this.drawRobot(g, place(index), path.heading[index], theme);
    this.drawScale(g, path.unit, scale, size, height, theme);
  }

  drawRobot(g, [x, y], heading, theme) {
    g.save();
    g.translate(x, y);
    g.rotate(-heading);
    g.fillStyle = theme.orange;
    g.strokeStyle = theme.surface;
    g.lineWidth = 1.5;
    g.beginPath();
    g.moveTo(0, -9);
    g.lineTo(6, 6);
    g.lineTo(0, 3);
    g.lineTo(-6, 6);
    g.closePath();
    g.fill();
    g.stroke();
    g.restore();
  }

  drawScale(g, unit, scale, size, height, theme) {
    g.fillStyle = g.strokeStyle = theme.text;
    g.font = `10px ${theme.font}`;
    g.textBaseline = "alphabetic";
    g.globalAlpha = 0.8;
    g.textAlign = "left";
    if (!unit) g.fillText("relative: no metres known", 4, height - 4);
    else {
      const length = niceStep(size / 5 / scale, false);
      g.lineWidth = 1.4;
      line(g, [[5, height - 11], [5, height - 6], [5 + length * scale, height - 6], [5 + length * scale, height - 11]]);
      g.fillText(`${tickText(length)} ${unit}`, 11 + length * scale, height - 4);
    }
    g.globalAlpha = 1;
  }
}
