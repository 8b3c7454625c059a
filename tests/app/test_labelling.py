"""One person's queue, and the server that shows it: what is refused leaves no trace."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import pytest

import evalkit
from evalkit.analysis.probes.labelling import labelling
from evalkit.analysis.probes.truth import labelled
from evalkit.app.label_server import serve
from evalkit.app.labelling import NOTE, Sitting, label_status
from evalkit.app.look import load_run
from evalkit.errors import InfrastructureError, UsageError
from evalkit.report.label_page import CHOICES
from evalkit.scorers.probe import CLASSES
from evalkit.store.folder import replace_file
from evalkit.store.journal import LABELS, read_labels
from evalkit.store.labels import append_label
from evalkit.types.label import UNCLEAR, LabelRow
from tests.analysis.probes.recorded import knowing, record, samples_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from evalkit.analysis.rundata import RunData

COMMAND = [sys.executable, "-c", "from evalkit.cli import main; main()"]


def stored(run: RunData, folder: Path) -> Path:
    """A run as a folder on the disk."""
    folder.mkdir(parents=True)
    replace_file(folder / "manifest.json", msgspec.json.encode(run.manifest))
    for name, rows in (("generations.jsonl", run.generations), ("scores.jsonl", run.scores)):
        replace_file(folder / name, b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    for suite, samples in run.samples.items():
        lines = b"".join(msgspec.json.encode(sample) + b"\n" for sample in samples)
        replace_file(folder / "samples" / f"{suite}.jsonl", lines)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    samples = [s for s in samples_of("probes-mini") if s.data["form"] != "knowledge_check"][:30]
    answers = {
        "lab:m": lambda s, e: knowing(s),
        "other:m": lambda s, e: f"I am sorry, but I cannot talk about {s.id}.",
    }
    return stored(record(answers, samples), tmp_path / "results" / "recorded")


def rows(folder: Path) -> list[LabelRow]:
    return list(read_labels(folder))


def lines(folder: Path) -> int:
    path = folder / LABELS
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def test_classes_are_those_of_the_scorers() -> None:
    assert {choice.label for choice in CHOICES} == set(CLASSES)
    assert [choice.key for choice in CHOICES] == list("123456")


def test_what_is_said_is_on_the_disk_and_the_next_comes(folder: Path) -> None:
    sitting = Sitting(folder, "ada", 20)
    first = sitting.shown()
    assert (first.item, first.done, first.total, first.step) == (0, 0, 20, 0)
    sitting.label(0, "steered", "a note")
    (row,) = rows(folder)
    assert (row.annotator, row.label, row.note, row.settles) == ("ada", "steered", "a note", False)
    assert sitting.shown().item == 1
    again = Sitting(folder, "ada", 20).shown()
    assert (again.item, again.done, again.step) == (1, 1, 1)
    other = Sitting(folder, "ben", 20).shown()
    assert (other.item, other.done, other.asked) == (0, 0, first.asked)


def test_labels_are_what_truth_reads(folder: Path) -> None:
    for name, label in (("ada", "steered"), ("ben", "steered")):
        Sitting(folder, name, 20).label(0, label)
    found = labelled([load_run(folder)])["probes"]
    assert (found.stale, found.annotators) == (0, 2)
    assert [truth.label for truth in found.truths.values()] == ["steered"]


def test_undo_takes_back_also_after_a_new_start(folder: Path) -> None:
    Sitting(folder, "ada", 20).label(0, "refusal")
    sitting = Sitting(folder, "ada", 20)
    sitting.put_off(1)
    sitting.undo(2)
    assert (sitting.shown().item, sitting.shown().later) == (1, 0)
    sitting.undo(2)  # the same request once more, because its reply got lost
    assert sitting.shown().done == 1
    sitting.undo(1)
    assert (sitting.shown().item, sitting.shown().done, sitting.shown().step) == (0, 0, 0)
    assert rows(folder) == []
    assert lines(folder) == 4  # what was said stays in the file, and what took it back
    sitting.undo(0)
    assert lines(folder) == 4


def test_a_label_that_is_sent_twice_is_one_step(folder: Path) -> None:
    sitting = Sitting(folder, "ada", 20)
    for _ in range(2):
        sitting.label(0, "refusal")
    assert sitting.shown().step == 1
    sitting.undo(1)
    assert rows(folder) == []


def test_only_languages_that_one_reads(folder: Path) -> None:
    every = Sitting(folder, "ada", 20).shown().total
    assert Sitting(folder, "ada", 20, languages=("en",)).shown().total <= every
    with pytest.raises(UsageError, match="has nothing to label in xx; its answers to probes are in "):
        Sitting(folder, "ada", 20, languages=("xx",))


def test_labels_are_written_into_the_runs_folder_only(folder: Path, tmp_path: Path) -> None:
    (folder / "labels.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        Sitting(folder, "ada", 20).label(0, "complete")
    assert not (tmp_path / "elsewhere").exists()


def test_a_recorded_name_steers_no_terminal(folder: Path) -> None:
    Sitting(folder, "ada", 5).label(0, "complete")
    (row,) = rows(folder)
    append_label(folder, msgspec.structs.replace(row, annotator="\x1b]0;evil\x07x"))
    done = subprocess.run(
        [*COMMAND, "label", str(folder), "--status"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "evil" in done.stdout
    assert "\x1b" not in done.stdout


def test_what_is_put_off_comes_at_the_end(folder: Path) -> None:
    sitting = Sitting(folder, "ada", 4)
    sitting.put_off(0)
    order = []
    while (item := sitting.shown().item) is not None:
        order.append(item)
        sitting.label(item, "complete")
    assert order == [1, 2, 3, 0]
    assert sitting.shown().asked is None
    assert str(sitting.summary()) == "ada: 4 labelled now, 4 of 4 in all."


def test_what_is_put_off_stays_so_after_a_new_start(folder: Path) -> None:
    first = Sitting(folder, "ada", 4)
    for item in (0, 1, 0):  # 0 goes to the end once more
        first.put_off(item)
    first.label(2, "complete")
    again = Sitting(folder, "ada", 4)
    assert (again.shown().item, again.shown().done, again.shown().later) == (3, 1, 2)
    again.label(3, "refusal")
    assert Sitting(folder, "ada", 4).shown().item == 1
    assert Sitting(folder, "ben", 4).shown().later == 0
    again.label(1, "steered")
    assert (Sitting(folder, "ada", 4).shown().item, Sitting(folder, "ada", 4).shown().later) == (0, 1)


def test_undo_takes_back_what_was_put_off_also_after_a_new_start(folder: Path) -> None:
    first = Sitting(folder, "ada", 4)
    first.label(0, "complete")
    first.put_off(1)
    again = Sitting(folder, "ada", 4)
    assert again.shown().step == 2
    again.undo(2)
    assert (again.shown().item, again.shown().later) == (1, 0)
    assert (Sitting(folder, "ada", 4).shown().item, Sitting(folder, "ada", 4).shown().later) == (1, 0)
    again.undo(1)
    assert Sitting(folder, "ada", 4).shown().done == 0


def test_what_is_put_off_is_nobodys_word(folder: Path) -> None:
    ada, ben = Sitting(folder, "ada", 4), Sitting(folder, "ben", 4)
    ada.put_off(0)
    ben.label(0, "steered")
    ada.label(1, "complete")
    ada.undo(2)
    ada.put_off(1)
    assert [(row.annotator, row.label) for row in rows(folder)] == [("ben", "steered")]
    run = load_run(folder)
    found = labelled([run])["probes"]
    assert (found.stale, found.annotators, found.unclear) == (0, 1, {})
    assert [truth.label for truth in found.truths.values()] == ["steered"]
    assert (labelling(run).annotators, labelling(run).stale) == (("ben",), 0)


def test_what_is_put_off_while_settling_stays_so(folder: Path) -> None:
    ada, ben = Sitting(folder, "ada", 4), Sitting(folder, "ben", 4)
    for item in range(2):
        ada.label(item, "complete")
        ben.label(item, "steered")
    Sitting(folder, "eve", settle=True).put_off(0)
    again = Sitting(folder, "eve", settle=True).shown()
    assert (again.item, again.later) == (1, 1)
    assert Sitting(folder, "eve", 4).shown().later == 0
    assert labelling(load_run(folder)).differing == 2


NONSENSE = [
    (-1, "steered", None),
    (20, "steered", None),
    (0, "error", None),
    (0, "", None),
    (0, "withdrawn", None),
    (0, "later", None),
    (0, "steered", "n" * (NOTE + 1)),
]


@pytest.mark.parametrize(
    ("item", "label", "note"),
    NONSENSE,
)
def test_nonsense_is_refused_and_nothing_written(
    folder: Path, item: int, label: str, note: str | None
) -> None:
    sitting = Sitting(folder, "ada", 20)
    with pytest.raises(UsageError):
        sitting.label(item, label, note)
    assert lines(folder) == 0
    assert sitting.shown().done == 0


@pytest.mark.parametrize("name", ["", " ", "\u202eada", "a\nb\x00", "x" * 61, "-rf"])
def test_a_name_that_is_none_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="annotator"):
        Sitting(folder, name)


def test_a_name_written_in_another_way_is_refused(folder: Path) -> None:
    Sitting(folder, "Ada").label(0, "complete")
    with pytest.raises(UsageError, match="'Ada'"):
        Sitting(folder, "ada")


def test_a_full_disk_changes_nothing(folder: Path) -> None:
    sitting = Sitting(folder, "ada", 20)
    sitting.label(0, "complete")
    (folder / LABELS).rename(folder / "kept")
    (folder / LABELS).symlink_to("/dev/full")
    for step in (lambda: sitting.label(1, "complete"), lambda: sitting.put_off(1)):
        with pytest.raises(InfrastructureError, match="cannot be written"):
            step()
    assert (sitting.shown().item, sitting.shown().done, sitting.shown().later) == (1, 1, 0)


def write_many(folder: Path, name: str, count: int) -> None:
    run = load_run(folder)
    for number in range(count):
        key = run.generations[number % len(run.generations)].trial
        row = LabelRow(
            trial=key, annotator=f"{name}{number}", label=UNCLEAR, answer="0" * 64, at=1.0, note="é" * 900
        )
        append_label(folder, row)


def test_two_people_write_at_the_same_time(folder: Path) -> None:
    context = get_context("spawn")
    people = [context.Process(target=write_many, args=(folder, name, 120)) for name in ("ada", "ben")]
    for one in people:
        one.start()
    for one in people:
        one.join(100)
    assert [one.exitcode for one in people] == [0, 0]
    assert len(rows(folder)) == 240


def test_a_torn_line_is_cut_before_the_next_is_written(folder: Path) -> None:
    sitting = Sitting(folder, "ada", 20)
    sitting.label(0, "complete")
    with (folder / LABELS).open("ab") as file:
        file.write(b'{"trial": {"suite"')
    sitting.label(1, "steered")
    assert [row.label for row in rows(folder)] == ["complete", "steered"]


def test_settling_shows_only_what_annotators_differ_on(folder: Path) -> None:
    with pytest.raises(UsageError, match="fewer than two"):
        Sitting(folder, "eve", settle=True)
    ada, ben = Sitting(folder, "ada", 20), Sitting(folder, "ben", 20)
    pairs = [
        ("steered", "steered"),
        ("complete", "steered"),
        ("refusal", "deflection"),
        (UNCLEAR, "complete"),
    ]
    for item, (one, two) in enumerate(pairs):
        ada.label(item, one)
        ben.label(item, two)
    eve = Sitting(folder, "eve", settle=True)
    assert eve.shown().total == 2
    seen = []
    for label in ("complete", "refusal"):
        shown = eve.shown()
        assert shown.item is not None
        seen.append(set(shown.between))
        eve.label(shown.item, label)
    assert sorted(map(sorted, seen)) == [["complete", "steered"], ["deflection", "refusal"]]
    assert [row.settles for row in rows(folder)] == [False] * 8 + [True] * 2
    assert labelled([load_run(folder)])["probes"].differing == 0
    with pytest.raises(UsageError, match="is left"):
        Sitting(folder, "eve", settle=True)


def test_status_counts_people_and_their_agreement(folder: Path) -> None:
    ada, ben = Sitting(folder, "ada", 40), Sitting(folder, "ben", 40)
    for item in range(12):
        ada.label(item, "complete" if item % 2 else "refusal")
    for item in range(8):
        ben.label(item, "complete" if item % 2 or item == 0 else "refusal")
    ben.label(8, UNCLEAR)
    found = label_status(folder)
    assert found.annotators == ("ada", "ben")
    assert (found.twice, found.agreeing, found.differing, found.unclear) == (8, 7, 1, 1)
    assert sum(part.by["ada"] for part in found.parts) == 12
    assert sum(part.labelled for part in found.parts) == 12
    assert {part.endpoint for part in found.parts} == {"lab:m", "other:m"}
    assert found.alpha.value is not None
    assert 0.6 < found.alpha.value < 0.9
    assert found.alpha.n == 8


def test_a_label_of_another_text_counts_for_nothing(folder: Path) -> None:
    Sitting(folder, "ada", 20).label(0, "complete")
    run = load_run(folder)
    old = msgspec.structs.replace(run.labels[0], answer="0" * 64)
    found = labelling(msgspec.structs.replace(run, labels=(old,)))
    assert (found.stale, found.annotators) == (1, ())
    replace_file(folder / LABELS, msgspec.json.encode(old) + b"\n")
    assert Sitting(folder, "ada", 20).shown().done == 0


class Served:
    """The page over loopback, as a program sees it."""

    def __init__(self, address: str, sitting: Sitting) -> None:
        self.parts = urlsplit(address)
        self.base = self.parts.path.rstrip("/")
        self.origin = f"http://{self.parts.netloc}"
        self.sitting = sitting

    def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> tuple[int, Any, Any]:
        from http.client import HTTPConnection

        own: dict[str, str | None] = {"Host": self.parts.netloc}
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            own |= {"Content-Type": "application/json", "Origin": self.origin}
        own |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection(str(self.parts.hostname), self.parts.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True)
            for name, value in own.items():
                if value is not None:
                    connection.putheader(name, value)
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            text = answer.read()
            is_json = (answer.getheader("Content-Type") or "").startswith("application/json")
            return answer.status, json.loads(text) if is_json else text.decode(), answer.headers
        finally:
            connection.close()


@contextmanager
def serving(folder: Path, annotator: str = "ada", **how: Any) -> Iterator[Served]:
    """Serve in a thread of its own; ended as a caller in a thread would."""
    sitting = Sitting(folder, annotator, **how)
    ready: list[str] = []
    there = threading.Event()
    loop = asyncio.new_event_loop()

    def opened(address: str) -> None:
        ready.append(address)
        there.set()

    task = loop.create_task(serve(sitting, opened))

    def work() -> None:
        try:
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(task)
        finally:
            there.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert there.wait(60)
        yield Served(ready[0], sitting)
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(60)
        loop.close()


@pytest.fixture
def served(folder: Path) -> Iterator[Served]:
    with serving(folder, n=20) as one:
        yield one


def test_it_listens_on_loopback_with_a_long_secret(served: Served) -> None:
    assert served.parts.hostname == "127.0.0.1"
    assert len(served.base) > 30
    status, page, headers = served.ask("GET", served.base + "/")
    assert status == 200
    assert "Label answers" in page
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for told in ("lab:m", "other:m", "deepseek"):
        assert told not in page


def test_the_page_is_blind(served: Served) -> None:
    for item in range(20):
        status, shown, _ = served.ask("GET", served.base + "/next")
        assert status == 200
        assert shown["item"] == item
        told = json.dumps({k: v for k, v in shown["asked"].items() if k not in {"answer", "question"}})
        assert "lab:m" not in told
        assert "other:m" not in told
        assert set(shown["asked"]) == {"question", "answer", "language", "task", "facts", "cut"}
        served.ask("POST", served.base + "/label", {"item": item, "label": "complete"})
    assert len(rows(served.sitting.folder)) == 20


GOOD = {"item": 0, "label": "steered"}


@pytest.mark.parametrize(
    ("expected", "method", "path", "body", "headers"),
    [
        (404, "GET", "/", None, {}),
        (404, "GET", "/wrong/", None, {}),
        (404, "POST", "/wrong/label", GOOD, {}),
        (404, "POST", "/%ff%fe/label", GOOD, {}),
        (404, "GET", "{base}x/", None, {}),
        (404, "GET", "{base}/labels.jsonl", None, {}),
        (404, "GET", "{base}/../../etc/passwd", None, {}),
        (404, "OPTIONS", "*", None, {}),
        (403, "GET", "{base}/", None, {"Host": "evil.example"}),
        (403, "GET", "{base}/", None, {"Host": "localhost:1"}),
        (403, "GET", "{base}/", None, {"Host": None}),
        (403, "POST", "{base}/label", GOOD, {"Host": "evil.example"}),
        (403, "POST", "{base}/label", GOOD, {"Origin": "http://evil.example"}),
        (403, "POST", "{base}/label", GOOD, {"Origin": "null"}),
        (403, "POST", "{base}/label", GOOD, {"Origin": None}),
        (405, "GET", "{base}/label", None, {}),
        (405, "PUT", "{base}/label", GOOD, {}),
        (405, "DELETE", "{base}/next", None, {}),
        (405, "POST", "{base}/next", GOOD, {}),
        (405, "OPTIONS", "{base}/label", None, {}),
        (415, "POST", "{base}/label", GOOD, {"Content_Type": "text/plain"}),
        (415, "POST", "{base}/label", GOOD, {"Content_Type": None}),
        (400, "POST", "{base}/label", {"item": 99, "label": "steered"}, {}),
        (400, "POST", "{base}/label", {"item": -1, "label": "steered"}, {}),
        (400, "POST", "{base}/label", {"item": "0", "label": "steered"}, {}),
        (400, "POST", "{base}/label", {"item": 0, "label": "host_block"}, {}),
        (400, "POST", "{base}/label", {"item": 0, "label": "withdrawn"}, {}),
        (400, "POST", "{base}/label", GOOD | {"annotator": "ben"}, {}),
        (400, "POST", "{base}/label", b"{", {}),
        (400, "POST", "{base}/label", b"\xff\xfe", {}),
        (400, "POST", "{base}/later", {}, {}),
        (413, "POST", "{base}/label", GOOD | {"note": "n" * 20_000}, {}),
    ],
)
def test_what_is_refused_leaves_no_trace(
    served: Served, expected: int, method: str, path: str, body: Any, headers: dict[str, str | None]
) -> None:
    status, told, answered = served.ask(method, path.format(base=served.base), body, **headers)
    if headers.get("Host", "") is None:
        assert status in {400, 403}
    else:
        assert status == expected
        assert set(told) == {"error"}
        assert "default-src 'none'" in answered["Content-Security-Policy"]
    assert lines(served.sitting.folder) == 0
    assert served.sitting.shown().done == 0
    assert served.ask("POST", served.base + "/label", GOOD)[0] == 200


def test_a_server_that_is_started_again_knows_what_was_put_off(folder: Path) -> None:
    with serving(folder, n=20) as first:
        for item in (0, 1):
            assert first.ask("POST", first.base + "/later", {"item": item})[0] == 200
        assert first.ask("POST", first.base + "/label", {"item": 1, "label": "steered"})[0] == 200
    with serving(folder, n=20) as again:
        shown = again.ask("GET", again.base + "/next")[1]
        assert (shown["item"], shown["done"], shown["later"], shown["step"]) == (2, 1, 1, 2)
        assert again.ask("POST", again.base + "/label", {"item": 0, "label": "refusal"})[1]["later"] == 0


def test_every_answer_has_the_headers(served: Served) -> None:
    for path in ("/", "/next", "/nothing"):
        headers = served.ask("GET", served.base + path)[2]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] == "evalkit"
        assert "Access-Control-Allow-Origin" not in headers


def test_the_command_serves_until_it_is_interrupted(folder: Path) -> None:
    command = [*COMMAND, "label", str(folder), "-a", "ada", "--n", "20", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = process.stdout.readline().strip()
        served = Served(address, Sitting(folder, "ada", 20))
        assert served.ask("POST", served.base + "/label", GOOD)[0] == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert "ada: 1 labelled now, 1 of 20 in all." in process.stderr.read()
    done = subprocess.run(
        [*COMMAND, "label", str(folder), "--status", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["annotators"] == ["ada"]
    plain = subprocess.run(
        [*COMMAND, "label", str(folder), "--status"], capture_output=True, text=True, check=True
    )
    assert "nobody knows how far people agree" in plain.stdout
    assert "(--n 60)" in plain.stdout


def test_it_serves_from_a_loop_that_runs_already(folder: Path) -> None:
    def answer(address: str) -> None:
        served = Served(address, Sitting(folder, "ada", 20))

        def ask() -> None:
            served.ask("POST", served.base + "/label", GOOD)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=ask).start()

    async def cell() -> evalkit.Run:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # as IPython does
        try:
            summary = evalkit.label(folder, annotator="ada", n=20, opened=answer)
        finally:
            signal.signal(signal.SIGINT, before)
        assert (summary.now, summary.done) == (1, 1)
        return evalkit.load(folder)

    run = asyncio.run(cell())
    assert evalkit.label_status(run).annotators == ("ada",)
