"""Where the makers of open weights have their seat: what a home contrast calls home.

The seat of the publishing organization, by the first part of a Hugging Face repository id, in ISO 3166-1
alpha-2. It is no statement on a model. Weights of an unknown maker have no home and no home contrast.
"""

from __future__ import annotations

_SEATS = {
    "AE": ("tiiuae", "inceptionai", "LLM360"),
    "CA": ("CohereLabs", "CohereForAI"),
    "CH": ("swiss-ai",),
    "CN": (
        *(
            "deepseek-ai",
            "Qwen",
            "zai-org",
            "THUDM",
            "moonshotai",
            "MiniMaxAI",
            "baidu",
            "tencent",
            "stepfun-ai",
        ),
        *("XiaomiMiMo", "internlm", "01-ai", "ByteDance-Seed", "openbmb", "baichuan-inc", "meituan-longcat"),
        *("inclusionAI", "rednote-hilab", "Tencent-Hunyuan"),
    ),
    "DE": ("Aleph-Alpha", "black-forest-labs"),
    "FR": ("mistralai",),
    "IN": ("sarvamai", "krutrim-ai-labs"),
    "JP": ("sbintuitions", "pfnet", "rinna"),
    "KR": ("LGAI-EXAONE", "upstage", "naver-hyperclovax", "skt"),
    "RU": ("ai-sage", "yandex", "t-tech"),
    "SA": ("humain-ai", "ALLaM-AI"),
    "US": (
        *("meta-llama", "openai", "google", "microsoft", "nvidia", "ibm-granite", "allenai", "xai-org"),
        *(
            "HuggingFaceTB",
            "arcee-ai",
            "NousResearch",
            "perplexity-ai",
            "databricks",
            "Salesforce",
            "ServiceNow-AI",
        ),
    ),
}
_SEAT_OF = {maker.casefold(): seat for seat, makers in _SEATS.items() for maker in makers}


def origin_of(weights: str | None) -> str | None:
    """Country of the maker's seat; None where it is not known."""
    return _SEAT_OF.get(weights.partition("/")[0].casefold()) if weights else None
