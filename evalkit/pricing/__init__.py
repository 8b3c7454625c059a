"""What a generation costs, and by which price row. Pure."""
