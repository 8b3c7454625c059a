"""The agents' loop, driven by hand: limits, outcomes, the user, and a context that is full."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from evalkit import plugins
from evalkit.errors import DefinitionError
from evalkit.solvers.bash_agent import commands_of
from evalkit.solvers.limits import cut
from evalkit.types.chat import Settings, ToolCall
from evalkit.types.effects import Execute, Generate, Solution
from evalkit.types.execution import ExecutionResult
from evalkit.types.generation import Cost, Failure, Generation, Outcome, Response, Timing, TrialKey, Usage
from evalkit.types.suite import Plugin, Sample, Suite
from evalkit.types.workspace import pack

SUITE = Suite(
    id="s",
    version="1",
    title="S",
    description="",
    licence="",
    source="",
    samples="samples.jsonl",
    generation=Settings(max_tokens=100),
    primary="solved",
    scorers=(Plugin(name="end_state"),),
)
pytestmark = pytest.mark.usefixtures("rooms_world")
ROOMS = [{"name": "Ada", "seats": 4}]
BOOK = {"title": "Talk", "day": "Monday", "room": "Ada"}


def sample(**data: Any) -> Sample:
    rooms = {"world": "rooms", "state": {"rooms": ROOMS}, "check": []}
    return Sample(id="x", input="Book a talk.", data={**rooms, **data})


def said(text: str = "", *calls: tuple[str, Any], outcome: Outcome = Outcome.OK, **more: Any) -> Generation:
    made = tuple(
        ToolCall(
            id=f"c{n}", name=name, arguments=a if isinstance(a, str) else msgspec.json.encode(a).decode()
        )
        for n, (name, a) in enumerate(calls)
    )
    response: Response | None = Response(
        text=text, tool_calls=made, usage=more.pop("usage", Usage(input=10, output=5)), **more
    )
    failed = outcome in {Outcome.INFRA_ERROR, Outcome.HOST_INPUT_FILTER} or (
        outcome is Outcome.TRUNCATED and not text
    )
    return Generation(
        fingerprint="f",
        trial=TrialKey("s", "x", "e", 1),
        turn=1,
        endpoint="e",
        outcome=outcome,
        at=0.0,
        response=None if failed else response,
        failure=Failure(message="no") if failed else None,
        timing=Timing(total_s=1.0),
        cost=Cost(usd=0.01, price="listed"),
    )


def result(text: str = "", **more: Any) -> ExecutionResult:
    return ExecutionResult(
        ended="exited",
        exit_code=0,
        stdout=text.encode(),
        stderr=more.pop("stderr", b""),
        channel=b"",
        cpu_s=0.1,
        wall_s=more.pop("wall_s", 0.1),
        workspace=pack({}),
    )


class Trial:
    """Plays what is said and what commands print; keeps what the solver asked."""

    def __init__(self, answers: list[Any], task: Sample | None = None, solver: str = "agent", **options: Any):
        self.asked: list[Generate] = []
        self.run: list[Execute] = []
        work = plugins.solver(Plugin(name=solver, options=options)).solve(task or sample(), SUITE)
        answer: Any = None
        try:
            while True:
                effect = work.send(answer)
                (self.asked if isinstance(effect, Generate) else self.run).append(effect)  # type: ignore[arg-type]
                answer = answers.pop(0)
        except StopIteration as end:
            self.solution: Solution = end.value
        assert not answers

    @property
    def ended(self) -> str:
        return self.solution.ended


def test_calls_are_carried_out_and_their_results_go_back_under_their_ids() -> None:
    trial = Trial([said("", ("list_rooms", {}), ("book", BOOK)), said("Booked.")])
    assert trial.ended == "answered"
    rooms, booked = trial.asked[1].request.messages[-2:]
    assert (rooms.role, rooms.tool_call_id, rooms.content) == ("tool", "c0", '[{"name":"Ada","seats":4}]')
    assert (booked.tool_call_id, booked.content) == ("c1", '{"id":1}')
    assert trial.solution.state["tables"]["meetings"][0]["title"] == "Talk"
    assert (trial.solution.state["turns"], trial.solution.state["tool_calls"]) == (2, 2)


def test_rules_and_the_suites_system_message_are_one_message() -> None:
    suite = msgspec.structs.replace(SUITE, system="Be brief.")
    work = plugins.solver(Plugin(name="agent")).solve(sample(), suite)
    effect = next(work)
    assert isinstance(effect, Generate)
    system, user = effect.request.messages
    assert system.role == "system"
    assert str(system.content).endswith("\n\nBe brief.")
    assert user.role == "user"


def test_tool_errors_are_told_to_the_model_and_counted_by_kind() -> None:
    trial = Trial(
        [
            said("", ("bok", {}), ("book", "{"), ("book", {"title": 1}), ("book", {**BOOK, "room": "Bob"})),
            said("I cannot."),
        ]
    )
    assert trial.solution.state["errors"] == {"unknown_tool": 1, "bad_arguments": 2, "refused": 1}
    assert all(str(m.content).startswith("Error: ") for m in trial.asked[1].request.messages[-4:])


CALL = ("list_rooms", {})


@pytest.mark.parametrize(
    ("options", "turns", "ended"),
    [
        ({"max_turns": 3}, 3, "max_turns"),
        ({"max_output_tokens": 10}, 2, "max_tokens"),
        ({"max_total_tokens": 31}, 3, "max_total_tokens"),
        ({"max_cost": 0.02}, 2, "max_cost"),
        ({"max_tool_calls": 2}, 2, "max_tool_calls"),
        ({"wall_net_s": 4.0}, 4, "wall_net"),
    ],
)
def test_each_limit_is_an_outcome_of_its_own(options: dict[str, Any], turns: int, ended: str) -> None:
    trial = Trial([said("", CALL) for _ in range(turns)], **options)
    assert trial.ended == ended
    assert trial.solution.state["limit"] == ended
    assert len(trial.asked) == turns


def test_an_answer_on_the_last_turn_is_an_answer() -> None:
    trial = Trial([said("", CALL), said("Done.")], max_turns=2)
    assert trial.ended == "answered"
    assert trial.solution.state["limit"] is None


def test_more_calls_than_are_left_end_the_trial_between_them() -> None:
    trial = Trial([said("", ("book", BOOK), ("book", {**BOOK, "day": "Friday"}))], max_tool_calls=1)
    assert trial.ended == "max_tool_calls"
    assert len(trial.solution.state["tables"]["meetings"]) == 1


def test_a_host_that_counts_nothing_is_limited_all_the_same() -> None:
    trial = Trial([said("x" * 60, CALL, usage=None)], max_output_tokens=20)
    assert trial.ended == "max_tokens"


@pytest.mark.parametrize(
    ("last", "ended"),
    [
        (said(outcome=Outcome.INFRA_ERROR), "infra_error"),
        (said(outcome=Outcome.HOST_INPUT_FILTER), "host_input_filter"),
        (said(outcome=Outcome.EMPTY), "empty"),
        (said("I thi", outcome=Outcome.TRUNCATED), "truncated"),
        (said("<tool_call>{}", defects=("leaked_tool_tokens",)), "tool_format"),
        (said("I will.", defects=("finish_without_call",)), "tool_format"),
        (said("Booked.", defects=("missing_id",)), "answered"),
    ],
)
def test_how_a_trial_ends_without_a_limit(last: Generation, ended: str) -> None:
    assert Trial([said("", CALL), last]).ended == ended


def test_output_is_cut_at_its_middle_and_says_so() -> None:
    assert cut("x" * 10, 10) == "x" * 10
    shown = cut("a" * 50 + "b" * 50, 30)
    assert shown == "a" * 20 + "\n[cut: 70 more characters]\n" + "b" * 10
    big = [{"name": f"R{n}", "seats": n} for n in range(99)]
    trial = Trial([said("", CALL), said("So many.")], sample(state={"rooms": big}), max_tool_output=90)
    assert "[cut: " in str(trial.asked[1].request.messages[-1].content)


def test_a_scripted_user_goes_on_when_its_condition_holds() -> None:
    booked = {"sql": "SELECT count(*) FROM meetings", "expect": [[1]]}
    user = [
        {"say": "Thanks. Now delete it.", "when": booked},
        {"say": "You have not booked it."},
        {"say": "Anything else?", "after": 2},
    ]
    trial = Trial(
        [
            said("Which room?"),
            said("", ("book", BOOK)),
            said("Booked."),
            said("Deleted, I say."),
            said("Bye."),
        ],
        sample(user=user),
    )
    users = [m.content for m in trial.solution.transcript if m.role == "user"]
    assert users[1:] == ["You have not booked it.", "Thanks. Now delete it.", "Anything else?"]
    assert trial.ended == "answered"


def test_a_simulated_user_is_asked_in_its_own_role_and_ends_the_talk() -> None:
    options = {"user": {"endpoint": "other:model"}}
    trial = Trial(
        [said("Which day?"), said("Monday."), said("", ("book", BOOK)), said("Booked."), said("[done]")],
        sample(persona="You want a talk on Monday at ten in Ada."),
        **options,
    )
    asked = [effect for effect in trial.asked if effect.role == "user"]
    assert [effect.endpoint for effect in asked] == ["other:model", "other:model"]
    system, *talk = asked[1].request.messages
    assert "You want a talk on Monday" in str(system.content)
    assert [(m.role, m.content) for m in talk] == [
        ("assistant", "Book a talk."),
        ("user", "Which day?"),
        ("assistant", "Monday."),
        ("user", "Booked."),
    ]
    assert trial.ended == "answered"
    assert [g.response.text for g in trial.solution.generations if g.response] == [
        "Which day?",
        "",
        "Booked.",
    ]


def test_a_simulated_user_that_fails_says_nothing_of_the_model() -> None:
    trial = Trial(
        [said("Which day?"), said(outcome=Outcome.INFRA_ERROR)],
        sample(persona="p"),
        user={"endpoint": "other:model"},
    )
    assert trial.ended == "user_failed"


LONG = {"rooms": [{"name": f"Room {n}", "seats": n} for n in range(40)]}


def test_a_context_that_is_full_ends_the_trial_unless_a_policy_is_declared() -> None:
    answers = [said("", CALL, usage=Usage(input=900, output=10))]
    trial = Trial(answers, sample(state=LONG), max_context_tokens=1_000)
    assert trial.ended == "context_overflow"
    assert trial.solution.state["limit"] == "context_overflow"


def test_the_declared_policy_drops_the_oldest_results_and_marks_them() -> None:
    used = [Usage(input=100 * n, output=10) for n in (1, 8, 11, 14)]
    trial = Trial(
        [*(said("", CALL, usage=u) for u in used[:3]), said("Done.", usage=used[3])],
        sample(state=LONG),
        max_context_tokens=1_500,
        overflow="drop_tool_outputs",
    )
    last = trial.asked[-1].request.messages
    results = [str(m.content) for m in last if m.role == "tool"]
    assert results[0].startswith("[dropped to fit the context: ")
    assert results[-1].startswith("[{")
    assert trial.ended == "answered"
    assert trial.solution.state["dropped"] >= 1


def test_a_host_that_says_it_does_not_fit_is_asked_again_only_under_the_policy() -> None:
    full = said(outcome=Outcome.TRUNCATED)
    assert Trial([said("", CALL), full]).ended == "context_overflow"
    trial = Trial(
        [said("", CALL), said("", CALL), full, said("Done.")],
        sample(state=LONG),
        overflow="drop_tool_outputs",
    )
    assert trial.ended == "answered"
    assert trial.solution.state["turns"] == 4
    assert trial.solution.state["dropped"] == 1


def folder() -> Sample:
    return Sample(id="w", input="List.", data={"world": "workspace", "files": {}, "verify": ""})


def test_a_sandbox_that_fails_says_nothing_of_the_model() -> None:
    trial = Trial([said("", ("bash", {"command": "ls"})), result(stderr=b"bwrap: no")], folder())
    assert trial.ended == "sandbox_error"


def test_the_net_counts_commands_too() -> None:
    trial = Trial(
        [said("", ("bash", {"command": "sleep 9"})), result("ok", wall_s=9.0)], folder(), wall_net_s=10.0
    )
    assert trial.ended == "wall_net"


def test_the_bash_agent_runs_one_block_in_each_turn_until_it_submits() -> None:
    trial = Trial(
        [
            said("I look.\n```bash\nls -l\ncat x\n```"),
            result("x\n"),
            said("```bash\na\n```\n```bash\nb\n```"),
            said("Done.\n```bash\nsubmit\n```"),
        ],
        folder(),
        solver="bash_agent",
    )
    assert trial.ended == "answered"
    assert trial.run[0].execution.argv[-1] == "ls -l\ncat x"
    assert all(not effect.request.tools for effect in trial.asked)
    assert trial.asked[1].request.messages[-1].content == "Output:\nx\n"
    assert "2 bash blocks" in str(trial.asked[2].request.messages[-1].content)
    assert trial.solution.state["errors"] == {"protocol": 1}


def test_the_bash_agent_gives_up_on_a_model_that_does_not_keep_its_protocol() -> None:
    trial = Trial([said("I am done.")] * 3, folder(), solver="bash_agent")
    assert trial.ended == "format_errors"


def test_the_bash_agent_needs_a_shell() -> None:
    with pytest.raises(DefinitionError, match="needs a world with a shell"):
        Trial([], sample(), solver="bash_agent")


def test_commands_are_found_in_fences_of_a_shell_only() -> None:
    assert commands_of("```python\nx\n```") == []
    assert commands_of("```sh\necho '```'x\n```") == ["echo '"]
    assert commands_of("```bash\nls\n```\ntext\n```bash \npwd\n```") == ["ls", "pwd"]
