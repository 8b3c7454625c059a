"""Results of other tools as records of ours: one module for each format.

An importer is pure: it is given opened files and yields what they tell. What a file cannot say is missing,
never 0. `evalkit.app.importing` makes a run folder of it.
"""
