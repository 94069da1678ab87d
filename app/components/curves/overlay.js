/* One metric of several runs.
 *
 * data = {url: string, names: string[], axis: string, title: string, live: bool}
 * GET {url} gives {curves: [{run, x, y}], unread}; an answer that is the same as before is told by 304.
 */

const OVERLAY_POLL_MS = 2000;
const OVERLAY_AXES = { epoch: "epoch", step: "step", time: "seconds since the first step" };
const overlays = new WeakMap();

export default function (component) {
  let chart = overlays.get(component.parentElement);
  if (!chart) {
    chart = new Overlay(component.parentElement);
    overlays.set(component.parentElement, chart);
  }
  chart.update(component.data);
  return () => {
    chart.dispose();
    overlays.delete(component.parentElement);
  };
}

class Overlay {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.box = find(".curves");
    this.readout = find(".readout");
    this.status = find(".status");
    this.warn = find(".warn");
    this.reset = find(".reset");
    this.view = new SharedView(root.host ?? root, (what) => this.viewChanged(what));
    this.panel = new Panel(this.view, { title: "", first: true });
    find(".panels").replaceChildren(this.panel.box);
    this.reset.onclick = () => this.view.setZoom(null);
    const slider = find(".smooth input");
    slider.oninput = () => {
      this.view.smoothing = Number(slider.value);
      find(".smooth output").textContent = slider.value;
      this.view.draw();
    };
    const log = find(".log input");
    log.onchange = () => {
      this.panel.log = log.checked;
      this.view.draw();
    };
    this.resized = new ResizeObserver(() => this.view.draw());
    this.resized.observe(this.box);
  }

  update(data) {
    const another = this.data?.url !== data.url;
    if (this.data && this.data.axis !== data.axis) this.view.zoom = null;
    this.data = data;
    this.view.readTheme();
    this.panel.box.querySelector("h4").textContent = data.title;
    this.view.axisLabel = OVERLAY_AXES[data.axis];
    if (another) {
      this.curves = null;
      this.tag = "";
    }
    this.show();
    this.load();
  }

  async load() {
    clearTimeout(this.timer);
    const { url } = this.data;
    let unread = 0;
    try {
      const answer = await fetch(url, { headers: this.tag ? { "If-None-Match": this.tag } : {}, cache: "no-store" });
      if (this.disposed || url !== this.data.url) return;
      if (answer.status === 200) {
        const body = await answer.json();
        if (this.disposed || url !== this.data.url) return;
        this.tag = answer.headers.get("ETag") ?? "";
        this.curves = body.curves;
        unread = body.unread;
        this.show();
      }
      this.status.textContent = unread ? "Reading the curves." : answer.ok || answer.status === 304 ? "" : await answer.text();
    } catch {
      if (this.disposed || url !== this.data.url) return;
      this.status.textContent = "The server does not answer; asking again.";
      unread = 1;
    }
    if (unread) this.timer = setTimeout(() => this.load(), 300);
    else if (this.data.live) this.timer = setTimeout(() => this.load(), document.hidden ? 3 * OVERLAY_POLL_MS : OVERLAY_POLL_MS);
  }

  show() {
    const curves = this.curves ?? [];
    const high = Math.max(0, ...curves.map(({ x }) => x.at(-1) ?? 0));
    this.view.full = { low: 0, high: high || 1 };
    this.view.emptyText = this.curves ? "these runs have not recorded this metric" : "reading";
    const color = new Map(this.data.names.map((name, k) => [name, k]));
    this.panel.show(
      curves.map(({ run, x, y }) => {
        const known = color.get(run) ?? 0;
        return { label: run, color: known, dashed: known >= this.view.theme.palette.length, faint: x.length > 300, series: new Series(x, y) };
      }),
    );
    const broken = curves.filter(({ y }) => y.includes(null)).map(({ run }) => run);
    this.warn.hidden = !broken.length;
    this.warn.textContent = broken.length ? `Not a number in places: ${broken.join(", ")}.` : "";
    this.viewChanged("zoom");
  }

  viewChanged(what) {
    const { zoom, cursor } = this.view;
    this.reset.hidden = !zoom;
    this.box.dataset.zoom = zoom ? zoom.map((value) => value.toFixed(3)).join(" ") : "";
    if (what === "cursor") this.readout.textContent = cursor === null ? "" : `${this.view.axisLabel} ${short(cursor)}`;
  }

  dispose() {
    this.disposed = true;
    clearTimeout(this.timer);
    this.resized.disconnect();
  }
}
