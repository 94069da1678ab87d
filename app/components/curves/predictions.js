/* What was predicted for a few validation episodes after each epoch, over what was driven.
 *
 * data = {run: string, url: string, live: bool}
 * GET {url}/predictions?after=E gives {names, units, episodes: [{episode_id, frames, driven}], epochs: [{epoch, predicted, spread,
 * collapsed}]}, the epochs after E; {} where there is nothing yet.
 */

const PREDICTION_POLL_MS = 3000;
const shownPredictions = new WeakMap();

export default function (component) {
  let shown = shownPredictions.get(component.parentElement);
  if (!shown) {
    shown = new Predictions(component.parentElement);
    shownPredictions.set(component.parentElement, shown);
  }
  shown.update(component.data);
  return () => {
    shown.dispose();
    shownPredictions.delete(component.parentElement);
  };
}

class Predictions {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.host = root.host ?? root;
    this.box = find(".curves");
    this.grid = find(".panels");
    this.status = find(".status");
    this.warn = find(".warn");
    this.slider = find(".epoch input");
    this.output = find(".epoch output");
    this.follow = find(".log input");
    this.reset = find(".reset");
    this.readout = find(".readout");
    this.views = [];
    this.slider.oninput = () => {
      this.follow.checked = Number(this.slider.value) === this.epochs.length - 1;
      this.show();
    };
    this.follow.onchange = () => this.show();
    this.reset.onclick = () => this.views.forEach((view) => view.setZoom(null));
    this.resized = new ResizeObserver(() => this.views.forEach((view) => view.draw()));
    this.resized.observe(this.box);
  }

  update(data) {
    const another = this.data?.run !== data.run;
    this.data = data;
    if (another) {
      this.epochs = [];
      this.described = null;
      this.views = [];
      this.grid.replaceChildren();
    }
    for (const view of this.views) view.readTheme();
    this.show();
    this.load();
  }

  async load() {
    clearTimeout(this.timer);
    const { run } = this.data;
    const after = this.epochs.at(-1)?.epoch ?? 0;
    try {
      const answer = await fetch(`${this.data.url}/predictions?after=${after}`);
      const body = answer.ok ? await answer.json() : {};
      if (this.disposed || run !== this.data.run) return;
      if (body.episodes) {
        if (!this.described) this.build(body);
        if (body.epochs.length) {
          this.epochs = [...this.epochs, ...body.epochs];
          this.show();
        }
      }
    } catch {
      if (this.disposed || run !== this.data.run) return;
      this.status.textContent = "The server does not answer; asking again.";
    }
    if (this.data.live) this.timer = setTimeout(() => this.load(), PREDICTION_POLL_MS);
  }

  /** One panel for each episode and dimension; the panels of an episode share its frames. */
  build(body) {
    this.described = body;
    this.views = body.episodes.map(() => {
      const view = new SharedView(this.host, () => this.told(view));
      view.readTheme();
      view.axisLabel = "frame";
      return view;
    });
    this.panels = body.episodes.flatMap((episode, e) =>
      body.names.map((name, d) => ({ e, d, panel: new Panel(this.views[e], { title: `${episode.episode_id}: ${name}, ${body.units[d]}`, first: false }) })),
    );
    this.grid.replaceChildren(...this.panels.map(({ panel }) => panel.box));
    body.episodes.forEach(({ frames }, e) => (this.views[e].full = { low: frames[0], high: Math.max(frames.at(-1), frames[0] + 1) }));
  }

  told(view) {
    this.reset.hidden = !this.views.some(({ zoom }) => zoom);
    this.readout.textContent = view.cursor === null ? "" : `frame ${Math.round(view.cursor)}`;
  }

  show() {
    const last = this.epochs.length - 1;
    this.slider.max = Math.max(0, last);
    if (this.follow.checked) this.slider.value = last;
    const at = Math.min(Number(this.slider.value), last);
    const now = this.epochs[at];
    this.slider.disabled = last < 1;
    this.grid.hidden = !now;
    this.output.textContent = now ? `${now.epoch} of ${this.epochs.at(-1).epoch}` : "";
    this.box.dataset.epoch = now ? now.epoch : "";
    this.warn.hidden = !now?.collapsed.length;
    this.status.textContent = now ? "" : this.data.live ? "The first predictions come after the first epoch." : "This run kept no predictions by epoch.";
    if (!now || !this.described) return;
    this.warn.textContent = now.collapsed.length
      ? `Collapsed: after epoch ${now.epoch} the predicted ${now.collapsed.join(" and ")} hardly ${now.collapsed.length > 1 ? "vary" : "varies"}, whatever is seen.`
      : "";
    this.status.textContent = this.described.names
      .map((name, d) => (now.spread[d] === null ? `${name}: never varied when driven` : `${name}: predictions vary ${Math.round(100 * now.spread[d])} % as much as was driven`))
      .join(" · ");
    for (const { e, d, panel } of this.panels) {
      const { frames, driven } = this.described.episodes[e];
      const column = (rows) => new Series(frames, rows.map((row) => row[d]));
      panel.show([
        { label: "driven", series: column(driven), color: 0 },
        { label: "predicted", series: column(now.predicted[e]), color: 1, dashed: true },
      ]);
    }
  }

  dispose() {
    this.disposed = true;
    clearTimeout(this.timer);
    this.resized.disconnect();
  }
}
