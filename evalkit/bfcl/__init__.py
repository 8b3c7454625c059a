"""The Berkeley Function Calling Leaderboard (Patil et al. 2025) without its dependencies.

Its data and its eight simulated applications are read from the installed wheel `bfcl-eval`, or from an
unpacked one; its checking rules are written anew here and agree with the reference on its own answers
(`docs/tool-calls.md`). Text of a model is never evaluated.
"""
