/** One episode: its picture, its arrow, its velocities in figures. */
class Pane {
  constructor(data, color, theme, onReady) {
    Object.assign(this, { data, theme, onReady, index: 0, reach: reaches(data.dims) });
    this.box = element("article", "", "pane");
    const title = element("h5", "");
    const swatch = element("span", "", "swatch");
    swatch.style.background = color;
    title.append(swatch, element("span", data.name));
    title.title = data.name;
    this.stage = element("div", "", "stage");
    this.stage.style.setProperty("--stage-ratio", `${data.width} / ${data.height}`);
    this.view = element("canvas", "", "view");
    this.view.setAttribute("role", "img");
    this.view.setAttribute("aria-label", `Camera frame of ${data.name}`);
    this.over = element("canvas", "", "over");
    this.fault = element("p", "", "fault");
    this.fault.hidden = true;
    this.stage.append(this.view, this.over, this.fault);
    this.reading = element("p", "", "reading");
    this.box.append(title, element("p", data.instruction || "no instruction", "told"), this.stage, this.reading);
  }

  layout() {
    fitStore(this, 1);
    this.drawOver();
  }

  show(index, direction, ended) {
    this.index = index;
    this.box.classList.toggle("ended", ended);
    const entry = this.store.get(index);
    if (entry) this.paint(entry);
    this.store.focus(index, direction);
    this.drawOver();
    const values = this.data.dims.map((dim) => `${dim.name} ${format(dim.values[index])}`).join(" \u00b7 ");
    this.reading.textContent = `${index + 1} of ${this.data.frames} \u00b7 ${values}`;
  }

  paint(entry) {
    paintFrame(this, entry);
    this.box.dataset.frame = this.index;
    this.onReady();
  }

  drawOver() {
    const g = freshContext(this.over);
    const values = this.data.dims.map((dim) => dim.values[this.index]);
    drawMotion(g, this.over.clientWidth, this.over.clientHeight, this.data.dims, values, this.reach, "#ffffff", false);
  }
}
