/* Lines as arrays of x and y, and what is made of them before they are drawn. A value that is not finite is null. */

class Series {
  constructor(x, y) {
    this.x = x;
    this.y = y;
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

/** A running mean that forgets by `weight` over the usual distance of two points: points that were left out do not bend it. */
function smoothed(series, weight) {
  const distances = [];
  const every = Math.max(1, Math.floor(series.x.length / 500));
  for (let k = every; k < series.x.length; k += every) distances.push((series.x[k] - series.x[k - every]) / every);
  const usual = distances.sort((a, b) => a - b)[distances.length >> 1] || 1;
  let sum = 0;
  let norm = 0;
  let last = null;
  const y = series.y.map((value, k) => {
    if (value === null) return null;
    const keep = last === null ? 0 : weight ** Math.max(0, (series.x[k] - last) / usual);
    sum = sum * keep + value * (1 - weight);
    norm = norm * keep + (1 - weight);
    last = series.x[k];
    return sum / norm;
  });
  return new Series(series.x, y);
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
  for (let k = Math.ceil(min / step - 1e-9); k * step <= max + step * 1e-9; k++) ticks.push(k * step);
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
  if (value === 0) return "0";
  if (Math.abs(value) < 1e-3) return value.toExponential(0);
  if (Math.abs(value) >= 1e5) return value.toExponential(Number((Math.abs(value) / 10 ** Math.floor(Math.log10(Math.abs(value)))).toFixed(1)) % 1 ? 1 : 0);
  return String(Number(value.toPrecision(4)));
}

function short(value) {
  if (value === null || value === undefined) return "not a number";
  const size = Math.abs(value);
  if (size >= 1000) return String(Math.round(value));
  if (size >= 10) return value.toFixed(1);
  return size >= 1e-3 || value === 0 ? value.toFixed(4) : value.toExponential(2);
}

function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
