/* A scrubber whose steps are the frames of one episode: its picture with the commanded motion over it, a strip of small
 * pictures, and a chart over the frames.
 *
 * A kind of it adds build(), for what stays from frame to frame, and may add to what a frame shows: showPosition(),
 * cursorPoints(), motions() and spoken().
 */

class FrameScrubber extends Scrubber {
  constructor(root, stageHeightPx) {
    super(root);
    for (const name of ["stage", "view", "over", "fault", "values"]) this[name] = this.find(`.${name}`);
    this.caption = this.find(".floor figcaption");
    this.stageHeightPx = stageHeightPx;
    this.arrow = true;
    this.acts.arrow = () => this.toggle("arrow");
    this.strip = new PictureStrip(this.find(".strip"));
    this.drag(this.strip);
  }

  get index() {
    return this.position;
  }

  get last() {
    return this.data.frames - 1;
  }

  /** Take what the page says; true where that is another episode, or the same one with its frames from elsewhere. */
  take(data) {
    const before = this.data;
    const anotherEpisode = before?.episode !== data.episode;
    Object.assign(this, { data, theme: themeOf(this.host), reach: reaches(data.dims) });
    if (!anotherEpisode && before.url === data.url) return false;
    this.play(false);
    clearTimeout(this.remembering);
    if (anotherEpisode) this.position = this.bounded(data.start);
    this.stage.style.setProperty("--stage-ratio", `${data.width} / ${data.height}`);
    this.box.style.setProperty("--stage-width", `${Math.round((this.stageHeightPx * data.width) / data.height)}px`);
    this.chart.canvas.setAttribute("aria-valuemax", data.frames);
    this.store?.dispose();
    this.store = null;
    return true;
  }

  layout() {
    if (!this.data || !this.box.clientWidth) return;
    fitStore(this, this.direction);
    this.build();
    this.showPosition();
    this.drawOver();
  }

  /** Lay chart and strip out. A panel is `heights` pixels high, [on a narrow chart, on a wide one]; `kept` is [first, last]. */
  buildChart(panels, heights, kept) {
    const width = this.chart.canvas.clientWidth;
    const share = (frame) => frame / Math.max(1, this.last);
    this.chart.build({
      panels,
      theme: this.theme,
      axis: frameAxis(this.data.frames, width - 60),
      marks: this.data.events.map(([frame, kind]) => ({ at: share(frame), kind })),
      kept: kept && kept.map(share),
      panelHeight: heights[width < 480 ? 0 : 1],
    });
    this.strip.build(this.data, this.theme, kept);
  }

  toggle(name) {
    super.toggle(name);
    this.drawOver();
  }

  rate() {
    return this.data.fps * Number(this.speed.value);
  }

  ready(index) {
    return this.store.get(index);
  }

  show(index) {
    this.moveTo(index);
    const entry = this.store.get(this.index);
    if (entry) {
      this.paint(entry);
      this.prefetchSoon();
    } else this.store.focus(this.index, this.direction);
    this.showPosition();
    this.drawOver();
  }

  /** Look ahead when the picture is on the screen: fetching and decoding others would compete with it for the processor. */
  prefetchSoon() {
    cancelAnimationFrame(this.prefetching);
    this.prefetching = requestAnimationFrame(() => this.store?.focus(this.index, this.direction));
  }

  paint(entry) {
    paintFrame(this, entry);
    this.box.dataset.frame = this.index;
    this.box.dispatchEvent(new CustomEvent("painted", { detail: this.index, bubbles: true, composed: true }));
  }

  showPosition() {
    const { data, index, chart } = this;
    chart.draw(data.frames > 1 ? index / this.last : 0.5, this.cursorPoints());
    this.strip.draw(index);
    const seconds = data.fpsKnown ? ` \u00b7 ${(index / data.fps).toFixed(2)} s` : "";
    const [word, number, aside] = [element("span", "frame ", "word"), element("strong", String(index + 1)), element("span", seconds, "aside")];
    this.where.replaceChildren(word, number, ` of ${data.frames}`, aside);
    chart.canvas.setAttribute("aria-valuenow", index + 1);
    chart.canvas.setAttribute("aria-valuetext", `frame ${index + 1} of ${data.frames}: ${this.spoken()}`);
  }

  spoken() {
    return this.data.dims.map((dim) => `${dim.name} ${format(dim.values[this.index])} ${dim.unit}`).join(", ");
  }

  /** The arrows over the picture, [{values, color, dashed}]. */
  motions() {
    return [{ values: this.data.dims.map((dim) => dim.values[this.index]), color: "#ffffff", dashed: false }];
  }

  drawOver() {
    const g = freshContext(this.over);
    if (!this.arrow || !this.data) return;
    const { clientWidth, clientHeight } = this.over;
    for (const { values, color, dashed } of this.motions()) drawMotion(g, clientWidth, clientHeight, this.data.dims, values, this.reach, color, dashed);
  }

  dispose() {
    super.dispose();
    cancelAnimationFrame(this.prefetching);
    this.strip.dispose();
    this.store?.dispose();
  }
}
