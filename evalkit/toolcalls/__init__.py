"""What can be wrong with the tool calls of a reply. Pure; shared by adapters, solvers and scorers."""
