"""Train, track and prove keyword spotters for microcontrollers: ``python -m kws_exp words=[yes,no,left]``."""

__version__ = "0.1.0"
