"""What is loaded once and stays is kept out of the garbage collector's sight."""

import gc


def settle() -> None:
    """Call it once everything that a server keeps is loaded: from then on collections look at what requests leave behind.

    Python's collector stops every thread while it looks at all containers that there are, some hundred thousand of them
    once torch is imported: a tenth of a second each time in which nothing is answered (`gc.freeze`, Python's documentation).
    """
    gc.collect()
    gc.freeze()
