"""Who makes models and where they have their seat: what a home contrast calls home, and who may judge whom.

The seat of the publishing organization in ISO 3166-1 alpha-2. It is no statement on a model. Makers are known
by the first part of a Hugging Face repository id, by the names that routers use, and by their own providers'
ids. Weights of an unknown maker have no home and no home contrast.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from evalkit.types.provider import Endpoint


class Maker(NamedTuple):
    """An organization that publishes models, and the country of its seat."""

    name: str
    seat: str


_MAKERS: dict[str, dict[str, tuple[str, ...]]] = {
    "AE": {"tii": ("tiiuae",), "inception": ("inceptionai",), "llm360": ("LLM360",)},
    "CA": {"cohere": ("CohereLabs", "CohereForAI")},
    "CH": {"swiss-ai": ()},
    "CN": {
        "01-ai": (),
        "baai": (),
        "kwai": ("Kwaipilot",),
        "skywork": ("Skywork",),
        "alibaba": ("Qwen", "alibaba-nlp", "dashscope", "dashscope-cn", "tongyi"),
        "ant": ("inclusionAI",),
        "baichuan": ("baichuan-inc",),
        "baidu": ("PaddlePaddle",),
        "bytedance": ("ByteDance-Seed", "volcengine"),
        "deepseek": ("deepseek-ai",),
        "internlm": (),
        "meituan": ("meituan-longcat",),
        "minimax": ("MiniMaxAI", "minimax-cn"),
        "moonshot": ("moonshotai", "moonshot-cn"),
        "openbmb": (),
        "rednote": ("rednote-hilab",),
        "stepfun": ("stepfun-ai",),
        "tencent": ("Tencent-Hunyuan",),
        "xiaomi": ("XiaomiMiMo",),
        "zai": ("zai-org", "z-ai", "THUDM", "zhipuai", "bigmodel"),
    },
    "DE": {"aleph-alpha": (), "black-forest-labs": ()},
    "ES": {"bsc": ("BSC-LT",)},
    "FR": {"mistral": ("mistralai",)},
    "GB": {"stability": ("stabilityai",)},
    "IL": {"ai21": ("ai21labs",)},
    "IN": {"krutrim": ("krutrim-ai-labs",), "sarvam": ("sarvamai",)},
    "JP": {"pfnet": (), "rinna": (), "sbintuitions": ()},
    "KR": {"lg": ("LGAI-EXAONE",), "naver": ("naver-hyperclovax",), "skt": (), "upstage": ()},
    "PL": {"speakleash": ()},
    "RU": {"sber": ("ai-sage", "ai-forever"), "t-tech": (), "yandex": ()},
    "SG": {"ai-singapore": ("aisingapore",)},
    "TH": {"scb10x": ()},
    "VN": {"vinai": ()},
    "SA": {"humain": ("humain-ai", "ALLaM-AI")},
    "US": {
        "ai2": ("allenai",),
        "amazon": (),
        "anthropic": (),
        "arcee": ("arcee-ai",),
        "databricks": (),
        "deepcogito": (),
        "google": ("vertex",),
        "hugging-face": ("HuggingFaceTB",),
        "ibm": ("ibm-granite",),
        "liquid": ("LiquidAI",),
        "meta": ("meta-llama",),
        "microsoft": (),
        "nous": ("NousResearch",),
        "nvidia": (),
        "openai": (),
        "perplexity": ("perplexity-ai",),
        "salesforce": (),
        "servicenow": ("ServiceNow-AI",),
        "xai": ("xai-org", "x-ai"),
    },
}
_KNOWN = {
    alias.casefold(): Maker(name, seat)
    for seat, makers in _MAKERS.items()
    for name, aliases in makers.items()
    for alias in (name, *aliases)
}


_FAMILIES = {
    "ai21": "jamba",
    "ai2": "olmo tulu",
    "alibaba": "qwen qwq qvq",
    "amazon": "nova titan",
    "anthropic": "claude",
    "baidu": "ernie",
    "bytedance": "doubao",
    "cohere": "command aya",
    "deepcogito": "cogito",
    "deepseek": "r1",
    "google": "gemini gemma palm",
    "hugging-face": "smollm zephyr",
    "ibm": "granite",
    "inception": "jais",
    "lg": "exaone",
    "liquid": "lfm",
    "meta": "llama codellama",
    "microsoft": "phi",
    "minimax": "abab",
    "mistral": "mixtral magistral ministral devstral codestral pixtral",
    "moonshot": "kimi",
    "nous": "hermes",
    "nvidia": "nemotron",
    "openai": "gpt chatgpt o1 o3 o4",
    "perplexity": "sonar",
    "sber": "gigachat",
    "stability": "stablelm",
    "tencent": "hunyuan",
    "tii": "falcon",
    "upstage": "solar",
    "xai": "grok",
    "xiaomi": "mimo",
    "yandex": "yandexgpt",
    "zai": "glm chatglm",
}
"""Names of models that tell their maker wherever they are served, and of what they were made from."""
_SEAT_OF = {name: seat for seat, makers in _MAKERS.items() for name in makers}
_BY_WORD = _KNOWN | {
    word: Maker(name, _SEAT_OF[name]) for name, words in _FAMILIES.items() for word in words.split()
}
_WORDS = re.compile(r"[/.:_\-]+")
_VERSION = re.compile(r"\d.*$")


def maker_of(owner: str) -> Maker | None:
    """The maker that an owner of a repository, a router's prefix or a provider's id stands for, if known."""
    return _KNOWN.get(owner.casefold())


def makers_in(model: str) -> tuple[Maker, ...]:
    """Every maker that a model's name tells, its owner first: of a derivative, also that of its base.

    `nvidia/Llama-3.1-Nemotron-70B` is by NVIDIA and by Meta.
    """
    parts = model.casefold().split("/")
    words = [*parts, *(word for part in parts for word in _WORDS.split(part))]
    found = (_BY_WORD.get(word) or _BY_WORD.get(_VERSION.sub("", word)) for word in words)
    return tuple(dict.fromkeys(maker for maker in found if maker is not None))


def origin_of(weights: str | None) -> str | None:
    """Country of the maker's seat, for a repository `owner/name`; None where it is not known."""
    maker = maker_of(weights.partition("/")[0]) if weights else None
    return maker.seat if maker is not None else None


def host_of(endpoint: Endpoint) -> str:
    """Who answers at an endpoint: its provider, the host that a router is pinned to, or one's own server.

    Two endpoints of one host, or one that is in two runs, are no two hosts.
    """
    provider = endpoint.provider
    if provider.kind == "router" and provider.pin is not None and provider.pin in endpoint.model:
        return endpoint.model.rpartition(provider.pin)[2].partition("/")[0].casefold()
    return f"{provider.id} {endpoint.base_url}" if provider.kind == "self_hosted" else provider.id
