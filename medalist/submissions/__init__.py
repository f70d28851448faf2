"""Submissions: answers -> the organisers' file, checked against their sample before it is there."""
