"""One local page that shows what a model hears: from the browser's microphone, or in a file that is dropped on it.

    server       what is served, and to whom
    sessions     sound that arrives in pieces, as a stream of blocks
    page.*       the page; recorder.js is its part in the browser's audio thread
    __main__     ``python -m kws_exp.demo``

The browser records and draws; features, network and rules run here, in the device's arithmetic
(:mod:`kws_exp.listen.detector`).
"""
