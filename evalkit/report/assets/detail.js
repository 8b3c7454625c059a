// One sample, all endpoints side by side.

/**
 * The whole panel of a row. `detail` is the row's part of its block. Where there are many endpoints, a `chosen` one
 * stands beside the reference alone; -1 is none.
 */
function drawDetail(index, row, detail, chosen) {
  const suite = index.suites[index.suite[row]];
  const about = [
    suite.title,
    index.epochs ? `epoch ${index.epoch[row]}` : "",
    index.topics[index.topic[row]],
    index.languages[index.language[row]],
    ...detail.tags,
  ].filter(Boolean);
  const head = el("header", "detail-head", el("h3", "", index.id[row]), el("p", "about", about.join(" · ")));
  const asked = el("section", "asked", el("h4", "", "Question"), detail.input.map(drawMessage));
  if (detail.target !== null) asked.append(fold("Expected", passage(detail.target)));
  const shown = (s) => chosen < 0 || index.subjects.length <= MOST_CHIPS || s === chosen || s === index.reference;
  const answers = el("div", "answers", detail.answers.map((answer, s) =>
    shown(s) ? drawAnswer(index, row, s, answer) : null));
  const language = index.languages[index.language[row]];
  for (const part of [asked, answers]) for (const node of part.querySelectorAll(".passage")) languageOf(node, language);
  return [head, asked, answers];
}

function drawMessage(message) {
  const calls = message.calls.map(drawCall);
  return el(
    "div",
    "turn role-" + message.role,
    el("span", "role", message.role),
    message.content === null ? null : passage(message.content),
    calls,
  );
}

function drawCall(call) {
  return el("div", "call", el("code", "", call[0]), passage(call[1], "mono"));
}

function drawAnswer(index, row, subject, answer) {
  const name = el("h4", "", el("span", "letter", index.letters[subject]), " ", index.subjects[subject]);
  if (subject === index.reference) name.append(" ", el("span", "tagged", "reference"));
  const column = el("article", "answer", name);
  if (answer === null) {
    column.append(el("p", "none", "Not asked: this endpoint has no trial of this sample."));
    return column;
  }
  const moved = change(index, row, subject);
  const outcome = index.outcomes[index.outcome[subject][row]];
  const line = el("p", "standing", el("span", "chip kind-" + outcome.kind, outcome.title));
  if (moved) line.append(" ", el("span", moved > 0 ? "chip better" : "chip worse",
    moved > 0 ? "▲ better than reference" : "▼ worse than reference"));
  column.append(line, ...answer.scores.map(drawScore), ...answer.turns.map(drawTurn));
  if (answer.others.length) {
    column.append(fold(`Judges and simulated users (${answer.others.length})`, answer.others.map(drawTurn)));
  }
  return column;
}

function drawScore(score) {
  const value = el("p", "score", `${score.title}: `, el("strong", "", score.value));
  const box = el("section", "score-box", value);
  if (score.answer !== null) {
    box.append(el("p", "tiny", "Extracted answer"), passage(score.answer, "mono extracted"));
  }
  if (score.why !== null) box.append(passage(score.why, "why"));
  if (score.data.length) {
    box.append(fold("What the scorer recorded", score.data.map(([name, text]) =>
      el("div", "recorded", el("p", "tiny", name), passage(text, "mono")))));
  }
  return box;
}

function drawTurn(turn) {
  const box = el("section", "turn-box");
  if (turn.title) box.append(el("p", "tiny", turn.title));
  box.append(...turn.prompt.map(drawMessage));
  if (turn.reasoning !== null) {
    box.append(fold(`Reasoning (${turn.reasoning_size})`, passage(turn.reasoning)));
  }
  if (turn.text !== null) box.append(passage(turn.text, "raw"));
  box.append(...turn.calls.map(drawCall));
  if (turn.failure !== null) box.append(passage(turn.failure, "failure"));
  if (turn.defects.length) box.append(el("p", "tiny", "Tool-format defects: " + turn.defects.join(", ")));
  if (turn.facts.length) {
    box.append(el("dl", "facts", turn.facts.map(([name, text]) =>
      el("div", "", el("dt", "", name), el("dd", "", text)))));
  }
  return box;
}
