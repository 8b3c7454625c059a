"""Application states that agents work in. Each module is one world, found by its name: `World`."""
