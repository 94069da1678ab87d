/* What a run has logged, in the browser: the file's past thinned by the server, and what it gains by byte offset, whole.
 *
 * GET {url}/curves?points=N[&axis=A&begin=B&end=E]   the past, or a stretch of it in more detail
 * GET {url}/progress?offset=N                        {offset, rows}: what came since
 */

const POLL_MS = 1000;
const POLL_HIDDEN_MS = 5000;
const POINTS = 4000;
const TAIL_LIMIT = 20000;
const STEP_FIELDS = ["train_loss", "learning_rate", "grad_norm", "windows_per_second", "memory_bytes", "gpu_memory_bytes"];
const AXES = ["step", "epoch", "time"];

class Feed {
  /** `changed()` is called after each answer. */
  constructor(changed) {
    this.changed = changed;
    this.clear();
  }

  clear() {
    clearTimeout(this.timer);
    this.generation = (this.generation ?? 0) + 1;
    this.base = this.detail = null;
    this.tail = Object.fromEntries([...AXES, ...STEP_FIELDS].map((name) => [name, []]));
    this.epochs = [];
    this.notes = [];
    this.missing = {};
    this.rows = this.offset = this.unread = 0;
    this.began = null;
    this.trouble = "";
  }

  begin(url, live) {
    this.clear();
    this.url = url;
    this.live = live;
    this.load();
  }

  goOn(live) {
    const wasLive = this.live;
    this.live = live;
    // What was written between the last look and the end is still to be read.
    if (wasLive !== live && this.base) this.poll();
  }

  async ask(address) {
    const { generation } = this;
    try {
      const answer = await fetch(`${this.url}/${address}`);
      const body = answer.ok ? await answer.json() : null;
      if (generation !== this.generation) return undefined;
      this.trouble = body ? "" : "The curves cannot be read; asking again.";
      return body;
    } catch {
      if (generation !== this.generation) return undefined;
      this.trouble = "The server does not answer; asking again.";
      return null;
    }
  }

  later(next, ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(next, ms);
  }

  async load() {
    const body = await this.ask(`curves?points=${POINTS}`);
    if (body === undefined) return;
    if (body) {
      this.base = body;
      this.detail = null;
      for (const values of Object.values(this.tail)) values.length = 0;
      this.missing = { ...body.not_finite };
      Object.assign(this, { epochs: body.epochs, notes: body.notes, rows: body.rows, offset: body.offset, unread: body.unread, began: body.began });
    }
    this.changed();
    if (body?.unread) this.later(() => this.load(), 0);
    else this.wait(!body);
  }

  wait(again) {
    if (this.live || again) this.later(() => (this.base ? this.poll() : this.load()), document.hidden ? POLL_HIDDEN_MS : POLL_MS);
  }

  async poll() {
    clearTimeout(this.timer);
    const body = await this.ask(`progress?offset=${this.offset}`);
    if (body === undefined) return;
    if (body && body.offset < this.offset) {
      // The file began anew, or was cut: what is drawn is no longer what it says.
      this.begin(this.url, this.live);
      return;
    }
    const grown = Boolean(body && body.offset > this.offset);
    if (grown) {
      this.offset = body.offset;
      this.read(body.rows);
    }
    if (grown || this.trouble) this.changed();
    if (this.tail.step.length > TAIL_LIMIT) this.load();
    else if (grown && !this.live) this.later(() => this.poll(), 0);
    else this.wait(!body);
  }

  read(rows) {
    for (const row of rows) {
      if (row.event === "step") this.readStep(row);
      else if (row.event === "epoch") this.epochs = [...this.epochs.filter((known) => known.epoch < row.epoch), row];
      else if (row.event === "note" && row.level !== "info") this.notes = [...this.notes, row];
    }
  }

  readStep(row) {
    this.began ??= row.time;
    this.rows++;
    this.tail.step.push(row.step);
    this.tail.epoch.push(row.epoch);
    this.tail.time.push(row.time - this.began);
    for (const field of STEP_FIELDS) {
      const value = row[field] ?? null;
      this.tail[field].push(value);
      if (value === null && field in row) {
        this.missing[field] ??= { count: 0, step: row.step, epoch: row.epoch };
        this.missing[field].count++;
      }
    }
  }

  /** Fetch a stretch in more detail where the past was thinned. */
  async zoomIn(axis, low, high) {
    if (!this.base || this.base.complete) return;
    const body = await this.ask(`curves?points=${POINTS}&axis=${axis}&begin=${low}&end=${high}`);
    if (!body) return;
    this.detail = body;
    this.changed();
  }

  zoomOut() {
    this.detail = null;
  }

  /** A column of the logged steps over an axis: the past, then what came since. */
  steps(field, axis) {
    const past = (this.detail ?? this.base)?.steps ?? {};
    if (!past[field] && !this.tail[field].some((value) => value !== null)) return new Series([], []);
    const known = past.step?.at(-1) ?? -1;
    const from = this.tail.step.findIndex((step) => step > known);
    const tail = (name) => (from < 0 ? [] : this.tail[name].slice(from));
    const values = past[field] ?? new Array(past.step?.length ?? 0).fill(null);
    return new Series([...(past[axis] ?? []), ...tail(axis)], [...values, ...tail(field)]);
  }

  /** A value of each epoch over an axis; `value(row, before)` gives null where it is not a number, undefined for none. */
  perEpoch(axis, value) {
    const x = [];
    const y = [];
    this.epochs.forEach((row, k) => {
      const at = this.epochAt(row, axis);
      const found = value(row, this.epochs[k - 1]);
      if (at === null || at === undefined || found === undefined) return;
      x.push(at);
      y.push(found);
    });
    return new Series(x, y);
  }

  epochAt(row, axis) {
    return axis === "time" ? row.time - (this.began ?? this.epochs[0].time) : row[axis];
  }

  dispose() {
    this.generation++;
    clearTimeout(this.timer);
  }
}
