/* Uploads: the chosen files go to the server one after another, as they are on the disk here, and are imported there by a job.
 *
 * data = {limit: bytes a file may have, endings: [string]}. The page is told {jobs: [id]} by the trigger "queued".
 */

/* One for the window: an upload goes on while another page is open, and is shown again on the way back. */
const HOME = Symbol.for("mvla.upload");

export default function (component) {
  const upload = (window[HOME] ??= new Upload());
  if (upload.root !== component.parentElement) upload.attach(component.parentElement);
  upload.update(component);
}

function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

class Cancelled extends Error {}

class Upload {
  constructor() {
    this.chosen = [];
    // A window that is left breaks the upload off; the server then deletes what it has.
    window.addEventListener("beforeunload", (event) => this.running && event.preventDefault());
  }

  /** Show itself in a place on the page. */
  attach(root) {
    this.root = root;
    const find = (selector) => root.querySelector(selector);
    this.form = find("form");
    for (const name of ["drop", "told", "files", "dataset", "length", "bar", "said", "fault", "cancel", "primary"]) {
      this[name] = find(`.${name}`);
    }
    this.picker = find("input[type=file]");
    this.picker.onchange = () => this.choose([...this.picker.files]);
    this.drop.ondragover = (event) => {
      event.preventDefault();
      this.drop.classList.add("over");
    };
    this.drop.ondragleave = () => this.drop.classList.remove("over");
    this.drop.ondrop = (event) => {
      event.preventDefault();
      this.drop.classList.remove("over");
      if (!this.running) this.choose([...event.dataTransfer.files]);
    };
    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.start();
    };
    this.cancel.onclick = () => this.stop();
    this.show();
  }

  update({ data, setTriggerValue }) {
    this.data = data;
    this.trigger = setTriggerValue;
    this.picker.accept = data.endings.map((ending) => `.${ending.split(".").at(-1)}`).join(",");
    this.told.textContent = `Choose recordings or archives, or drop them here (up to ${megabytes(data.limit)} each)`;
    this.list();
  }

  /** Why a file cannot be uploaded, or "". */
  objection(file) {
    const ends = this.data.endings.some((ending) => file.name.toLowerCase().endsWith(ending));
    if (!ends) return `not one of ${this.data.endings.join(", ")}`;
    if (file.size > this.data.limit) return `larger than ${megabytes(this.data.limit)}: import it by its path`;
    return file.size ? "" : "empty";
  }

  choose(files) {
    this.chosen = files;
    this.fail("");
    this.say("");
    this.list();
  }

  list() {
    if (!this.data || this.listed?.files === this.chosen && this.listed.root === this.root) return;
    this.listed = { files: this.chosen, root: this.root };
    this.files.replaceChildren(
      ...this.chosen.map((file) => {
        const row = document.createElement("li");
        const objection = this.objection(file);
        for (const [name, text] of [["name", file.name], ["size", objection || megabytes(file.size)]]) {
          const part = document.createElement("span");
          part.className = objection && name === "size" ? "size bad" : name;
          part.textContent = part.title = text;
          row.append(part);
        }
        return row;
      }),
    );
  }

  async start() {
    if (this.running) return;
    const good = this.chosen.filter((file) => !this.objection(file));
    const dataset = this.dataset.value.trim();
    if (!this.chosen.length) return this.fail("Choose one or more files first.");
    if (good.length < this.chosen.length) return this.fail("Choose again without the files marked above.");
    if (!dataset) {
      this.dataset.focus();
      return this.fail("Give the data set a name that the recordings go to.");
    }
    this.run(true);
    let batch;
    try {
      const total = good.reduce((sum, file) => sum + file.size, 0);
      ({ batch } = await this.ask("POST", `/mvla/uploads?bytes=${total}&dataset=${encodeURIComponent(dataset)}`));
      this.batch = batch;
      let before = 0;
      for (const file of good) {
        const url = `/mvla/uploads/${batch}?name=${encodeURIComponent(file.name)}`;
        await this.ask("POST", url, file, (sent) => this.sent(before + sent, total, file.name));
        before += file.size;
      }
      this.say("Queueing the import");
      const wanted = new URLSearchParams({ dataset, length: this.length.value });
      const { jobs } = await this.ask("POST", `/mvla/uploads/${batch}/import?${wanted}`);
      this.choose([]);
      this.picker.value = "";
      this.say(`Uploaded ${megabytes(total)}; the import runs in the background.`);
      this.trigger("queued", { jobs });
    } catch (error) {
      if (batch) fetch(`/mvla/uploads/${batch}`, { method: "DELETE", keepalive: true }).catch(() => {});
      if (error instanceof Cancelled) this.say("Cancelled; nothing was kept.");
      else {
        this.say("");
        this.fail(error.message);
      }
    } finally {
      this.run(false);
    }
  }

  /** Send a request; only XMLHttpRequest tells how much of a body was sent. */
  ask(method, url, body = null, onSent = null) {
    return new Promise((resolve, reject) => {
      if (this.stopped) throw new Cancelled();
      const request = (this.request = new XMLHttpRequest());
      request.open(method, url);
      if (body) request.setRequestHeader("Content-Type", "application/octet-stream");
      if (onSent) request.upload.onprogress = (event) => onSent(event.loaded);
      request.onload = () => {
        if (request.status === 200) resolve(JSON.parse(request.responseText));
        else reject(new Error(request.responseText.slice(0, 400) || `The server refused (${request.status}).`));
      };
      request.onerror = () => reject(new Error("The connection to the server broke off; upload again when it runs."));
      request.onabort = () => reject(new Cancelled());
      request.send(body);
    });
  }

  stop() {
    this.stopped = true;
    this.request?.abort();
  }

  sent(bytes, total, name) {
    this.percent = Math.min(100, Math.round((100 * bytes) / total));
    this.saying = `${this.percent} % of ${megabytes(total)}: ${name}`;
    this.show();
  }

  run(on) {
    this.running = on;
    this.percent = 0;
    this.stopped = false;
    if (on) Object.assign(this, { failing: "", saying: "Asking for room" });
    this.show();
  }

  /** Bring the page to what is so now. */
  show() {
    this.list();
    this.bar.hidden = this.cancel.hidden = !this.running;
    this.primary.disabled = this.picker.disabled = Boolean(this.running);
    this.bar.setAttribute("aria-valuenow", this.percent ?? 0);
    this.bar.firstElementChild.style.width = `${this.percent ?? 0}%`;
    this.said.textContent = this.saying ?? "";
    this.fault.hidden = !this.failing;
    this.fault.textContent = this.failing ?? "";
  }

  say(text) {
    this.saying = text;
    this.show();
  }

  fail(text) {
    this.failing = text;
    this.show();
  }
}
