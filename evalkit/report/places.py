"""Codes of countries and languages as readers know them. A code that is not here is shown as it is."""

from __future__ import annotations

from evalkit.report.words import tidy

_COUNTRIES = {
    "AU": "Australia",
    "BR": "Brazil",
    "CA": "Canada",
    "CN": "China",
    "DE": "Germany",
    "EG": "Egypt",
    "ES": "Spain",
    "ET": "Ethiopia",
    "EU": "the European Union",
    "FR": "France",
    "GB": "the United Kingdom",
    "ID": "Indonesia",
    "IL": "Israel",
    "IN": "India",
    "IR": "Iran",
    "JP": "Japan",
    "KP": "North Korea",
    "KR": "South Korea",
    "LK": "Sri Lanka",
    "MM": "Myanmar",
    "MX": "Mexico",
    "RU": "Russia",
    "SA": "Saudi Arabia",
    "TH": "Thailand",
    "TR": "Turkey",
    "US": "the United States",
    "VN": "Vietnam",
    "ZA": "South Africa",
}
_LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fi": "Finnish",
    "fr": "French",
    "hi": "Hindi",
    "ja": "Japanese",
    "ko": "Korean",
    "ru": "Russian",
    "zh": "Chinese",
}


def country(code: str) -> str:
    """Name of a country or jurisdiction, as it stands in a sentence."""
    return _COUNTRIES.get(code) or tidy(code)


def language(code: str) -> str:
    """Name of a language."""
    return _LANGUAGES.get(code) or tidy(code)
