// Start: tooltips at once, the evidence when somebody comes near it.

/** One tooltip for the page: on hover, on focus, closed by Escape, readable while pointed at. */
function startTips() {
  const tip = document.getElementById("tip");
  let owner = null;
  const hide = () => {
    if (owner) owner.removeAttribute("aria-describedby");
    owner = null;
    tip.hidden = true;
  };
  const show = (target) => {
    if (target === owner) return;
    hide();
    owner = target;
    tip.textContent = target.dataset.tip;
    tip.hidden = false;
    target.setAttribute("aria-describedby", "tip");
    const place = target.getBoundingClientRect();
    const width = tip.offsetWidth;
    const left = Math.min(Math.max(8, place.left), document.documentElement.clientWidth - width - 8);
    const below = place.bottom + 6 + tip.offsetHeight < window.innerHeight;
    tip.style.left = Math.max(8, left) + window.scrollX + "px";
    tip.style.top = (below ? place.bottom + 4 : place.top - tip.offsetHeight - 4) + window.scrollY + "px";
  };
  const over = (event) => {
    if (!(event.target instanceof Element) || tip.contains(event.target)) return;
    const target = event.target.closest("[data-tip]");
    if (target) show(target);
    else if (event.type === "pointerover" && owner !== document.activeElement) hide();
  };
  document.addEventListener("pointerover", over);
  document.addEventListener("focusin", over);
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}

/** Short standing of a subject on a row, as text and kind. */
function standing(index, row, subject) {
  const outcome = index.outcomes[index.outcome[subject][row]];
  const value = index.value[subject][row];
  if (outcome.kind !== "ok" || value === null) return [outcome.short, outcome.kind];
  const label = index.labels[index.label[subject][row]];
  const suite = index.suites[index.suite[row]];
  if (label) return [label, value > 0 ? "good" : "bad"];
  if (suite.kind === "binary") return value > 0 ? ["✓", "good"] : ["✗", "bad"];
  return [String(Math.round(value * 100) / 100), "plain"];
}

/** Endpoints whose standings fit beside each other; of more, each standing is counted. */
const MOST_CHIPS = 6;

function drawChips(index, row) {
  const found = index.subjects.flatMap((_, s) =>
    index.outcome[s][row] < 0 ? [] : [[index.letters[s], ...standing(index, row, s)]]);
  if (index.subjects.length <= MOST_CHIPS) {
    return found.map(([letter, text, kind]) => el("span", "mini kind-" + kind, el("b", "", letter), " ", text));
  }
  const counts = new Map();
  for (const [, text, kind] of found) counts.set(text, [(counts.get(text) || [0])[0] + 1, kind]);
  return [...counts].sort((a, b) => b[1][0] - a[1][0]).map(([text, [count, kind]]) =>
    el("span", "mini kind-" + kind, el("b", "", String(count)), " ", text));
}

function drawRow(index, row) {
  const chips = drawChips(index, row);
  const about = [index.suites[index.suite[row]].name, index.languages[index.language[row]]];
  if (index.epochs) about.push("epoch " + index.epoch[row]);
  const title = el("div", "item-title", el("span", "item-id", index.id[row]),
    el("span", "item-about", about.filter(Boolean).join(" · ")));
  return [title, el("div", "item-chips", chips)];
}

function fill(select, options) {
  for (const [value, text] of options) {
    const option = document.createElement("option");
    option.value = value;
    option.textContent = text;
    select.append(option);
  }
  select.closest("label").hidden = options.length < 2;
}

async function startEvidence() {
  const root = document.getElementById("browser");
  if (!root) return;
  if (typeof DecompressionStream === "undefined") {
    document.getElementById("evidence-state").textContent =
      "This browser cannot unpack the evidence (no DecompressionStream); open the page in a browser from 2023 or later.";
    return;
  }
  const index = await block("evidence-index");
  index.haystack = index.id.map((id, row) => (id + "\n" + index.snippet[row]).toLowerCase());
  const panel = document.getElementById("detail");
  const controls = Object.fromEntries(FILTERS.map((name) => [name, document.getElementById("f-" + name)]));
  fill(controls.suite, index.suites.map((s) => [s.name, s.title]));
  fill(controls.topic, index.topics.map((t) => [t, t]));
  fill(controls.language, index.languages.map((l) => [l, l]));
  fill(controls.outcome, index.outcomes.map((o) => [o.name, o.title]));
  fill(controls.against, index.subjects.map((s, i) => [s, index.letters[i] + " " + s]));
  const keyOf = (row) =>
    [index.suites[index.suite[row]].name, index.id[row], index.epoch[row]].map(encodeURIComponent).join("/");
  const filters = () =>
    Object.fromEntries(FILTERS.map((name) => [name, controls[name].value]));
  let opened = null;
  const open = async (row) => {
    opened = row;
    writeAddress(filters(), keyOf(row));
    const chunk = index.chunk[row];
    const details = await block("evidence-" + chunk);
    if (opened !== row) return;
    const link = el("a", "row-link", "Link to this row");
    link.href = "#evidence?row=" + encodeURIComponent(keyOf(row));
    const chosen = index.subjects.indexOf(controls.against.value);
    panel.replaceChildren(...drawDetail(index, row, details[row - index.chunk_start[chunk]], chosen), link);
    panel.scrollTop = 0;
  };
  const list = new RowList(document.getElementById("rows"), (row) => drawRow(index, row), open);
  const refresh = () => {
    const rows = select(index, filters());
    const count = rows.length.toLocaleString("en");
    document.getElementById("evidence-state").textContent =
      rows.length === 0
        ? "No row passes these filters."
        : `${count} of ${index.id.length.toLocaleString("en")} rows`;
    list.show(rows);
  };
  const apply = () => {
    const { asked, values } = readAddress();
    if (asked) for (const name of FILTERS) controls[name].value = values.get(name) || "";
    for (const name of FILTERS) if (controls[name].selectedIndex === -1) controls[name].value = "";
    refresh();
    const key = values.get("row");
    const row = key ? index.id.findIndex((_, r) => keyOf(r) === key) : -1;
    const place = row >= 0 ? list.rows.indexOf(row) : list.rows.length ? 0 : -1;
    if (row >= 0 && row !== opened && place >= 0) list.choose(place);
    if (asked) document.getElementById("evidence").scrollIntoView();
  };
  const changed = () => {
    writeAddress(filters(), opened === null ? null : keyOf(opened));
    refresh();
    if (opened !== null) open(opened);
  };
  for (const name of FILTERS) controls[name].addEventListener("input", changed);
  document.getElementById("f-reset").addEventListener("click", () => {
    for (const name of FILTERS) controls[name].value = "";
    changed();
  });
  window.addEventListener("hashchange", apply);
  apply();
  root.dataset.ready = "yes";
}

/** Paper has no folds: what is folded opens for the print and closes again, but not the lists beneath figures,
 * the matched answers, and what rules say beside judges. */
function startPrint() {
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open], .cell, .matched, .floor, .floor details)")];
    for (const details of opened) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
    opened = [];
  });
}

function start() {
  startTips();
  startPrint();
  const evidence = document.getElementById("evidence");
  if (!evidence) return;
  let begun = false;
  const begin = () => {
    if (!begun) startEvidence();
    begun = true;
  };
  if (readAddress().asked) begin();
  else new IntersectionObserver((seen) => seen.some((s) => s.isIntersecting) && begin(), {
    rootMargin: "800px",
  }).observe(evidence);
  window.addEventListener("hashchange", () => readAddress().asked && begin());
}

start();
