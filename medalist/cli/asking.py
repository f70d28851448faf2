"""Verbs that answer a question by experiment."""

from __future__ import annotations
