(() => {
  const texts = document.body.dataset;
  const print = document.createElement("button");
  print.type = "button";
  print.textContent = texts.print;
  print.addEventListener("click", () => window.print());
  const tools = document.querySelector(".tools");
  if (tools) tools.append(print);

  // What is folded on the screen is printed in full, in every browser.
  const folded = [...document.querySelectorAll("details")];
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = folded.filter((each) => !each.open);
    for (const each of opened) each.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const each of opened) each.open = false;
  });

  const namespace = "http://www.w3.org/2000/svg";
  for (const svg of document.querySelectorAll("svg[data-marks]")) {
    const { series } = JSON.parse(svg.dataset.marks);
    const panel = svg.closest(".panel");
    const hidden = new Set();
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.setAttribute("role", "status");
    tip.hidden = true;
    const dot = document.createElementNS(namespace, "circle");
    dot.setAttribute("r", "3.4");
    dot.setAttribute("class", "dot");
    dot.style.display = "none";
    svg.append(dot);
    panel.append(tip);
    svg.setAttribute("tabindex", "0");

    let current = null;
    const show = (found) => {
      current = found;
      const [x, y, text] = series[found.series].points[found.point];
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
      dot.style.display = "";
      tip.textContent = text;
      tip.hidden = false;
      const scale = svg.clientWidth / svg.viewBox.baseVal.width;
      const left = Math.min(Math.max(x * scale, tip.offsetWidth / 2), svg.clientWidth - tip.offsetWidth / 2);
      const above = y * scale - tip.offsetHeight - 10;
      tip.style.left = `${svg.offsetLeft + left}px`;
      tip.style.top = `${panel.querySelector("svg").getBoundingClientRect().top - panel.getBoundingClientRect().top + (above < 0 ? y * scale + 12 : above)}px`;
    };
    const hide = () => {
      current = null;
      tip.hidden = true;
      dot.style.display = "none";
    };
    const nearest = (event) => {
      const box = svg.getBoundingClientRect();
      const scale = box.width / svg.viewBox.baseVal.width;
      const x = (event.clientX - box.left) / scale;
      const y = (event.clientY - box.top) / scale;
      let best = null;
      let least = 40 * 40;
      series.forEach((each, place) => {
        if (hidden.has(place)) return;
        each.points.forEach(([px, py], point) => {
          // Along the axis counts more: a reader points at an epoch first.
          const far = (px - x) ** 2 + 0.35 * (py - y) ** 2;
          if (far < least) {
            least = far;
            best = { series: place, point };
          }
        });
      });
      return best;
    };
    const point = (event) => {
      const found = nearest(event);
      if (found) show(found);
      else hide();
    };
    svg.addEventListener("pointermove", point);
    svg.addEventListener("pointerdown", point);
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key];
      if (event.key === "Escape") hide();
      if (!steps) return;
      event.preventDefault();
      const visible = series.map((_, place) => place).filter((place) => !hidden.has(place) && series[place].points.length);
      if (!visible.length) return;
      if (!current) return show({ series: visible[0], point: 0 });
      const row = visible[(visible.indexOf(current.series) + steps[0] + visible.length) % visible.length];
      const last = series[row].points.length - 1;
      show({ series: row, point: Math.min(Math.max(current.point + steps[1], 0), last) });
    });

    // Several drawn series may share a name: a row of axes, or the chunks of one prediction.
    const names = [...new Set(series.map((each) => each.name).filter(Boolean))];
    if (names.length < 2) continue;
    const buttons = document.createElement("div");
    buttons.className = "switches";
    buttons.setAttribute("role", "group");
    buttons.setAttribute("aria-label", texts.series);
    for (const name of names) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        const gone = button.getAttribute("aria-pressed") === "true";
        button.setAttribute("aria-pressed", String(!gone));
        series.forEach((each, place) => {
          if (each.name !== name) return;
          if (gone) hidden.add(place);
          else hidden.delete(place);
          for (const drawn of svg.querySelectorAll(`[id^="${svg.id}-series-${place}-"]`)) {
            drawn.style.display = gone ? "none" : "";
          }
        });
        hide();
      });
      buttons.append(button);
    }
    panel.append(buttons);
  }
})();
