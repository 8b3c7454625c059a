"""Checks instructions, several for a document, as IFEval does."""


def process_results(doc, results):
    answer = results[0]
    kept = [check(answer) for check in (CHECKS[name] for name in doc["rules"])]
    return {"all_kept": all(kept), "kept": kept, "words": len(answer.split())}


def pooled(items):
    flat = [one for item in items for one in item]
    return sum(flat) / len(flat)


CHECKS = {
    "lower": lambda text: text == text.lower(),
    "no_comma": lambda text: "," not in text,
    "long": lambda text: len(text.split()) > 4,
}
