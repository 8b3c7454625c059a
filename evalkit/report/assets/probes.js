// Matched answers: rows of the evidence side by side, with the words that show a key fact marked.

/** A text with its key facts marked. `spans` are [start, end, fact] in UTF-16 units, apart and in order. */
function markedText(text, spans, facts) {
  return withMarks(text, spans, (words, fact) =>
    marked(facts[fact][2] ? "core" : "", words, facts[fact][0]));
}

/** A text with what judges quoted marked. `quoted` are [start, end, what for and by whom]. */
function quotedText(text, quoted) {
  return withMarks(text, quoted, (words, why) => marked("quoted", words, why));
}

/** Words with a mark behind them that is drawn by the style sheet: it is not copied and not found in the text. */
function marked(className, words, name) {
  const mark = el("mark", className, words);
  mark.dataset.mark = reveal(name).map((node) => node.textContent).join("");
  return mark;
}

function withMarks(text, spans, mark) {
  const box = el("div", "passage raw marked");
  box.dir = "auto";
  let from = 0;
  for (const [start, end, what] of spans) {
    if (end > text.length) break;
    box.append(...reveal(text.slice(from, start)), mark(text.slice(start, end), what));
    from = end;
  }
  box.append(...reveal(text.slice(from)));
  return box;
}

/** Each judge's class, with the words that it rests on. */
function voteList(votes) {
  return el("ol", "votes", votes.map((vote) =>
    el("li", vote.given ? "" : "novote",
      vote.judge, vote.instead === null ? "" : ` in place of ${vote.instead}`, ": ", el("b", "", vote.class),
      vote.quotes.length + vote.unproven.length > 0 ? fold(quotationsOf(vote), quotationList(vote)) : "")));
}

function quotationsOf(vote) {
  const given = `${vote.quotes.length || "no"} quotation${vote.quotes.length === 1 ? "" : "s"}`;
  return given + (vote.unproven.length > 0 ? `, ${vote.unproven.length} not in the answer` : "");
}

function quotationList(vote) {
  const quoted = vote.quotes.map(([check, words]) => {
    const quote = el("q", "", words);
    quote.dir = "auto";
    return el("li", "", `${check}: `, quote);
  });
  const unproven = vote.unproven.map((check) =>
    el("li", "missed", `${check}: counts as no, for the words it quoted are not in the answer`));
  return el("ul", "", quoted, unproven);
}

/** The key facts of a question, found or missing, core facts first. */
function factList(facts) {
  const order = [...facts].sort((a, b) => b[2] - a[2]);
  return el("ul", "fact-list", order.map(([id, fact, core, found]) =>
    el("li", found ? "found" : "missed",
      el("b", "", `${found ? "✓" : "✗"} ${id}${core ? " core" : ""}`), ` ${found ? "" : "missing: "}${fact}`)));
}

function drawMatched(index, item, detail, language) {
  const name = el("h4", "", el("span", "letter", index.letters[item.subject]), " ", index.subjects[item.subject]);
  const box = el("article", "answer", name, el("p", "standing", el("span", "chip", item.class)));
  const answer = detail.answers[item.subject];
  const turn = answer.turns[answer.turns.length - 1];
  const judged = item.votes !== undefined;
  if (turn.text !== null) {
    box.append(judged ? quotedText(turn.text, item.quoted) : markedText(turn.text, item.spans, item.facts));
  }
  if (turn.failure !== null) box.append(passage(turn.failure, "failure"));
  if (judged && item.votes.length > 0) box.append(voteList(item.votes));
  box.append(item.answered ? factList(item.facts)
    : el("p", "none", "There is no answer of the model, so no fact is looked for."));
  for (const node of box.querySelectorAll(".passage:not(.failure), q")) languageOf(node, language);
  return box;
}

/** The question of an answer, in its language. */
function drawQuestion(item, detail, language) {
  const text = passage(detail.input[detail.input.length - 1].content || "", "asked");
  languageOf(text, language);
  return el("div", "", el("p", "tiny", item.sample), text);
}

async function openMatched(details) {
  const index = await block("evidence-index");
  const items = (await block(details.dataset.block))[Number(details.dataset.item)];
  const columns = [];
  const same = items.every((item) => item.sample === items[0].sample);
  for (const item of items) {
    const row = index.id.findIndex((id, r) =>
      id === item.sample && index.epoch[r] === item.epoch && index.suites[index.suite[r]].name === item.suite);
    if (row < 0) continue;
    const chunk = index.chunk[row];
    const details_ = await block("evidence-" + chunk);
    const language = index.languages[index.language[row]];
    const detail = details_[row - index.chunk_start[chunk]];
    const column = drawMatched(index, item, detail, language);
    const question = drawQuestion(item, detail, language);
    if (!same) column.querySelector(".standing").after(question);
    else if (columns.length === 0) details.append(question);
    columns.push(column);
  }
  details.append(el("div", "answers", columns));
}

for (const details of document.querySelectorAll("details.matched")) {
  details.addEventListener("toggle", () => {
    if (!details.open || details.dataset.drawn) return;
    details.dataset.drawn = "yes";
    openMatched(details);
  });
}
