"""Writes one log with inspect-ai in its two formats: scores of every kind, a block, an error, a tool call."""

import sys
from pathlib import Path

from inspect_ai.log import EvalConfig, EvalDataset, EvalError, EvalLog, EvalSample, EvalSpec, write_eval_log
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.scorer import Score
from inspect_ai.tool import ToolCall

MODEL = "openai-api/hosty/org/m"


def said(content, **more):
    return ChatMessageAssistant(content=content, source="generate", model=MODEL, **more)


def sample(name, answer, scores, *, stop="stop", usage=None, **more):
    messages = [ChatMessageSystem(content="be brief"), ChatMessageUser(content=f"ask {name}", source="input")]
    output = ModelOutput()
    if answer is not None:
        messages.append(answer)
        output = ModelOutput(
            model=MODEL,
            choices=[ChatCompletionChoice(message=answer, stop_reason=stop)],
            usage=usage,
            time=1.5,
        )
    return EvalSample(
        id=name,
        epoch=1,
        input=f"ask {name}",
        target="x",
        messages=messages,
        output=output,
        scores=scores,
        **more,
    )


usage = ModelUsage(
    input_tokens=10,
    output_tokens=5,
    total_tokens=19,
    input_tokens_cache_read=4,
    reasoning_tokens=2,
    total_cost=0.01,
)
thought = said([ContentReasoning(reasoning="because"), ContentText(text="right")])
called = said("let me look", tool_calls=[ToolCall(id="t1", function="look", arguments={"at": "x"})])
agent = sample("agent", None, {"match": Score(value="P")})
agent.messages += [called, ChatMessageTool(content="seen", tool_call_id="t1"), said("done")]
agent.output = ModelOutput(model=MODEL, choices=[ChatCompletionChoice(message=agent.messages[-1])])
samples = [
    sample(
        "right", thought, {"match": Score(value="C", answer="right"), "rated": Score(value=0.7)}, usage=usage
    ),
    sample("wrong", said("wrong"), {"match": Score(value="I"), "rated": Score(value=0.1)}),
    sample("cut", said("half of"), {"match": Score(value="I")}, stop="max_tokens"),
    sample("blocked", said(""), {"match": Score(value="I")}, stop="content_filter"),
    sample("unscored", said("hm"), {"match": Score.unscored(reason="grader_failed")}),
    sample(
        "broken",
        None,
        None,
        error=EvalError(
            message="RateLimitError(\"Error code: 429 - {'error': 'slow down'}\")",
            traceback="",
            traceback_ansi="",
        ),
    ),
    agent,
]
log = EvalLog(
    status="success",
    eval=EvalSpec(
        created="2026-11-20T10:00:00+00:00",
        task="shapes",
        task_version=3,
        dataset=EvalDataset(name="shapes", samples=len(samples)),
        model=MODEL,
        model_generate_config=GenerateConfig(temperature=0.5, max_tokens=99),
        config=EvalConfig(),
    ),
    samples=samples,
)
for form in ("eval", "json"):
    write_eval_log(log, str(Path(sys.argv[1]) / f"log.{form}"), format=form)
