"""How a sample is worked. Each module is one solver, found by its name: `build(options) -> Solver`."""
