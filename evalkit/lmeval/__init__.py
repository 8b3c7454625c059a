"""Tasks of EleutherAI's lm-eval as samples, and their own filters and metrics as scores.

`lm_eval` builds documents, few-shot examples and messages; evalkit asks; `lm_eval` scores each document.
"""
