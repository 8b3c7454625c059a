// Which rows are shown. Filters live in the address, so that a view can be sent to somebody.

const FILTERS = ["suite", "topic", "language", "outcome", "show", "against", "find"];

/** What the address asks for: `#evidence?suite=…&row=…`. */
function readAddress() {
  const [anchor, query] = location.hash.slice(1).split("?");
  return { asked: anchor === "evidence", values: new URLSearchParams(query || "") };
}

/** Put filters and the open row into the address without a step in the history. */
function writeAddress(filters, row) {
  const values = new URLSearchParams();
  for (const name of FILTERS) if (filters[name]) values.set(name, filters[name]);
  if (row) values.set("row", row);
  history.replaceState(null, "", "#evidence?" + values.toString());
}

/** Difference of a subject's score from the reference's: better 1, worse -1, same 0, not comparable null. */
function change(index, row, subject) {
  const reference = index.reference;
  if (reference === null || subject === reference) return null;
  const here = index.value[subject][row];
  const there = index.value[reference][row];
  if (here === null || there === null) return null;
  const sign = index.suites[index.suite[row]].higher_is_better ? 1 : -1;
  return Math.sign((here - there) * sign);
}

/** Whether endpoints differ on a row: in outcome, label or score. */
function differs(index, row) {
  const shown = index.subjects.map((_, s) => s).filter((s) => index.outcome[s][row] >= 0);
  return shown.some(
    (s) =>
      index.outcome[s][row] !== index.outcome[shown[0]][row] ||
      index.value[s][row] !== index.value[shown[0]][row] ||
      index.label[s][row] !== index.label[shown[0]][row],
  );
}

const SHOWN = {
  differ: (index, row) => differs(index, row),
  worse: (index, row, subjects) => subjects.some((s) => change(index, row, s) === -1),
  better: (index, row, subjects) => subjects.some((s) => change(index, row, s) === 1),
  unscored: (index, row, subjects) =>
    subjects.some((s) => index.outcome[s][row] >= 0 && index.value[s][row] === null),
};

/** Numbers of the rows that pass all filters. */
function select(index, filters) {
  const suite = index.suites.findIndex((s) => s.name === filters.suite);
  const topic = index.topics.indexOf(filters.topic);
  const language = index.languages.indexOf(filters.language);
  const outcome = index.outcomes.findIndex((o) => o.name === filters.outcome);
  const subject = index.subjects.indexOf(filters.against);
  const subjects = subject >= 0 ? [subject] : index.subjects.map((_, s) => s);
  const wanted = (filters.find || "").toLowerCase();
  const show = SHOWN[filters.show];
  const rows = [];
  for (let row = 0; row < index.id.length; row += 1) {
    if (filters.suite && index.suite[row] !== suite) continue;
    if (filters.topic && index.topic[row] !== topic) continue;
    if (filters.language && index.language[row] !== language) continue;
    if (filters.outcome && !subjects.some((s) => index.outcome[s][row] === outcome)) continue;
    if (wanted && !index.haystack[row].includes(wanted)) continue;
    if (show && !show(index, row, subjects)) continue;
    rows.push(row);
  }
  return rows;
}
