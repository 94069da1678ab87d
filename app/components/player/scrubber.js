/* What the player, the overlay and the comparison have in common: steps on one scrubber, gone through with keys, buttons or a
 * drag, a clock with a speed, a help, and an address that keeps the step.
 *
 * A kind of scrubber adds what a step shows: update(component), layout(), show(step), ready(step), rate() in steps a second,
 * and `last`, the last step.
 */

const ADDRESS_AFTER_MS = 250;

/** What Streamlit calls with a component: one of a kind stays for each place on the page, however often the page is drawn. */
function mounted(Kind) {
  const kept = new WeakMap();
  return (component) => {
    const root = component.parentElement;
    const scrubber = kept.get(root) ?? new Kind(root);
    kept.set(root, scrubber);
    scrubber.update(component);
    return () => {
      scrubber.dispose();
      kept.delete(root);
    };
  };
}

class Scrubber {
  constructor(root) {
    this.host = root.host ?? root;
    this.box = root.querySelector(".scrubber");
    for (const name of ["where", "legend", "help"]) this[name] = this.find(`.${name}`);
    this.playButton = this.find(".play");
    this.speed = this.find(".rate select");
    this.toggles = Object.fromEntries([...this.box.querySelectorAll(".toggle")].map((button) => [button.dataset.act, button]));
    this.chart = new TimeChart(this.find(".chart"));
    this.playback = new Playback(this);
    Object.assign(this, { position: 0, direction: 1, loop: false });
    this.passing = []; // Keys that act although a field of the scrubber has the focus.
    this.acts = {
      step: (by) => this.seek(this.position + by),
      back: () => this.seek(this.position - 1),
      next: () => this.seek(this.position + 1),
      first: () => this.seek(0),
      last: () => this.seek(this.last),
      play: () => this.play(!this.playback.playing),
      loop: () => this.toggle("loop"),
      slower: () => this.changeSpeed(-1),
      faster: () => this.changeSpeed(1),
      help: () => this.showHelp(this.help.hidden),
      escape: () => this.showHelp(false),
    };
    this.listen();
    this.drag(this.chart);
    this.resized = new ResizeObserver(() => this.layout());
    this.resized.observe(this.box);
  }

  find(selector) {
    return this.box.querySelector(selector);
  }

  listen() {
    this.find(".controls").onclick = (event) => {
      const name = event.target.closest("button")?.dataset.act;
      if (name) this.act(name);
    };
    this.help.onclick = (event) => (event.target === this.help || event.target.closest("button")) && this.act("help");
    this.speed.onchange = () => this.playback.rebase();
    this.box.onkeydown = (event) => this.key(event);
    // The keys also work on a page where nothing else has the focus.
    this.pageKeys = (event) => document.activeElement === document.body && this.box.offsetParent && this.key(event);
    document.addEventListener("keydown", this.pageKeys);
  }

  /** Let a pointer go through the steps on a part with {canvas, shareAt(clientX)}. */
  drag(part) {
    const { canvas } = part;
    const seek = (event) => this.seek(Math.round(part.shareAt(event.clientX) * this.last));
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.dragging = true;
      seek(event);
    };
    canvas.onpointermove = (event) => this.dragging && seek(event);
    canvas.onpointerup = canvas.onpointercancel = () => (this.dragging = false);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.matches?.("select, input") && !this.passing.includes(event.key)) return;
    const act = this.data && (actOf(event) ?? this.ownActOf(event));
    if (!act || (event.key === " " && event.target.closest?.("button"))) return;
    if (act[0] === "escape" && this.help.hidden) return;
    event.preventDefault();
    event.stopPropagation();
    this.act(...act);
  }

  /** The act of a key that only this kind knows, with what it needs; null where it means nothing here either. */
  ownActOf() {
    return null;
  }

  /** Do what a key or a button asks for; what this kind does not know is left alone. */
  act(name, value) {
    this.acts[name]?.(value);
  }

  /** Turn a switch; not every one has a button. */
  toggle(name) {
    this[name] = !this[name];
    this.toggles[name]?.setAttribute("aria-pressed", String(this[name]));
  }

  changeSpeed(by) {
    this.speed.selectedIndex = Math.max(0, Math.min(this.speed.options.length - 1, this.speed.selectedIndex + by));
    this.playback.rebase();
  }

  /** What the help lists, [[keys, meaning]]. */
  get knownKeys() {
    return PLAYBACK_KEYS;
  }

  showHelp(on) {
    if (on) fillKeys(this.help.querySelector("table"), this.knownKeys);
    this.help.hidden = !on;
    (on ? this.help : this.box).focus({ preventScroll: true });
  }

  bounded(step) {
    return Math.max(0, Math.min(this.last, step));
  }

  /** Go to a step, or to the end that is nearest to it, and keep in mind which way that led. */
  moveTo(step) {
    const bounded = this.bounded(step);
    if (bounded !== this.position) this.direction = bounded > this.position ? 1 : -1;
    this.position = bounded;
  }

  seek(step) {
    this.play(false);
    this.show(step);
    this.rememberSoon();
  }

  /** The first and the last step that are played. */
  bounds() {
    return [0, this.last];
  }

  play(on) {
    if (on === this.playback.playing) return;
    this.playButton.setAttribute("aria-pressed", String(on));
    this.playButton.setAttribute("aria-label", on ? "Pause" : "Play");
    if (!on) {
      this.playback.pause();
      this.rememberSoon();
      return;
    }
    const [first, last] = this.bounds();
    if (this.position >= last) this.show(first);
    this.direction = 1;
    this.playback.play();
  }

  /** Playing came to its end. */
  stopped() {
    this.play(false);
  }

  /** What the address keeps, {name: value}. */
  get remembered() {
    return { ...this.data.link, frame: this.position };
  }

  rememberSoon() {
    clearTimeout(this.remembering);
    if (!this.data.link) return;
    this.remembering = setTimeout(() => {
      const address = new URL(window.location.href);
      for (const [name, value] of Object.entries(this.remembered)) address.searchParams.set(name, value);
      window.history.replaceState(window.history.state, "", address);
    }, ADDRESS_AFTER_MS);
  }

  dispose() {
    document.removeEventListener("keydown", this.pageKeys);
    this.playback.pause();
    clearTimeout(this.remembering);
    this.resized.disconnect();
  }
}
