/* The bell: a notification of the browser, and a short sound, when a job ends.
 *
 * data = {ended: [{id, title, status, message}]}: jobs that ended while this page was open, the latest last.
 *
 * The permission is asked for in the handler of a click. Both switches are kept by the browser; what was told is kept too, so that
 * two tabs ring once. Texts go into a notification as plain text.
 */

const KEPT = 50;
const NOTIFY = "mvla.bell.notify";
const SOUND = "mvla.bell.sound";
const TOLD = "mvla.bell.told";
/* One for the window: the page is drawn again and again, and a sound needs the click that allowed it. */
const HOME = Symbol.for("mvla.bell");

export default function (component) {
  const bell = (window[HOME] ??= new Bell());
  bell.attach(component.parentElement);
  bell.ring(component.data.ended);
}

function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // a browser that keeps nothing: the switches are off after each reload
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Nothing can be kept; the switch holds for this page.
  }
}

class Bell {
  constructor() {
    this.notify = read(NOTIFY) === "on";
    this.sound = read(SOUND) === "on";
    this.seen = new Set();
  }

  attach(root) {
    this.button = root.querySelector(".notify");
    this.words = root.querySelector(".notify span");
    this.label = root.querySelector(".sound");
    this.box = root.querySelector(".sound input");
    this.told = root.querySelector(".told");
    this.button.onclick = () => this.toggle();
    this.box.onchange = () => {
      this.sound = this.box.checked;
      keep(SOUND, this.sound ? "on" : "off");
      if (this.sound) this.play();
    };
    this.show();
  }

  get possible() {
    return "Notification" in window;
  }

  get on() {
    return this.notify && this.possible && Notification.permission === "granted";
  }

  show() {
    this.button.setAttribute("aria-pressed", String(this.on));
    this.words.textContent = this.on ? "Told when a job ends" : "Tell me when a job ends";
    this.label.hidden = !this.on;
    this.box.checked = this.sound;
    let told = "";
    if (!this.possible) told = "This browser has no notifications.";
    else if (Notification.permission === "denied") told = "The browser blocks notifications of this address; allow them in its settings.";
    this.told.textContent = told;
    this.told.hidden = !told;
    this.button.disabled = !this.possible;
  }

  async toggle() {
    if (this.on) this.notify = false;
    else this.notify = (await Notification.requestPermission()) === "granted";
    keep(NOTIFY, this.notify ? "on" : "off");
    this.show();
  }

  ring(ended) {
    const fresh = ended.filter((job) => !this.seen.has(job.id));
    if (!fresh.length) return;
    fresh.forEach((job) => this.seen.add(job.id));
    const told = (read(TOLD) ?? "").split(" ").filter(Boolean);
    const untold = fresh.filter((job) => !told.includes(job.id));
    keep(TOLD, [...told, ...untold.map((job) => job.id)].slice(-KEPT).join(" "));
    if (!this.on || !untold.length) return;
    for (const job of untold) {
      const title = job.status === "succeeded" ? `Finished: ${job.title}` : `${job.title}: ${job.status}`;
      const notification = new Notification(title, { body: job.message, tag: `mvla-${job.id}` });
      notification.onclick = () => window.focus();
    }
    if (this.sound) this.play();
  }

  /** Two short tones; silent where the browser has had no click yet. */
  play() {
    this.audio ??= new AudioContext();
    this.audio.resume();
    [660, 880].forEach((pitch, k) => {
      const begin = this.audio.currentTime + 0.18 * k;
      const tone = new OscillatorNode(this.audio, { frequency: pitch });
      const volume = new GainNode(this.audio, { gain: 0.12 });
      volume.gain.setTargetAtTime(0, begin + 0.08, 0.05);
      tone.connect(volume).connect(this.audio.destination);
      tone.start(begin);
      tone.stop(begin + 0.4);
    });
  }
}
