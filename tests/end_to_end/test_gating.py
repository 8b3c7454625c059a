"""The gate through the command line: verdicts, exit codes, files, and broken input."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from evalkit.cli import main
from evalkit.types.run import HostVerdict
from tests.recorded import close, record
from tests.synthetic import HOSTS, make_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.analysis.rundata import RunData

RULES = {
    "quality": "{metric: quality, suite: coding, max_drop: 0.1}",
    "cost": "{metric: cost_per_1k, max_relative_rise: 0.2}",
    "governance": "{metric: governance, require: [allowed]}",
}


@pytest.fixture
def cli(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command as the console script does; gives exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["evalkit", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def gate_file(*rules: str, **fields: Any) -> str:
    """Write gate.yaml and give its name."""
    head = "".join(f"{name}: {value}\n" for name, value in fields.items())
    listed = "\n".join(f"  - {rule}" for rule in rules)
    Path("gate.yaml").write_text(f"version: 1\n{head}rules:\n{listed}\n", encoding="utf-8")
    return "gate.yaml"


def two_runs(size: int = 200) -> tuple[RunData, RunData]:
    """The same host a week apart: other draws of the same suite."""
    before = make_run({"coding": size}, hosts=HOSTS[:1], run="before", seed=1)
    after = make_run({"coding": size}, hosts=HOSTS[:1], run="after", seed=1)
    return before, after


def verdict_of(out: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_degraded_host_fails_and_the_same_host_does_not(cli: Any) -> None:
    record(make_run({"coding": 400}), Path("results"))
    file = gate_file(RULES["quality"], RULES["governance"], max_delivered_gap=0.1)
    code, out, _ = cli("gate", "latest", "--policy", file, "--candidate", "cutrate")
    assert code == 1
    assert "fail         quality, suite coding" in out
    code, out, _ = cli("gate", "latest", "--policy", file, "--candidate", "filtered")
    assert code == 0, out
    assert out.startswith("PASS")


def test_another_run_is_a_baseline(cli: Any) -> None:
    for run in two_runs():
        record(run, Path("results"))
    file = gate_file(RULES["quality"])
    for name in ("before", "results/before"):
        code, out, err = cli("gate", "after", "--baseline", name, "--policy", file, "--json", "-")
        assert code == 0, err
        verdict = verdict_of(out)
        assert (verdict["candidate"], verdict["baseline"]) == ("lab:chat @ after", "lab:chat @ before")
        assert verdict["baseline_at"] == "2026-11-23T09:00:00Z"
        assert verdict["rules"][0]["worse"] == verdict["rules"][0]["better"] == 0
        assert verdict.get("flips", []) == []


def test_an_endpoint_other_than_the_reference_is_a_baseline(cli: Any) -> None:
    record(make_run({"coding": 200}), Path("results"))
    file = gate_file(RULES["quality"], max_delivered_gap=0.1)
    arguments = ("--baseline", "cutrate", "--candidate", "filtered:chat", "--json", "-")
    code, out, _ = cli("gate", "latest", "--policy", file, *arguments)
    assert code == 0
    assert verdict_of(out)["baseline"] == "cutrate:chat"


def test_an_absolute_gate_needs_no_baseline(cli: Any) -> None:
    record(make_run({"coding": 200}, hosts=HOSTS[:1]), Path("results"))
    assert cli("gate", "latest", "--policy", gate_file("{metric: delivered, min: 0.9}"))[0] == 0
    code, _, err = cli("gate", "latest", "--policy", gate_file(RULES["quality"]))
    assert code == 2
    assert "one endpoint only; name a --baseline run" in err


def test_the_gate_file_may_name_run_and_sides(cli: Any) -> None:
    record(make_run({"coding": 200}), Path("results"))
    file = gate_file(RULES["cost"], run="latest", candidate="cutrate", baseline="lab")
    code, out, err = cli("gate", "--policy", file)
    assert code == 0, err
    assert "cost_per_1k" in out
    assert cli("gate", "--policy", gate_file(RULES["cost"]))[0] == 2


@pytest.mark.parametrize(
    ("on_inconclusive", "code", "words"),
    [("fail", 4, "INCONCLUSIVE: 1 of 1"), ("warn", 0, "note: quality"), ("pass", 0, "PASS: 0 of 1")],
)
def test_undecided_as_the_policy_says(cli: Any, on_inconclusive: str, code: int, words: str) -> None:
    record(make_run({"coding": 60}), Path("results"))
    rule = f"{{metric: quality, suite: coding, max_drop: 0.01, on_inconclusive: {on_inconclusive}}}"
    file = gate_file(rule, max_delivered_gap=0.5)
    ended, out, _ = cli("gate", "latest", "--policy", file, "--candidate", "filtered")
    assert ended == code, out
    assert words in out


def test_what_the_policy_refused_ends_with_three(cli: Any) -> None:
    run = make_run({"coding": 60}, hosts=HOSTS[:1])
    refused = tuple(
        msgspec.structs.replace(p, allowed=False, rule="operator in XX") for p in run.manifest.policy
    )
    manifest = msgspec.structs.replace(run.manifest, policy=refused)
    record(msgspec.structs.replace(run, manifest=manifest), Path("results"))
    code, out, _ = cli("gate", "latest", "--policy", gate_file(RULES["governance"]))
    assert code == 3
    assert "operator in XX" in out


def test_governance_is_that_of_the_candidate_in_its_own_run(cli: Any) -> None:
    before, after = two_runs(60)
    refused = tuple(msgspec.structs.replace(p, allowed=False) for p in before.manifest.policy)
    record(
        msgspec.structs.replace(before, manifest=msgspec.structs.replace(before.manifest, policy=refused)),
        Path("results"),
    )
    record(after, Path("results"))
    file = gate_file(RULES["governance"])
    assert cli("gate", "after", "--baseline", "before", "--policy", file)[0] == 0
    assert cli("gate", "before", "--baseline", "after", "--policy", file)[0] == 3


@pytest.mark.parametrize(
    ("word", "code", "reason"),
    [
        (None, 4, "holds no result of a host-verification detector"),
        ("matches", 0, "token counts"),
        ("unclear", 1, "token counts"),
        ("differs", 1, "token counts"),
    ],
)
def test_an_unverified_host_never_passes(cli: Any, word: Any, code: int, reason: str) -> None:
    run = make_run({"coding": 40}, hosts=HOSTS[:1])
    if word is not None:
        found = (HostVerdict(endpoint="lab:chat", word=word, method="token counts"),)
        run = msgspec.structs.replace(
            run, manifest=msgspec.structs.replace(run.manifest, host_verdicts=found)
        )
    record(run, Path("results"))
    file = gate_file("{metric: host_verification, require: [matches]}")
    ended, out, _ = cli("gate", "latest", "--policy", file)
    assert ended == code
    assert reason in out


def test_a_rule_has_its_own_level_and_tag(cli: Any) -> None:
    record(make_run({"coding": 300}), Path("results"))
    file = gate_file(
        "{metric: quality, suite: coding, tag: hard, max_drop: 0.5, alpha: 0.2}",
        "{metric: quality, suite: coding, max_drop: 0.5}",
        "{metric: first_token_p90, max_rise: 0.5}",
        "{metric: first_token_p90, id: relative, max_relative_rise: 2.0, alpha: 0.1}",
        max_delivered_gap=0.2,
    )
    code, out, err = cli("gate", "latest", "-g", file, "--candidate", "cutrate", "--json", "-")
    assert code == 0, err + out
    tagged, whole, slower, relative = verdict_of(out)["rules"]
    assert (tagged["estimate"]["level"], whole["estimate"]["level"]) == (0.8, 0.95)
    assert tagged["candidate"]["n"] < whole["candidate"]["n"] / 2
    assert (slower["unit"], slower["form"]) == ("seconds", "difference")
    assert relative["estimate"]["level"] == 0.9
    assert relative["estimate"]["method"] == "paired quantile test"


def test_a_rule_without_a_suite_holds_in_each(cli: Any) -> None:
    record(make_run({"coding": 200, "agentic": 200}), Path("results"))
    file = gate_file("{metric: quality, id: good, max_drop: 0.5}", max_delivered_gap=0.2)
    code, out, _ = cli("gate", "latest", "-g", file, "--candidate", "cutrate", "--json", "-")
    assert code == 0
    rules = verdict_of(out)["rules"]
    assert [rule["title"] for rule in rules] == ["good, suite coding", "good, suite agentic"]
    assert {rule["rule"] for rule in rules} == {"good"}


def test_eight_pairs_are_no_verdict(cli: Any) -> None:
    """The best peer says GO on eight pairs whose interval is [0, 0]."""
    for run in two_runs(8):
        record(run, Path("results"))
    file = gate_file(RULES["quality"])
    code, out, _ = cli("gate", "after", "--baseline", "before", "--policy", file, "--json", "-")
    assert code == 4
    rule = verdict_of(out)["rules"][0]
    assert rule["decision"] == "inconclusive"
    assert "no verdict below 30" in rule["reason"]
    assert rule["estimate"]["low"] < 0 < rule["estimate"]["high"]
    assert rule["further_samples"] >= 22


def test_unequal_delivery_is_said_and_not_compared(cli: Any) -> None:
    run = make_run({"probes": 240})
    record(run, Path("results"))
    file = gate_file("{metric: quality, max_drop: 0.2}", "{metric: blocked, max_rise: 0.1}")
    code, out, _ = cli("gate", "latest", "-g", file, "--candidate", "filtered", "--json", "-")
    rules = {rule["metric"]: rule for rule in verdict_of(out)["rules"]}
    assert rules["quality"]["decision"] == "inconclusive"
    assert "of the common samples" in rules["quality"]["reason"]
    # Blocks are what differs, so a gap in delivery does not hide them.
    assert rules["blocked"]["decision"] == "fail"
    assert code == 1


def test_further_samples_are_priced_on_both_sides(cli: Any) -> None:
    record(make_run({"coding": 60}), Path("results"))
    rule = "{metric: quality, suite: coding, max_drop: 0.13}"
    file = gate_file(rule, max_delivered_gap=0.5)
    arguments = ("--candidate", "cutrate", "--json", "-")
    found = verdict_of(cli("gate", "latest", "-g", file, *arguments)[1])["rules"][0]
    assert found["decision"] == "inconclusive"
    run = make_run({"coding": 60})
    usd = {
        host: [g.cost.usd for g in run.generations if g.trial.endpoint == f"{host}:chat" and g.cost]
        for host in ("lab", "cutrate")
    }
    each = sum(sum(costs) / len(costs) for costs in usd.values())
    assert found["further_usd"] == pytest.approx(found["further_samples"] * each)


def test_the_verdict_is_written_for_people_and_machines(cli: Any) -> None:
    record(make_run({"coding": 300}), Path("results"))
    file = gate_file(RULES["quality"], RULES["cost"], max_delivered_gap=0.1)
    files = ("--markdown", "out/gate.md", "--json", "out/gate.json", "--report", "out/gate.html")
    code, out, err = cli("gate", "latest", "-g", file, "--candidate", "cutrate", *files)
    assert code == 1, err
    assert out.startswith("FAIL")
    text = Path("out/gate.md").read_text(encoding="utf-8")
    assert "❌ **fail**" in text
    assert "answers flipped" in text
    assert verdict_of(Path("out/gate.json").read_text(encoding="utf-8"))["decision"] == "fail"
    assert "1 of 2 rules are proven broken" in Path("out/gate.html").read_text(encoding="utf-8")


def test_the_report_of_a_gate_holds_both_runs(cli: Any) -> None:
    for run in two_runs(60):
        record(run, Path("results"))
    file = gate_file(RULES["quality"])
    cli("gate", "after", "--baseline", "before", "-g", file, "-o", "r.html")
    page = Path("r.html").read_text(encoding="utf-8")
    assert "lab:chat @ before" in page
    assert "lab:chat @ after" in page


def test_a_run_in_progress_is_judged_with_a_note(cli: Any) -> None:
    run = make_run({"coding": 80}, hosts=HOSTS[:1], status="interrupted")
    done = {sample.id for sample in run.samples["coding"][:60]}
    cut = msgspec.structs.replace(
        run, generations=tuple(g for g in run.generations if g.trial.sample in done)
    )
    record(cut, Path("results"))
    code, out, _ = cli("gate", "latest", "-g", gate_file("{metric: delivered, min: 0.5}"))
    assert code == 0
    assert "note: lab:chat: 20 of 80 planned trials have no answer yet" in out


def test_other_settings_are_said(cli: Any) -> None:
    before, after = two_runs(60)
    record(before, Path("results"))
    suite = after.manifest.suites[0]
    hot = msgspec.structs.replace(suite.suite.generation, temperature=0.7)
    changed = msgspec.structs.replace(suite, suite=msgspec.structs.replace(suite.suite, generation=hot))
    record(
        msgspec.structs.replace(after, manifest=msgspec.structs.replace(after.manifest, suites=(changed,))),
        Path("results"),
    )
    _, out, _ = cli("gate", "after", "--baseline", "before", "-g", gate_file(RULES["quality"]))
    assert "temperature is 0.7 at the candidate and 0.0 at the baseline" in out


# Broken input: one clear sentence, exit code 2, and nothing that was there is overwritten.


def another_version(results: Path) -> Sequence[str]:
    before, after = two_runs(20)
    suite = before.manifest.suites[0]
    old = msgspec.structs.replace(
        suite, hash="0" * 64, suite=msgspec.structs.replace(suite.suite, version="0.9.0")
    )
    manifest = msgspec.structs.replace(before.manifest, suites=(old,))
    record(msgspec.structs.replace(before, manifest=manifest), results)
    record(after, results)
    gate_file(RULES["quality"])
    return "after", "--baseline", "before"


def no_common_samples(results: Path) -> Sequence[str]:
    before, after = two_runs(20)
    renamed = {f"coding-{i:05d}": f"other-{i:05d}" for i in range(20)}

    def moved(row: Any) -> Any:
        trial = msgspec.structs.replace(row.trial, sample=renamed[row.trial.sample])
        return msgspec.structs.replace(row, trial=trial)

    samples = tuple(msgspec.structs.replace(s, id=renamed[s.id]) for s in before.samples["coding"])
    record(
        msgspec.structs.replace(
            before,
            generations=tuple(map(moved, before.generations)),
            scores=tuple(map(moved, before.scores)),
            samples={"coding": samples},
        ),
        results,
    )
    record(after, results)
    gate_file(RULES["quality"])
    return "after", "--baseline", "before"


def plain(results: Path) -> Path:
    gate_file("{metric: delivered, min: 0.5}")
    return record(make_run({"coding": 20}, run="only"), results)


def unknown_metric(results: Path) -> Sequence[str]:
    plain(results)
    gate_file("{metric: qualty, min: 0.5}")
    return "only", "--candidate", "cutrate"


def unknown_suite(results: Path) -> Sequence[str]:
    plain(results)
    gate_file("{metric: quality, suite: codng, min: 0.5}")
    return "only", "--candidate", "cutrate"


def unknown_tag(results: Path) -> Sequence[str]:
    plain(results)
    gate_file("{metric: quality, tag: hrd, min: 0.5}")
    return "only", "--candidate", "cutrate"


def nan_score(results: Path) -> Sequence[str]:
    folder = plain(results)
    scores = folder / "scores.jsonl"
    lines = scores.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].replace('"value":1.0', '"value":NaN').replace('"value":0.0', '"value":NaN')
    assert "NaN" in lines[3]
    scores.write_text("\n".join(lines) + "\n", encoding="utf-8")
    close(folder, make_run({"coding": 20}, run="only"))
    return "only", "--candidate", "cutrate"


def empty_run(results: Path) -> Sequence[str]:
    run = make_run({"coding": 20}, run="only")
    record(msgspec.structs.replace(run, generations=(), scores=()), results)
    gate_file("{metric: delivered, min: 0.5}")
    return ("only",)


def truncated_journal(results: Path) -> Sequence[str]:
    journal = plain(results) / "generations.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data[: len(data) // 2])
    return "only", "--candidate", "cutrate"


def unknown_key(results: Path) -> Sequence[str]:
    plain(results)
    gate_file("{metric: quality, max_dorp: 0.1}")
    return ("only",)


def missing_gate(results: Path) -> Sequence[str]:
    plain(results)
    Path("gate.yaml").unlink()
    return ("only",)


def unknown_baseline(results: Path) -> Sequence[str]:
    plain(results)
    return "only", "--baseline", "cutrat"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (another_version, "is version 1.0.0 .* in after and version 0.9.0 .* in the baseline before"),
        (no_common_samples, "have no common samples of suite 'coding'"),
        (unknown_metric, "Unknown metric 'qualty'. Did you mean 'quality'"),
        (unknown_suite, "Unknown suite 'codng'. Did you mean 'coding'"),
        (unknown_tag, "Unknown tag 'hrd'. Did you mean 'hard'"),
        (nan_score, r"scores.jsonl:4 holds NaN"),
        (empty_run, "the run is empty"),
        (truncated_journal, "generations.jsonl: is not as the run left it"),
        (unknown_key, r"gate.yaml:3 .*unknown key 'max_dorp'; did you mean 'max_drop'"),
        (missing_gate, "gate.yaml: there is no such file"),
        (unknown_baseline, "Unknown baseline 'cutrat'. Did you mean 'cutrate:chat'"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_broken_input_is_one_sentence(cli: Any, make: Callable[[Path], Sequence[str]], words: str) -> None:
    arguments = make(Path("results"))
    kept = {name: f"kept {name}" for name in ("v.json", "v.md", "r.html")}
    for name, text in kept.items():
        Path(name).write_text(text, encoding="utf-8")
    files = ("--json", "v.json", "--markdown", "v.md", "--report", "r.html")
    code, out, err = cli("gate", *arguments, "--policy", "gate.yaml", *files)
    assert code == 2, out + err
    assert re.search(words, err), err
    assert err.strip().count("\n") == 0
    assert {name: Path(name).read_text(encoding="utf-8") for name in kept} == kept


def test_compare_takes_runs_and_endpoints(cli: Any) -> None:
    record(make_run({"coding": 60}, run="only"), Path("results"))
    code, out, _ = cli("compare", "cutrate", "filtered")
    assert code == 0
    assert "Differences to cutrate:chat" in out
    assert "lab:chat" not in out
    code, out, _ = cli("compare", "only")
    assert code == 0
    assert "Differences to lab:chat" in out
    code, _, err = cli("compare", "only", "cutrte")
    assert code == 2
    assert "Did you mean 'cutrate:chat'" in err


def test_compare_of_two_runs_is_paired(cli: Any) -> None:
    for run in two_runs(60):
        record(run, Path("results"))
    code, out, _ = cli("compare", "before", "after")
    assert code == 0
    assert "Differences to lab:chat @ before" in out
    assert "one side only" in out


def test_compare_of_nothing_in_common_is_an_error(cli: Any) -> None:
    names = another_version(Path("results"))
    code, _, err = cli("compare", names[0], names[2])
    assert code == 2
    assert "no common samples" in err
