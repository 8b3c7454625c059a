"""Provider declarations are read strictly, and names are resolved to endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evalkit import plugins
from evalkit.catalog.providers import (
    check_provider,
    endpoint_named,
    endpoints_of_weights,
    load_provider,
    load_providers,
    resolve,
)
from evalkit.catalog.strict import load_yaml
from evalkit.errors import DefinitionError, UnknownNameError, UsageError
from evalkit.shipped import shipped
from evalkit.types.provider import Provider

if TYPE_CHECKING:
    from pathlib import Path

YAML = """\
id: {id}
name: A host
kind: host
adapter: openai_chat
base_url: https://api.example.org/v1
key_env: EXAMPLE_API_KEY
operator:
  name: Example
  country: FR
endpoints:
  - model: big
    weights: {{repo: org/Big}}
  - model: small
    weights: {{repo: org/Small}}
    prices: [{{input: 1, output: 2}}]
"""


def declare(workdir: Path, name: str = "example", yaml: str = YAML) -> None:
    (workdir / "providers").mkdir(exist_ok=True)
    (workdir / "providers" / f"{name}.yaml").write_text(yaml.format(id=name), encoding="utf-8")


SHIPPED = sorted(shipped("providers").glob("*.yaml"))
NAMED = [
    "deepseek",
    "moonshot",
    "moonshot-cn",
    "zai",
    "bigmodel",
    "minimax",
    "minimax-cn",
    "dashscope",
    "dashscope-cn",
    "siliconflow",
    "siliconflow-cn",
    "together",
    "fireworks",
    "deepinfra",
    "groq",
    "baseten",
    "nebius",
    "parasail",
    "cerebras",
    "sambanova",
    "novita",
    "chutes",
    "huggingface",
    "azure",
    "bedrock",
    "vertex",
    "openrouter",
    "openai",
    "anthropic",
    "google",
    "vllm",
    "sglang",
    "llama-cpp",
    "ollama",
    "lm-studio",
]
COUNTRIES = {"CN", "DE", "FR", "NL", "SG", "US"}


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_declaration_is_sound(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_RESOURCE", "mine")
    monkeypatch.setenv("VERTEX_PROJECT", "mine")
    provider = load_yaml(file, Provider)
    check_provider(provider, file)
    assert plugins.adapter(provider.adapter).name == provider.adapter
    assert (provider.auth == "none") == (provider.key_env is None)
    facts = {
        provider.operator.country,
        provider.operator.parent_country,
        *(provider.processing_countries or ()),
    }
    assert facts - {None} <= COUNTRIES
    for declaration in provider.endpoints:
        endpoint = resolve(provider, declaration)
        assert endpoint_named(endpoint.id).declaration == declaration
        assert endpoint.pinned
        if declaration.weights is not None:
            assert declaration.weights.repo.count("/") == 1


def test_every_provider_that_users_expect_is_there() -> None:
    assert set(NAMED) <= set(load_providers())
    assert len(NAMED) >= 30


def test_weights_stand_for_all_their_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = endpoints_of_weights("deepseek-ai/deepseek-v3.1", ["together", "novita", "sambanova"])
    assert {e.id for e in chosen} == {
        "novita:deepseek/deepseek-v3.1",
        "sambanova:DeepSeek-V3.1",
        "together:deepseek-ai/DeepSeek-V3.1",
    }
    monkeypatch.delenv("VERTEX_PROJECT", raising=False)
    with pytest.raises(UsageError, match=r"needs \$VERTEX_PROJECT.*--providers baseten,deepinfra"):
        endpoints_of_weights("deepseek-ai/DeepSeek-V3.1")


def test_a_file_in_the_working_folder_adds_a_provider(workdir: Path) -> None:
    declare(workdir)
    endpoint = endpoint_named("example:small")
    assert endpoint.base_url == "https://api.example.org/v1"
    assert [e.id for e in endpoints_of_weights("org/big")] == ["example:big"]


def test_unknown_names_get_the_nearest(workdir: Path) -> None:
    declare(workdir)
    with pytest.raises(UnknownNameError, match="Did you mean 'example'"):
        load_provider("exampel")
    with pytest.raises(UnknownNameError, match="Did you mean 'org/Big'"):
        endpoints_of_weights("org/Bigg")
    with pytest.raises(UsageError, match="expected provider:model"):
        endpoint_named("example")


def test_weights_that_another_provider_serves_are_told_apart(workdir: Path) -> None:
    declare(workdir)
    with pytest.raises(UsageError, match="embedded-reference declares an endpoint of org/Big"):
        endpoints_of_weights("org/Big", ["embedded-reference"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("id: {id}", "id: other", "differs from the file's name"),
        ("input: 1", "input: 0", "a price is above 0"),
        ("input: 1", "input: -1", "a price is above 0"),
        ("model: small", "model: big", "declared twice"),
        ("https://", "http://", "unencrypted"),
        ("https://api.example.org/v1", "ftp://x", "not an http"),
        ("country: FR", "contry: FR", "did you mean 'country'"),
    ],
)
def test_what_is_wrong_is_said(workdir: Path, old: str, new: str, message: str) -> None:
    declare(workdir, yaml=YAML.replace(old, new))
    with pytest.raises(DefinitionError) as caught:
        load_provider("example")
    assert message in str(caught.value)
    assert "example.yaml:" in str(caught.value)


def test_urls_are_filled_from_the_environment(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(workdir, yaml=YAML.replace("api.example.org", "${{RESOURCE}}.example.org"))
    with pytest.raises(UsageError, match="RESOURCE"):
        endpoint_named("example:big")
    monkeypatch.setenv("RESOURCE", "mine")
    assert endpoint_named("example:big").base_url == "https://mine.example.org/v1"
