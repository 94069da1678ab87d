const FETCHES_AT_ONCE = 3;
const PREFETCH_AHEAD = 16;
const PREFETCH_BEHIND = 3;
const NEAR = 10;
const JUMP_AHEAD = 2;
const SETTLED_MS = 600;
const BITMAP_BUDGET_BYTES = 96e6;
const REQUEST_WIDTHS = [320, 480, 640, 960, 1280, 1920];

/** The width to ask for so that a picture fills `shown` CSS pixels, and is never larger than it was stored. */
function requestWidth(shown, stored) {
  const pixels = shown * window.devicePixelRatio;
  return Math.min(REQUEST_WIDTHS.find((width) => width >= pixels) ?? REQUEST_WIDTHS.at(-1), stored);
}

/** Fetches and decodes frames, nearest first, and keeps as many as the budget allows. */
class FrameStore {
  constructor(data, requestWidth, onReady) {
    this.data = data;
    this.requestWidth = requestWidth;
    this.onReady = onReady;
    this.frames = new Map(); // index -> {bitmap} or {error}
    this.inflight = new Map(); // index -> AbortController
    this.wanted = [];
    const decoded = Math.max(1, Math.min(data.width, requestWidth));
    this.capacity = Math.max(8, Math.floor(BITMAP_BUDGET_BYTES / (4 * decoded * decoded * (data.height / data.width))));
  }

  get(index) {
    return this.frames.get(index);
  }

  /** Say which frame is needed now; those around it follow. */
  focus(index, direction) {
    // After a jump the frame comes alone, then its nearest neighbours, and the others only where no further jump follows soon:
    // the server does not stop what it began, so that a long way of prefetching would delay the next jump.
    const jumped = this.index !== undefined && Math.abs(index - this.index) > NEAR && !this.frames.has(index);
    clearTimeout(this.settling);
    if (jumped) this.settling = setTimeout(() => this.want(index, direction, PREFETCH_AHEAD, PREFETCH_BEHIND), SETTLED_MS);
    this.alone = jumped;
    this.index = index;
    this.want(index, direction, jumped ? JUMP_AHEAD : PREFETCH_AHEAD, jumped ? 1 : PREFETCH_BEHIND);
  }

  /** Fetch a frame and so many of those after and before it, in the direction of the way, and give up fetching all others. */
  want(index, direction, ahead, behind) {
    const room = Math.min(ahead, this.capacity - behind - 1);
    const steps = [0];
    for (let step = 1; step <= room; step++) steps.push(step);
    for (let step = 1; step <= behind; step++) steps.push(-step);
    this.wanted = steps.map((step) => index + direction * step).filter((k) => k >= 0 && k < this.data.frames);
    const needed = new Set(this.wanted);
    for (const [k, abort] of this.inflight) {
      if (!needed.has(k)) {
        abort.abort();
        this.inflight.delete(k);
      }
    }
    this.pump();
  }

  pump() {
    for (const k of this.wanted) {
      if (this.inflight.size >= (this.alone ? 1 : FETCHES_AT_ONCE)) return;
      if (!this.frames.has(k) && !this.inflight.has(k)) this.fetchFrame(k);
    }
  }

  async fetchFrame(k) {
    const abort = new AbortController();
    this.inflight.set(k, abort);
    const url = this.data.url.replace("{index}", k).replace("{width}", this.requestWidth);
    let entry;
    try {
      const response = await fetch(url, { signal: abort.signal });
      if (response.ok) entry = { bitmap: await createImageBitmap(await response.blob()) };
      else entry = { error: (await response.text()).slice(0, 400) };
    } catch (error) {
      if (error.name === "AbortError") return;
      entry = { error: "The server did not answer; move to another frame to try again.", transient: true };
    }
    if (this.inflight.get(k) !== abort) {
      entry.bitmap?.close();
      return;
    }
    this.inflight.delete(k);
    if (k === this.index) this.alone = false;
    if (!entry.transient) this.keep(k, entry);
    this.onReady(k, entry);
    if (!entry.transient) this.pump();
  }

  keep(k, entry) {
    this.frames.set(k, entry);
    if (this.frames.size <= this.capacity) return;
    let farthest = k;
    for (const index of this.frames.keys()) {
      if (Math.abs(index - this.index) > Math.abs(farthest - this.index)) farthest = index;
    }
    this.frames.get(farthest).bitmap?.close();
    this.frames.delete(farthest);
  }

  dispose() {
    clearTimeout(this.settling);
    for (const abort of this.inflight.values()) abort.abort();
    this.inflight.clear();
    for (const entry of this.frames.values()) entry.bitmap?.close();
    this.frames.clear();
  }
}

/** Give a part with {stage, data, index, paint(entry)} a store whose frames fill its stage; one that does already stays. */
function fitStore(part, direction) {
  const width = requestWidth(part.stage.clientWidth, part.data.width);
  if (part.store?.requestWidth >= width) return;
  part.store?.dispose();
  part.store = new FrameStore(part.data, width, (k, entry) => k === part.index && part.paint(entry));
  part.store.focus(part.index, direction);
}

/** Paint an entry of a store on a part's `view`, or say in its `fault` why there is no picture. */
function paintFrame({ view, fault }, { bitmap, error }) {
  fault.hidden = !error;
  if (error) {
    fault.textContent = error;
    return;
  }
  if (view.width !== bitmap.width || view.height !== bitmap.height) {
    view.width = bitmap.width;
    view.height = bitmap.height;
  }
  view.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
}
