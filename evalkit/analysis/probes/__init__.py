"""What politically sensitive probes show: classes of answers, rates, contrasts, and whose doing they are."""
