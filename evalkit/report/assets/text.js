// Model output is hostile: it reaches the page only through text nodes, and characters that hide or
// reorder text are shown by name.

const HIDDEN = new RegExp(
  "[\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4" +
    "\\u17b5\\u180b-\\u180f\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0" +
    "\\ufff0-\\ufffb\\ufffe\\uffff\\p{Cs}\\p{Co}]|[\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]" +
    "|(?<![\\p{M}\\p{Script=Arabic}\\p{Script=Devanagari}\\p{Script=Bengali}\\p{Script=Gujarati}" +
    "\\p{Script=Gurmukhi}\\p{Script=Kannada}\\p{Script=Malayalam}\\p{Script=Oriya}\\p{Script=Sinhala}" +
    "\\p{Script=Tamil}\\p{Script=Telugu}\\p{Script=Mongolian}\\p{Extended_Pictographic}\\ufe0f" +
    "\\u{1f3fb}-\\u{1f3ff}])[\\u200c\\u200d]",
  "gu",
);

const NAMES = {
  0x00: "NUL", 0x07: "BEL", 0x08: "BACKSPACE", 0x1b: "ESC", 0x7f: "DELETE", 0xad: "SOFT HYPHEN",
  0x61c: "ARABIC LETTER MARK", 0x200b: "ZERO WIDTH SPACE", 0x200c: "ZERO WIDTH NON-JOINER",
  0x200d: "ZERO WIDTH JOINER", 0x200e: "LEFT-TO-RIGHT MARK", 0x200f: "RIGHT-TO-LEFT MARK",
  0x2028: "LINE SEPARATOR", 0x2029: "PARAGRAPH SEPARATOR", 0x202a: "LEFT-TO-RIGHT EMBEDDING",
  0x202b: "RIGHT-TO-LEFT EMBEDDING", 0x202c: "POP DIRECTIONAL FORMATTING",
  0x202d: "LEFT-TO-RIGHT OVERRIDE", 0x202e: "RIGHT-TO-LEFT OVERRIDE", 0x2060: "WORD JOINER",
  0x2066: "LEFT-TO-RIGHT ISOLATE", 0x2067: "RIGHT-TO-LEFT ISOLATE", 0x2068: "FIRST STRONG ISOLATE",
  0x2069: "POP DIRECTIONAL ISOLATE", 0xfeff: "ZERO WIDTH NO-BREAK SPACE",
};

/** Name of a hidden character, as `U+202E RIGHT-TO-LEFT OVERRIDE`. */
function nameOf(character) {
  const code = character.codePointAt(0);
  const hex = "U+" + code.toString(16).toUpperCase().padStart(4, "0");
  return NAMES[code] ? `${hex} ${NAMES[code]}` : hex;
}

/** Text as nodes: ordinary text as text nodes, hidden characters as labelled marks. */
function reveal(text) {
  const nodes = [];
  let from = 0;
  for (const match of String(text).matchAll(HIDDEN)) {
    if (match.index > from) nodes.push(document.createTextNode(text.slice(from, match.index)));
    const mark = document.createElement("span");
    mark.className = "hidden-char";
    mark.dir = "ltr";
    mark.textContent = nameOf(match[0]);
    nodes.push(mark);
    from = match.index + match[0].length;
  }
  if (from < text.length) nodes.push(document.createTextNode(from ? text.slice(from) : text));
  return nodes;
}

/** An element with a class and children; strings become revealed text, never markup. */
function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === "") continue;
    if (child instanceof Node) node.append(child);
    else node.append(...reveal(String(child)));
  }
  return node;
}

/** Text in its own direction and with its own line breaks. */
function passage(text, className) {
  const node = el("div", "passage" + (className ? " " + className : ""), text);
  node.dir = "auto";
  return node;
}

/** Say what language a text is in: fonts, hyphens and voices hang on it. */
function languageOf(node, language) {
  if (/^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/.test(language || "")) node.lang = language;
  else node.removeAttribute("lang");
}

/** A folded part with a title. */
function fold(title, ...children) {
  const summary = el("summary", "", title);
  return el("details", "fold", summary, ...children);
}
