"""Reads logs with inspect-ai and prints what it found as JSON."""

import json
import math
import sys
from pathlib import Path

from inspect_ai.log import read_eval_log, read_eval_log_sample_summaries

found = {}
for path in sorted(Path(sys.argv[1]).glob("*.eval")):
    log = read_eval_log(str(path))
    summaries = read_eval_log_sample_summaries(str(path))
    assert len(summaries) == len(log.samples)
    values = [s.scores[log.results.scores[0].name].value for s in log.samples if s.scores]
    known = [v for v in values if not (isinstance(v, float) and math.isnan(v))]
    found[f"{log.eval.task} at {log.eval.model}"] = {
        "samples": len(log.samples),
        "errors": sum(s.error is not None for s in log.samples),
        "blocked": sum(
            bool(s.output.choices) and s.output.stop_reason == "content_filter" for s in log.samples
        ),
        "scored": len(known),
        "unscored": len(values) - len(known),
        "mean": math.fsum(known) / len(known),
        "said": log.results.scores[0].metrics["mean"].value,
        "usage": sum(s.output.usage.total_tokens for s in log.samples if s.output.usage),
        "seconds": sum(s.output.time or 0 for s in log.samples),
    }
json.dump(found, sys.stdout)
