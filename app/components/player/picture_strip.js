/* A row of small pictures over the course of an episode. They are fetched one at a time, after the frame in sight. */

const THUMBNAIL_WIDTH_PX = 96;
const THUMBNAIL_PAUSE_MS = 400;

class PictureStrip {
  constructor(canvas) {
    this.canvas = canvas;
    this.cursor = canvas.parentElement.querySelector(".cursor");
    this.generation = 0;
    this.pictures = new Map(); // place -> bitmap, or null where the frame is damaged
  }

  /** Lay the strip out for an episode; the pictures come later. */
  build(data, theme, kept) {
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    const count = Math.max(1, Math.min(data.frames, Math.floor(width / ((height * data.width) / data.height))));
    const identity = `${data.url} ${count}`;
    Object.assign(this, { data, theme, kept, count, width, height });
    if (identity !== this.identity) {
      this.dispose();
      this.identity = identity;
      this.load(this.generation);
    }
    this.drawPictures();
  }

  frameAt(place) {
    return this.count > 1 ? Math.round((place * (this.data.frames - 1)) / (this.count - 1)) : 0;
  }

  async load(generation) {
    await new Promise((resolve) => setTimeout(resolve, THUMBNAIL_PAUSE_MS));
    for (let place = 0; place < this.count; place++) {
      if (generation !== this.generation) return;
      const url = this.data.url.replace("{index}", this.frameAt(place)).replace("{width}", THUMBNAIL_WIDTH_PX);
      let picture = null;
      try {
        const answer = await fetch(url, { priority: "low" });
        if (answer.ok) picture = await createImageBitmap(await answer.blob());
      } catch (error) {
        if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
        return; // The server went away; the player says so.
      }
      if (generation !== this.generation) {
        picture?.close();
        return;
      }
      this.pictures.set(place, picture);
      this.canvas.dataset.pictures = this.pictures.size;
      this.drawPictures();
    }
  }

  shareAt(clientX) {
    const box = this.canvas.getBoundingClientRect();
    return Math.max(0, Math.min(1, (clientX - box.left) / box.width));
  }

  /** Where a frame is, in pixels from the left. */
  at(frame) {
    return (this.data.frames > 1 ? frame / (this.data.frames - 1) : 0.5) * this.width;
  }

  /** Move the cursor: an element of its own, so that no step paints the pictures anew. */
  draw(index) {
    if (!this.width) return;
    const x = Math.max(2.5, Math.min(this.width - 2.5, this.at(index)));
    this.cursor.style.transform = `translateX(${x - 2.5}px)`;
  }

  drawPictures() {
    if (!this.width) return;
    const g = freshContext(this.canvas, this.width, this.height);
    const wide = this.width / this.count;
    g.fillStyle = this.theme.surface;
    g.fillRect(0, 0, this.width, this.height);
    for (let place = 0; place < this.count; place++) {
      const picture = this.pictures.get(place);
      const x = place * wide;
      if (picture) {
        const scale = Math.max((wide - 1) / picture.width, this.height / picture.height);
        const [w, h] = [(wide - 1) / scale, this.height / scale];
        g.drawImage(picture, (picture.width - w) / 2, (picture.height - h) / 2, w, h, x, 0, wide - 1, this.height);
      } else if (picture === null) {
        g.strokeStyle = this.theme.red;
        line(g, [[x + 4, 4], [x + wide - 5, this.height - 4]]);
      }
    }
    if (this.kept) {
      g.fillStyle = this.theme.surface;
      g.globalAlpha = 0.78;
      g.fillRect(0, 0, this.at(this.kept[0]), this.height);
      g.fillRect(this.at(this.kept[1]), 0, this.width, this.height);
      g.globalAlpha = 1;
    }
  }

  dispose() {
    this.generation++;
    for (const picture of this.pictures.values()) picture?.close();
    this.pictures.clear();
  }
}
