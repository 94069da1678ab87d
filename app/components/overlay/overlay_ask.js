/* The same frame under another instruction: asked of a worker that keeps the policy loaded, drawn beside the original.
 *
 * ask = {url, answers, run, episode, told, known: [instruction]}; null where nobody can be asked.
 */

const ASK_AGAIN_MS = 140;
const FRAME_RATE_OF_LOOKS_MS = 60;

class InstructionSwap {
  constructor(owner) {
    const find = (selector) => owner.find(selector);
    this.owner = owner;
    this.box = find(".swap");
    this.said = find(".swap-said");
    this.shown = find(".swap-shown");
    this.chips = find(".chips");
    this.input = find(".swap input");
    this.stopButton = find("[data-swap=stop]");
    this.canvases = Object.fromEntries(["told", "asked", "both"].map((name) => [name, find(`.swap-shown .${name}`)]));
    this.captions = Object.fromEntries(Object.entries(this.canvases).map(([name, canvas]) => [name, canvas.parentElement.querySelector("figcaption")]));
    this.paths = new OverlayPaths(this.canvases.both);
    this.hint = find(".swap .hint");
    this.instruction = null;
    this.turn = 0;
    find(".swap form").onsubmit = (event) => {
      event.preventDefault();
      this.begin(this.input.value.trim());
    };
    this.stopButton.onclick = () => this.stop();
    this.chips.onclick = (event) => {
      const chip = event.target.closest("button");
      if (!chip) return;
      this.input.value = chip.dataset.text;
      this.begin(chip.dataset.text);
    };
  }

  update(ask) {
    const identity = ask ? `${ask.run} ${ask.episode}` : "";
    this.ask = ask;
    this.box.hidden = !ask;
    if (!ask || identity === this.identity) return;
    this.identity = identity;
    this.stop();
    this.hint.textContent = `Recorded with: \u201c${ask.told || "no instruction"}\u201d. Ask what ${ask.label} would do on this very frame if it were told something else; then move to other frames and it is asked again.`;
    this.chips.replaceChildren(
      ...[...ask.known, ""].map((text) => {
        const chip = element("button", text || "(no instruction)");
        chip.type = "button";
        chip.dataset.text = text;
        return chip;
      }),
    );
  }

  begin(instruction) {
    this.instruction = instruction;
    this.stopButton.hidden = false;
    this.put();
  }

  stop() {
    this.turn++;
    clearTimeout(this.waiting);
    this.instruction = null;
    this.answer = null;
    this.stopButton.hidden = true;
    this.shown.hidden = true;
    this.said.textContent = "";
    delete this.box.dataset.frame;
  }

  /** The frame has changed: ask again when it stays. */
  moved() {
    if (this.instruction === null) return;
    clearTimeout(this.waiting);
    this.turn++;
    this.waiting = setTimeout(() => this.put(), ASK_AGAIN_MS);
  }

  async put(again = true) {
    const turn = ++this.turn;
    const frame = this.owner.index;
    const began = performance.now();
    if (!this.answer) this.said.textContent = "Asking\u2026";
    try {
      const { run, episode } = this.ask;
      const body = JSON.stringify({ run_id: run, episode_id: episode, frame, instruction: this.instruction });
      const put = await fetch(this.ask.url, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      if (!put.ok) return this.fail(turn, await put.text());
      const { job, name } = await put.json();
      while (turn === this.turn) {
        const look = await fetch(`${this.ask.answers}/${job}/${name}.json`);
        if (look.status === 200) return this.show(turn, frame, await look.json(), began);
        if (look.status === 410 && again) return this.put(false);
        if (look.status !== 202) return this.fail(turn, await look.text());
        const seconds = Math.round((performance.now() - began) / 1000);
        const { text } = await look.json();
        if (turn === this.turn) this.said.textContent = `${text}\u2026 ${seconds ? `${seconds} s` : ""}`;
        await new Promise((resolve) => setTimeout(resolve, FRAME_RATE_OF_LOOKS_MS));
      }
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      this.fail(turn, "The server did not answer; ask again.");
    }
  }

  fail(turn, text) {
    if (turn !== this.turn) return;
    this.answer = null;
    this.shown.hidden = true;
    this.said.textContent = text.slice(0, 400);
  }

  show(turn, frame, answer, began) {
    if (turn !== this.turn) return;
    this.answer = { ...answer, frame };
    this.box.dataset.frame = frame;
    this.box.dataset.took = Math.round(performance.now() - began);
    this.said.textContent = `Frame ${frame + 1}. ${answer.sentence}`;
    this.shown.hidden = false;
    this.draw();
  }

  draw() {
    if (!this.answer || this.shown.hidden) return;
    const { owner, answer } = this;
    const { data, theme, reach } = owner;
    const dims = answer.names.map((name, k) => ({ name, unit: answer.units[k] }));
    const color = owner.runs[0]?.color ?? theme.primary;
    const sides = { told: [answer.original, color, answer.told], asked: [answer.changed, theme.red, answer.asked] };
    const bitmap = owner.store?.get(answer.frame)?.bitmap;
    for (const [name, [chunk, tint, text]] of Object.entries(sides)) {
      const canvas = this.canvases[name];
      canvas.style.aspectRatio = `${data.width} / ${data.height}`;
      const g = freshContext(canvas);
      if (bitmap) g.drawImage(bitmap, 0, 0, canvas.clientWidth, canvas.clientHeight);
      drawMotion(g, canvas.clientWidth, canvas.clientHeight, dims, chunk[0], reach, tint, false);
      this.captions[name].textContent = `${name === "told" ? "As recorded" : "Asked"}: \u201c${text || "no instruction"}\u201d`;
    }
    const start = { x: 0, y: 0, heading: 0 };
    const driven = data.dims[0].values.slice(answer.frame, answer.frame + answer.original.length).map((_, ahead) => data.dims.map((dim) => dim.values[answer.frame + ahead]));
    const ways = [
      { points: follow(start, driven, data.dims, data.fps), color: theme.text, width: 2, alpha: 0.55 },
      { points: follow(start, answer.original, dims, data.fps), color, width: 3.2 },
      { points: follow(start, answer.changed, dims, data.fps), color: theme.red, width: 3.2 },
    ];
    this.paths.draw(ways, start, data.path.unit, theme);
    const [one, other] = [ways[1].points.at(-1), ways[2].points.at(-1)];
    const apart = Math.hypot(one[0] - other[0], one[1] - other[1]);
    this.captions.both.textContent = data.path.unit
      ? `Both chunks from above: they end ${apart.toFixed(2)} m apart. Grey: driven.`
      : "Both chunks from above, without metres. Grey: driven.";
  }

  dispose() {
    this.turn++;
    clearTimeout(this.waiting);
  }
}
