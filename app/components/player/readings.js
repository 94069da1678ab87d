/* The parts of the player that say what is commanded: legend, table of values, panels of the chart. */

function buildLegend({ data, theme, legend, caption }) {
  legend.replaceChildren();
  data.dims.forEach((dim, k) => {
    legend.append(legendItem(`${dim.name} [${dim.unit}], + is ${dim.positive}`, lineSample(theme.palette[k], false)));
  });
  const kinds = new Set(data.events.map(([, kind]) => kind));
  const marks = { start: ["\u25b6", "driver starts", theme.green], stop: ["\u25a0", "driver stops", theme.red], flag: ["\u2503", "picture with a finding", theme.orange] };
  for (const [kind, [sign, meaning, color]] of Object.entries(marks)) {
    if (!kinds.has(kind)) continue;
    const sample = element("span", sign);
    sample.style.color = color;
    legend.append(legendItem(meaning, sample));
  }
  caption.textContent = data.path.told;
}

function buildValues({ data, theme, values }) {
  const body = values.tBodies[0];
  body.replaceChildren();
  data.dims.forEach((dim, k) => {
    const row = rowOf("td", ["", dim.unit]);
    row.cells[0].append(element("strong", "-"));
    row.lastChild.className = "unit";
    const name = element("th", dim.name);
    name.scope = "row";
    const swatch = element("span", "", "swatch");
    swatch.style.background = theme.palette[k];
    name.prepend(swatch);
    name.title = `positive: ${dim.positive}`;
    row.prepend(name);
    body.append(row);
  });
}

function showValues({ data, index, values }) {
  [...values.tBodies[0].rows].forEach((row, k) => (row.cells[1].firstChild.textContent = format(data.dims[k].values[index])));
}

/** One panel for each unit, so that metres a second and radians a second never share an axis. */
function unitPanels(data, theme) {
  const last = Math.max(1, data.frames - 1);
  const at = data.frames > 1 ? (k) => k / last : () => 0.5;
  return [...new Set(data.dims.map((dim) => dim.unit))].map((unit) => {
    const members = data.dims.map((dim, k) => ({ dim, color: theme.palette[k] })).filter(({ dim }) => dim.unit === unit);
    const series = members.map(({ dim, color }, k) => {
      // Keyboard drivers give the same value to two dimensions at once: the one below stays visible as a wider line.
      const below = members.length - 1 - k;
      return { values: dim.values, at, color, width: 1.8 + 2 * below, dots: data.frames <= 80 && below === 0 };
    });
    return { unit, series, ...spanOf(series.flatMap(({ values }) => values)) };
  });
}
