"""Statistics of comparisons: pure functions from arrays to `Estimate` records.

One observation is one scored trial. Everything takes an optional sequence of cluster labels, one per
observation: observations of one cluster may depend on each other (repeats of a prompt, prompts of one
family), clusters are taken as independent draws from the population that the suite stands for. Without
labels each observation is a cluster of its own.

A standard error from one cluster does not exist, so one cluster gives a value without an interval.
"""
