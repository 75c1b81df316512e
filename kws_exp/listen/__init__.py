"""Hearing a model: what it says of a microphone, or of a recording played as if it came from one.

    detector    scores to averages and words that fire, one run of the network after the other
    microphone  blocks of 16 kHz sound from a device of this computer
    screen      bars and words on the terminal
    __main__    ``python -m kws_exp.listen``

:mod:`kws_exp.demo` shows the same in a browser.
"""
