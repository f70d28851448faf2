"""Decisions: probabilities -> answers, by rules learnt on rows that they are not scored on."""
