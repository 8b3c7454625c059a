"""Tool tokens of each family are found in text, and ordinary text has none."""

from __future__ import annotations

import pytest

from evalkit.toolcalls.leaks import leaked, written_call

LEAKS = {
    "DeepSeek": [
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{}\n```<｜tool▁call▁end｜>",
        '<｜DSML｜function_calls><｜DSML｜invoke name="weather">',
    ],
    "Kimi": [
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{}",
        "functions.weather:0<|tool_call_argument_begin|>{}",
        'functions.weather:12 {"city": "Oslo"}',
    ],
    "Qwen/Hermes": [
        '<tool_call>\n{"name": "weather", "arguments": {}}\n</tool_call>',
        "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>",
        "<function=weather>\n<parameter=city>Oslo</parameter>",
        '<function=weather>{"city": "Oslo"}</function>',
        "half of it was parsed</tool_call>",
    ],
    "GLM": ["<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>"],
    "MiniMax": [
        '<minimax:tool_call>\n<invoke name="weather">',
        '<tool_calls>\n{"name": "weather", "arguments": {}}\n</tool_calls>',
    ],
    "Mistral": ['[TOOL_CALLS][{"name": "weather"}]', '[TOOL_CALLS]weather[ARGS]{"city": "Oslo"}'],
    "Llama": ['<|python_tag|>{"name": "weather", "parameters": {}}'],
    "harmony": [
        "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{}<|call|>",
        "commentary to=functions.weather json{}",
    ],
    "Granite/Phi": ['<|tool_call|>[{"name": "weather"}]'],
    "Nemotron": ['<TOOLCALL>[{"name": "weather"}]</TOOLCALL>'],
    "Command": ["<|START_ACTION|>[]<|END_ACTION|>"],
    "Step": ['<steptml:invoke name="weather">'],
}
ORDINARY = [
    "",
    "It is cold in Oslo.",
    "Call functions in order: f(1) < g(2).",
    "if a <b: x[0] = functions.index",
    "See functions.weather: it takes a city.",
    "A list [1, 2] and <b>bold</b> and <|endoftext|>.",
    "The tool call failed, so I stop here. <think>",
]


@pytest.mark.parametrize(
    ("family", "text"), [(family, text) for family, texts in LEAKS.items() for text in texts]
)
def test_leaked_tokens_are_found_and_named(family: str, text: str) -> None:
    assert leaked(text) == family
    assert leaked(f"I will look this up.\n\n{text}") == family


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_has_no_leak(text: str) -> None:
    assert leaked(text) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "weather", "parameters": {"city": "Oslo"}}',
        '```json\n{"name": "weather", "arguments": {}}\n```',
        '[{"type": "function", "function": {"name": "weather", "arguments": "{}"}}]',
        '[weather(city="Oslo")]',
        "weather(city='Oslo')",
    ],
)
def test_a_call_written_as_text_is_found(text: str) -> None:
    assert written_call(text, {"weather"}) == "weather"


@pytest.mark.parametrize(
    "text",
    [
        "The weather(tm) is fine.",
        '{"name": "Oslo", "population": 700000}',
        '{"name": "other", "arguments": {}}',
        "print('weather')",
        '{"weather": {"arguments": 1}}',
        "[" * 9000,
    ],
)
def test_other_text_is_no_call(text: str) -> None:
    assert written_call(text, {"weather"}) is None
