/* The keys of the player. Letters go by the place of the key, so that they work while a Korean keyboard is switched on. */

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

/** The name of an act for a key event, with what it needs; null where the key means nothing here. */
function actOf(event, curating) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return null;
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
  if (byKey[event.key]) return byKey[event.key];
  const byCode = { KeyL: ["loop"], KeyA: ["arrow"] };
  if (byCode[event.code]) return byCode[event.code];
  if (!curating) return null;
  const digit = /^(?:Digit|Numpad)([0-5])$/.exec(event.code);
  if (digit && !event.shiftKey) return ["rate", Number(digit[1])];
  const curation = {
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
  return curation[event.code] ?? null;
}

function fillHelp(table, curating) {
  fillKeys(table, [...PLAYBACK_KEYS, ...(curating ? CURATION_KEYS : [])]);
}

function fillKeys(table, known) {
  table.replaceChildren();
  for (const [keys, meaning] of known) {
    const row = element("tr", "");
    row.append(element("th", keys), element("td", meaning));
    table.append(row);
  }
}
