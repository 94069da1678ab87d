/* Episode player: frames from the JPEG route with prefetch, velocities of every dimension under them.
 *
 * data = {
 *   episode: string              identity: another one resets the player
 *   frames: int                  number of frames
 *   width, height: int           of a stored frame, pixels
 *   url: string                  of a frame, with {index} and {width} (pixels) to be filled in
 *   fps: number, fpsKnown: bool  frames a second of the recording, and whether the recording says so
 *   start: int                   frame to show first
 *   dims: [{name, unit, positive, values: [number]}]
 *   events: [[frame, "start" | "stop" | "flag"]]
 *   path: see floor_path.js
 *   curation: see curation.js, or null where nothing may be changed
 *   link: {name: value} | null   parameters of the page's address; the frame is kept there beside them, so that a copied
 *                                address opens the same frame. The entry is replaced, or each step would need a "back".
 * }
 */

class Player extends FrameScrubber {
  constructor(root) {
    super(root, 460);
    this.path = new FloorPath(this.find(".path"));
    this.curation = new Curation(this);
    this.passing = ["?"];
  }

  ownActOf(event) {
    return this.data.curation && curationActOf(event);
  }

  act(name, value) {
    if (name in this.acts) super.act(name, value);
    else this.curation.act(name, value);
  }

  get knownKeys() {
    return [...PLAYBACK_KEYS, ...(this.data.curation ? CURATION_KEYS : [])];
  }

  update({ data, setTriggerValue }) {
    this.trigger = setTriggerValue;
    this.take(data);
    this.curation.update();
    buildLegend(this);
    buildValues(this);
    this.layout();
  }

  build() {
    this.buildChart(unitPanels(this.data, this.theme), [96, 120], this.data.curation?.trim ?? null);
  }

  /** Playing stays within what is kept of a trimmed episode. */
  bounds() {
    const kept = this.data.curation?.trim ?? super.bounds();
    return this.index > kept[1] ? super.bounds() : kept;
  }

  showPosition() {
    super.showPosition();
    this.path.draw(this.data.path, this.index, this.theme);
    showValues(this);
  }

  cursorPoints() {
    return this.chart.panels.flatMap((panel) => panel.series.map(({ values, color }) => ({ panel, color, value: values[this.index] })));
  }

  dispose() {
    super.dispose();
    this.curation.dispose();
  }
}

export default mounted(Player);
