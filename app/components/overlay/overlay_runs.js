/* What the runs predicted for one episode, fetched once for each run and kept.
 *
 * run = {id, label, url} of the page; fetched it becomes also
 *   {names, units, last: [frame], predicted: [window][step][axis], band: [step][axis], errors: [window], errorUnit,
 *    worst: [{frame, error}], path: {x, y, heading, first, ends, apart, share}}
 */

class EvaluatedRun {
  constructor(given, color) {
    Object.assign(this, given, { color, ready: false, fault: "" });
  }

  async load() {
    try {
      const answer = await fetch(this.url);
      if (answer.ok) Object.assign(this, await answer.json(), { ready: true });
      else this.fault = (await answer.text()).slice(0, 400);
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      this.fault = "The server did not answer; reload the page to try again.";
    }
    if (this.ready) this.windows = new Map(this.last.map((frame, row) => [frame, row]));
    return this;
  }

  axis(dim) {
    const found = this.names.indexOf(dim.name);
    return found >= 0 && this.units[found] === dim.unit ? found : -1;
  }

  /** What was predicted about a frame, `step` frames ahead (1: when it was the last frame seen); null where nothing was. */
  at(frame, step, axis) {
    const row = this.windows.get(frame - step + 1);
    return row === undefined || axis < 0 ? null : this.predicted[row][step - 1][axis];
  }

  /** The whole chunk that begins at a frame, [step][dimension] in the order of `dims`; null where no window ends there. */
  chunk(frame, dims, frames) {
    const row = this.windows.get(frame);
    if (row === undefined) return null;
    const axes = dims.map((dim) => this.axis(dim));
    return this.predicted[row].slice(0, frames - frame).map((values) => axes.map((axis) => (axis < 0 ? 0 : values[axis])));
  }

  errorAt(frame) {
    const row = this.windows.get(frame);
    return row === undefined ? null : this.errors[row];
  }
}

/** One panel for each axis; the runs share it. */
function overlayPanels({ data, theme, step, fans, band }, runs) {
  const last = Math.max(1, data.frames - 1);
  const at = data.frames > 1 ? (k) => k / last : () => 0.5;
  const frames = Array.from({ length: data.frames }, (_, k) => k);
  return data.dims.map((dim) => {
    const known = runs.map((run) => [run, run.axis(dim)]).filter(([, axis]) => axis >= 0);
    const lines = known.map(([run, axis]) => ({ run, axis, values: frames.map((frame) => run.at(frame, step, axis)) }));
    const series = [];
    if (band) {
      for (const { run, axis, values } of lines) {
        const half = run.band[step - 1]?.[axis];
        if (half) series.push({ values, at, color: run.color, width: 0, fill: half, alpha: runs.length > 1 ? 0.12 : 0.2 });
      }
    }
    if (fans) for (const { run, axis } of lines) series.push(fanOf(run, axis, data.frames, at));
    series.push({ values: dim.values, at, color: theme.text, width: 2.6, dots: data.frames <= 80 });
    for (const { run, values } of lines) series.push({ values, at, color: run.color, width: 2.2, dashed: true });
    return { label: `${dim.name} [${dim.unit}], + is ${dim.positive}`, series, ...spanOf(spread(series)) };
  });
}

/** Every chunk of a run as a thin line of its own: the values of all, with gaps between. */
function fanOf(run, axis, frames, at) {
  const values = [];
  const places = [];
  run.last.forEach((frame, row) => {
    run.predicted[row].slice(0, frames - frame).forEach((actions, ahead) => {
      values.push(actions[axis]);
      places.push(frame + ahead);
    });
    values.push(null);
    places.push(0);
  });
  return { values, at: (k) => at(places[k]), color: run.color, width: 1, alpha: 0.45 };
}

/** All values of some series, bands included. */
function spread(series) {
  return series.flatMap(({ values, fill }) => {
    const known = values.filter((value) => value !== null);
    return fill ? known.flatMap((value) => [value - fill, value + fill]) : known;
  });
}

/** The chunks that begin at the present frame, drawn over the chart on a canvas of its own. */
function drawChunksNow(canvas, chart, { data, index }, runs) {
  const g = freshContext(canvas, chart.canvas.clientWidth, chart.height);
  const last = Math.max(1, data.frames - 1);
  g.lineJoin = g.lineCap = "round";
  for (const run of runs) {
    const chunk = run.chunk(index, data.dims, data.frames);
    if (!chunk) continue;
    g.strokeStyle = run.color;
    g.lineWidth = 3.4;
    data.dims.forEach((dim, k) => {
      if (run.axis(dim) < 0) return;
      const panel = chart.panels[k];
      line(g, chunk.map((values, ahead) => [chart.x((index + ahead) / last), panel.y(values[k])]));
    });
  }
}

function buildOverlayLegend({ data, theme, legend, step, band }, runs) {
  legend.replaceChildren(legendItem("driven", lineSample(theme.text, false)));
  for (const run of runs) {
    const said = run.fault ? `${run.label}: ${run.fault}` : run.ready ? run.label : `${run.label}, loading`;
    legend.append(legendItem(said, lineSample(run.color, true)));
  }
  if (runs.some((run) => run.ready)) {
    const ahead = step === 1 ? "first command of each chunk" : `step ${step} of each chunk`;
    const around = band ? "; the band is \u00b1 the typical error (RMSE) of this axis and step" : "";
    legend.append(element("span", `dashed: ${ahead}; thick: the chunk from here${around}`, "item quiet"));
  }
  if (data.events.some(([, kind]) => kind === "start")) legend.append(element("span", "\u25b6 driver starts, \u25a0 stops", "item quiet"));
}

function buildOverlayValues({ data, theme, values }, runs) {
  const heads = rowOf("th", ["", "driven", ...runs.map((run) => run.short), ""]);
  [theme.text, ...runs.map((run) => run.color)].forEach((color, k) => {
    const swatch = element("span", "", "swatch");
    swatch.style.background = color;
    heads.cells[k + 1].prepend(swatch);
    if (k) heads.cells[k + 1].title = runs[k - 1].label;
  });
  values.tHead.replaceChildren(heads);
  const rows = [...data.dims.map((dim) => [dim.name, dim.unit]), ["error of the chunk", runs[0]?.errorUnit ?? ""]];
  values.tBodies[0].replaceChildren(
    ...rows.map(([name, unit]) => {
      const row = rowOf("td", ["-", ...runs.map(() => "-"), unit]);
      row.lastChild.className = "unit";
      const head = element("th", name);
      head.scope = "row";
      row.prepend(head);
      return row;
    }),
  );
}

function showOverlayValues({ data, index, step, values }, runs) {
  const rows = [...values.tBodies[0].rows];
  data.dims.forEach((dim, k) => {
    rows[k].cells[1].textContent = format(dim.values[index]);
    runs.forEach((run, r) => (rows[k].cells[r + 2].textContent = run.ready ? format(run.at(index, step, run.axis(dim))) : "-"));
  });
  runs.forEach((run, r) => (rows.at(-1).cells[r + 2].textContent = run.ready ? format(run.errorAt(index)) : "-"));
}
