"""Who makes models and where they have their seat: what a home contrast calls home, and who may judge whom.

The seat of the publishing organization in ISO 3166-1 alpha-2. It is no statement on a model. Makers are known
by the first part of a Hugging Face repository id, by the names that routers use, and by their own providers'
ids. Weights of an unknown maker have no home and no home contrast.
"""

from __future__ import annotations

from typing import NamedTuple


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
        "alibaba": ("Qwen", "alibaba-nlp", "dashscope", "dashscope-cn", "tongyi"),
        "ant": ("inclusionAI",),
        "baichuan": ("baichuan-inc",),
        "baidu": (),
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
    "FR": {"mistral": ("mistralai",)},
    "IN": {"krutrim": ("krutrim-ai-labs",), "sarvam": ("sarvamai",)},
    "JP": {"pfnet": (), "rinna": (), "sbintuitions": ()},
    "KR": {"lg": ("LGAI-EXAONE",), "naver": ("naver-hyperclovax",), "skt": (), "upstage": ()},
    "RU": {"sber": ("ai-sage",), "t-tech": (), "yandex": ()},
    "SA": {"humain": ("humain-ai", "ALLaM-AI")},
    "US": {
        "ai2": ("allenai",),
        "amazon": (),
        "anthropic": (),
        "arcee": ("arcee-ai",),
        "databricks": (),
        "google": ("vertex",),
        "hugging-face": ("HuggingFaceTB",),
        "ibm": ("ibm-granite",),
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


def maker_of(owner: str) -> Maker | None:
    """The maker that an owner of a repository, a router's prefix or a provider's id stands for, if known."""
    return _KNOWN.get(owner.casefold())


def origin_of(weights: str | None) -> str | None:
    """Country of the maker's seat, for a repository `owner/name`; None where it is not known."""
    maker = maker_of(weights.partition("/")[0]) if weights else None
    return maker.seat if maker is not None else None
