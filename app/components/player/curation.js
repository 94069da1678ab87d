/* Curation by keys: what has to be typed is asked for in one line under the picture, the rest is done at once.
 *
 * curation = {excluded: string | null, tags: [string], rating: int | null, note: string, instruction: string,
 *             trim: [first, last] | null, proposed: [first, last] | null, reason: string, heard: number}
 * `reason` is the one given last, offered again. What is done goes to Python as a list of {what, value, episode, number}; it is
 * sent again with the next until `heard` says that it arrived, because of two triggers in one run only the last one counts.
 */

const OPENING_LIMIT_MS = 3000;
const DELIVER_AGAIN_MS = 2000;
const ADDRESS_WAIT_MS = 50;

const QUESTIONS = {
  exclude: ["Exclude because", (curation) => curation.reason],
  tag: ["Add the tag", () => ""],
  note: ["Note", (curation) => curation.note],
  relabel: ["Instruction", (curation) => curation.instruction],
};

const CURATION_KEYS = [
  ["J, K", "next and previous episode of the table"],
  ["X", "exclude with a reason, or take back in"],
  ["T", "add a tag"],
  ["N", "write a note"],
  ["E", "change the instruction"],
  ["1 to 5, 0", "rate, or take the rating away"],
  ["[ and ]", "begin and end here: trim what is before, what is after"],
  ["P", "trim the idle frames that are proposed"],
  ["\\", "take the trim away"],
  ["U, Shift + U", "undo, redo"],
];

/** The act of a key that curates, with what it needs; null where the key does not. */
function curationActOf(event) {
  const digit = /^(?:Digit|Numpad)([0-5])$/.exec(event.code);
  if (digit && !event.shiftKey) return ["rate", Number(digit[1])];
  const byCode = {
    KeyJ: ["open", 1],
    KeyK: ["open", -1],
    KeyX: ["exclude"],
    KeyT: ["tag"],
    KeyN: ["note"],
    KeyE: ["relabel"],
    BracketLeft: ["trim_start"],
    BracketRight: ["trim_end"],
    KeyP: ["trim_proposed"],
    Backslash: ["trim_none"],
    KeyU: [event.shiftKey ? "redo" : "undo"],
  };
  return byCode[event.code] ?? null;
}

class Curation {
  constructor(player) {
    this.player = player;
    this.form = player.find(".ask");
    this.said = player.find(".said");
    this.excluded = player.find(".excluded");
    this.field = this.form.querySelector("input");
    this.label = this.form.querySelector("label span");
    this.unheard = [];
    this.number = 0;
    this.early = null; // What was asked while another episode is being opened, for that one.
    this.form.onsubmit = (event) => {
      event.preventDefault();
      const text = this.field.value.trim();
      const needed = this.asking !== "note";
      if (text || !needed) this.send(this.asking, text);
      this.close();
    };
    this.form.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.close();
    };
    this.form.querySelector("[data-act=cancel]").onclick = () => this.close();
  }

  get state() {
    return this.player.data.curation;
  }

  /** Do what a key asks for. */
  act(what, value) {
    if (this.early) {
      this.early.push([what, value]);
      return;
    }
    const { index, data } = this.player;
    const [first, last] = this.state.trim ?? [0, data.frames - 1];
    if (what === "exclude" && this.state.excluded !== null) this.send("include");
    else if (QUESTIONS[what]) this.ask(what);
    else if (what === "trim_start") this.send("trim", [index, Math.max(index, last)]);
    else if (what === "trim_end") this.send("trim", [Math.min(first, index), index]);
    else if (what === "trim_none") this.send("trim", null);
    else if (what === "trim_proposed") {
      if (this.state.proposed) this.send("trim", this.state.proposed);
      else this.say("No idle frames at the start or the end.");
    } else this.send(what, value);
    if (what === "open") this.awaitEpisode();
  }

  /** Keys that come before the other episode is in sight are meant for it. At the end of the table there is no other one. */
  awaitEpisode() {
    this.early = [];
    this.openedFrom = this.player.data.episode;
    clearTimeout(this.opening);
    this.opening = setTimeout(() => (this.early = null), OPENING_LIMIT_MS);
  }

  ask(what) {
    const [label, initial] = QUESTIONS[what];
    this.asking = what;
    this.label.textContent = label;
    this.field.value = initial(this.state);
    this.form.hidden = false;
    this.field.focus();
    this.field.select();
  }

  close() {
    this.form.hidden = true;
    this.player.box.focus({ preventScroll: true });
  }

  send(what, value = null) {
    // Counts on where another mount of this page left off.
    this.number = Math.max(this.number + 1, Date.now());
    this.unheard.push({ what, value, episode: this.player.data.episode, number: this.number });
    this.say("Saving");
    this.deliver();
  }

  /** Until the page says that it heard: a trigger can be lost while the page is being drawn. */
  deliver() {
    clearTimeout(this.delivering);
    if (!this.unheard.length) return;
    const settled = this.addressSettled();
    if (settled) this.player.trigger("act", [...this.unheard]);
    this.delivering = setTimeout(() => this.deliver(), settled ? DELIVER_AGAIN_MS : ADDRESS_WAIT_MS);
  }

  /** Whether the address names the episode in sight. It follows a moment later, and a trigger would bring the old one back. */
  addressSettled() {
    const address = new URL(window.location.href).searchParams;
    return Object.entries(this.player.data.link ?? {}).every(([name, value]) => (address.get(name) ?? value) === value);
  }

  dispose() {
    clearTimeout(this.delivering);
    clearTimeout(this.opening);
  }

  say(text) {
    this.said.textContent = text;
  }

  /** Show what the page now says of the episode. */
  update() {
    const state = this.state;
    this.excluded.hidden = !state || state.excluded === null;
    if (!state) return;
    this.unheard = this.unheard.filter(({ number }) => number > state.heard);
    if (!this.unheard.length) clearTimeout(this.delivering);
    this.excluded.textContent = `Excluded: ${state.excluded}`;
    const parts = [];
    if (state.rating) parts.push(`${"\u2605".repeat(state.rating)}${"\u2606".repeat(5 - state.rating)}`);
    parts.push(...state.tags.map((tag) => `#${tag}`));
    if (state.trim) parts.push(`frames ${state.trim[0] + 1} to ${state.trim[1] + 1} kept`);
    else if (state.proposed) parts.push(`idle frames outside ${state.proposed[0] + 1} to ${state.proposed[1] + 1}: P trims them`);
    this.say(parts.join(" \u00b7 "));
    if (this.early && this.player.data.episode !== this.openedFrom) {
      const early = this.early;
      this.early = null;
      // Not while the component is being mounted: nobody would hear it.
      setTimeout(() => early.forEach(([what, value]) => this.act(what, value)), 0);
    }
  }
}
