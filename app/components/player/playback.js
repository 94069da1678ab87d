/* The clock of a player: which step is due now. It never skips a step that the screen could show, never goes back, and
 * waits where the due picture has not arrived. */

const SCREEN_HZ = 60;
const LAG_LIMIT_S = 0.25;

class Playback {
  /** `owner` has position, rate() in steps a second, bounds() -> [first, last], ready(step), show(step), stopped(), loop. */
  constructor(owner) {
    this.owner = owner;
    this.playing = false;
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    this.rebase();
    this.request = requestAnimationFrame((now) => this.tick(now));
  }

  pause() {
    this.playing = false;
    cancelAnimationFrame(this.request);
  }

  rebase() {
    this.began = performance.now();
    this.from = this.owner.position;
  }

  tick(now) {
    if (!this.playing) return;
    const rate = this.owner.rate();
    const [first, last] = this.owner.bounds();
    const here = this.owner.position;
    if (here >= last) {
      // The last picture stays for its own duration before the loop begins again.
      if (this.owner.loop && last > first) {
        if (now - this.began >= ((last - this.from + 1) / rate) * 1000) {
          if (this.owner.ready(first)) {
            this.owner.show(first);
            this.rebase();
          }
        }
      } else {
        this.owner.stopped();
        return;
      }
    } else this.advance(now, rate, here, last);
    this.request = requestAnimationFrame((time) => this.tick(time));
  }

  advance(now, rate, here, last) {
    const due = Math.min(last, this.from + Math.floor(((now - this.began) / 1000) * rate));
    if (due <= here) return;
    // One step a screen refresh, so that none is skipped; only what is faster than the screen has to skip.
    let next = rate > SCREEN_HZ ? due : here + 1;
    while (next > here && !this.owner.ready(next)) next--;
    if (next > here) this.owner.show(next);
    if ((due - this.owner.position) / rate > LAG_LIMIT_S) this.rebase();
  }
}
