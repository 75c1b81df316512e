"""Measurements that back the numbers in the documentation; each module is a command."""
