"""Continuous audio: from a network's scores over time to words that fire, their figures and an operating point."""
