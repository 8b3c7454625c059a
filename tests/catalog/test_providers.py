"""Provider declarations are read strictly, and names are resolved to endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from evalkit.catalog.providers import endpoint_named, endpoints_of_weights, load_provider, load_providers
from evalkit.errors import DefinitionError, UnknownNameError, UsageError

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


def test_every_shipped_declaration_is_sound() -> None:
    assert {"embedded-reference", "embedded-cutrate", "embedded-misset"} <= set(load_providers())


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
