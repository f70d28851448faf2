"""Heads trained with the network below them: `heads` and `start` (torch), `answers` from arrays (without torch)."""
