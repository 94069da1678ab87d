/* The keys of every scrubber. Letters go by the place of the key, so that they work while a Korean keyboard is switched on. */

const PLAYBACK_KEYS = [
  ["Space", "play or pause"],
  ["\u2190 \u2192", "one frame back, on"],
  ["Shift + \u2190 \u2192, PageDown PageUp", "ten frames back, on"],
  ["Home, End", "first and last frame"],
  [", .", "slower, faster"],
  ["L", "loop on or off"],
  ["A", "arrow over the picture on or off"],
  ["?", "this help"],
];

/** The name of an act for a key event, with what it needs; null where the key means nothing here. */
function actOf(event) {
  const step = event.shiftKey ? 10 : 1;
  const byKey = {
    ArrowRight: ["step", step],
    ArrowLeft: ["step", -step],
    PageUp: ["step", 10],
    PageDown: ["step", -10],
    Home: ["first"],
    End: ["last"],
    " ": ["play"],
    "?": ["help"],
    ",": ["slower"],
    ".": ["faster"],
    Escape: ["escape"],
  };
  const byCode = { KeyL: ["loop"], KeyA: ["arrow"] };
  return byKey[event.key] ?? byCode[event.code] ?? null;
}

function fillKeys(table, known) {
  table.replaceChildren();
  for (const [keys, meaning] of known) {
    const row = element("tr", "");
    row.append(element("th", keys), element("td", meaning));
    table.append(row);
  }
}
