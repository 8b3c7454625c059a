// Labelling: shows one answer after another and sends each key to the server before it moves on.

const BASE = document.body.dataset.base;
const at = (id) => document.getElementById(id);
const classes = [...document.querySelectorAll("button.class")];
const names = Object.fromEntries(classes.map((b) => [b.dataset.label, (b.querySelector("b") || b.lastChild).textContent.trim()]));
let shown = null;
let busy = false;
let failed = null;

function fill(id, text) {
  at(id).replaceChildren(...reveal(text));
}

const ROLES = { core: "core", position: "authority’s position", premise: "corrects the question" };

function drawAnswer(asked) {
  fill("question", asked.question);
  fill("answer", asked.answer || "(nothing but reasoning)");
  languageOf(at("question"), asked.language);
  languageOf(at("answer"), asked.language);
  at("cut").hidden = !asked.cut;
  fill("task", asked.task);
  at("facts-part").hidden = asked.facts.length === 0;
  at("facts").replaceChildren(...asked.facts.map((fact) => {
    const item = el("li", fact.role || "other", fact.role ? el("b", "role", ROLES[fact.role]) : null, fact.role ? " " : null, fact.fact);
    item.dir = "auto";
    return item;
  }));
}

function drawBetween(between) {
  at("between").hidden = between.length === 0;
  at("between").replaceChildren(el("p", "", "Annotators differ: ",
    between.flatMap((label, i) => [i ? " or " : "", el("b", "", names[label] || label)]), "."));
  for (const button of classes) button.classList.toggle("said", between.includes(button.dataset.label));
}

function draw(next) {
  shown = next;
  at("trouble").hidden = true;
  at("bar").max = next.total;
  at("bar").value = next.done;
  const later = next.later ? `, ${next.later} put off` : "";
  fill("count", `${next.done} of ${next.total}${later}`);
  const ended = next.item === null;
  at("work").hidden = ended;
  at("end").hidden = !ended;
  at("undo").disabled = at("end-undo").disabled = !next.step;
  closeNote();
  at("note").value = "";
  if (ended) {
    fill("end-text", `All ${next.total} answers have a label. Close this page, and press Ctrl-C in the terminal.`);
  } else {
    drawAnswer(next.asked);
    drawBetween(next.between);
  }
  window.scrollTo(0, 0);
  document.querySelector(".read").scrollTop = 0;
  at(ended ? "end-head" : "question-head").focus({ preventScroll: true });
}

function complain(text) {
  fill("why", text);
  at("trouble").hidden = false;
}

/** Ask the server for a step. The page stays as it is until the step is on the disk. */
async function step(path, body, told) {
  if (busy) return;
  busy = true;
  document.body.classList.add("busy");
  failed = () => step(path, body, told);
  try {
    const options = body === null ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const signal = AbortSignal.timeout(15000);
    const response = await fetch(`${BASE}/${path}`, { ...options, signal, cache: "no-store", redirect: "error" });
    const answer = await response.json();
    if (response.ok) {
      failed = null;
      draw(answer);
      fill("said", told ? `${told}. ${answer.done} of ${answer.total}.` : "");
    } else {
      complain(response.status === 404 || response.status === 403
        ? "Not saved: this page is of an earlier start. Open the address that evalkit label prints now."
        : `Not saved: ${answer.error}`);
    }
  } catch {
    complain("Not saved: nothing answers. Is evalkit label still running in the terminal? All labels before this one " +
      "are kept. If it was started again, open the address that it prints.");
  } finally {
    busy = false;
    document.body.classList.remove("busy");
  }
}

function give(label) {
  if (!shown || shown.item === null) return;
  const note = at("note").value.trim();
  step("label", note ? { item: shown.item, label, note } : { item: shown.item, label }, `Saved: ${names[label]}`);
}

const undo = () => { if (shown && shown.step) step("undo", { step: shown.step }, "Taken back"); };
const later = () => { if (shown && shown.item !== null) step("later", { item: shown.item }, "Put off"); };
const again = () => { if (failed) failed(); };

function openNote() {
  if (!shown || shown.item === null) return;
  at("note-part").hidden = false;
  at("note-open").setAttribute("aria-expanded", "true");
  at("note").focus();
}

/** Back to the keys; what was written stays until the class is given. */
function closeNote() {
  if (document.activeElement === at("note")) at("note-open").focus();
  at("note-part").hidden = at("note").value.trim() === "";
  at("note-open").setAttribute("aria-expanded", String(!at("note-part").hidden));
}

/** The letter or digit of a key, by its place on the keyboard where the layout gives another script. */
function keyOf(event) {
  const key = event.key.toLowerCase();
  if (key in KEYS || classes.some((b) => b.dataset.key === key)) return key;
  const place = /^(?:Key|Digit|Numpad)([A-Z0-9])$/.exec(event.code);
  return place ? place[1].toLowerCase() : key;
}

let keysOn = true;
at("keys").addEventListener("change", () => { keysOn = at("keys").checked; });

/** Open the help with the focus on its way out. The attribute `autofocus` would ask for it at the page's start too. */
function help() {
  at("help").showModal();
  at("help-close").focus();
}

const KEYS = { l: later, z: undo, n: openNote, r: again, "?": help };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat || at("help").open) return;
  if (event.target === at("note")) {
    if (event.key === "Escape" || (event.key === "Enter" && !event.shiftKey)) {
      event.preventDefault();
      closeNote();
    }
    return;
  }
  if (!keysOn) return;
  const key = keyOf(event);
  const button = classes.find((b) => b.dataset.key === key);
  const call = button ? () => give(button.dataset.label) : KEYS[key];
  if (call) {
    event.preventDefault();
    call();
  }
});

for (const button of classes) button.addEventListener("click", () => give(button.dataset.label));
at("later").addEventListener("click", later);
at("undo").addEventListener("click", undo);
at("end-undo").addEventListener("click", undo);
at("note-open").addEventListener("click", openNote);
at("again").addEventListener("click", again);
at("help-open").addEventListener("click", KEYS["?"]);
at("help-close").addEventListener("click", () => at("help").close());
step("next", null, "");
