"""What a serving process runs."""

import gc
import multiprocessing
import os
import signal
import threading
import time
from typing import Any

from app.cli.composition import composition

_LOOK_SECONDS = 1.0


def granian_application() -> Any:
    """The application for granian, whose workers are deaf while they load.

    They are forked with the signal handlers of the process that minds them, which only note the signal for its own
    loop, so a Ctrl-C at the wrong moment would wait for the whole grace period.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for the minding process, which then sends SIGTERM
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    return application()


def application() -> Any:
    """The application, in a process that does not outlive the one that minds it."""
    parent = multiprocessing.parent_process()
    if parent is not None and parent.pid is not None:
        threading.Thread(target=_follow, args=(parent.pid,), daemon=True, name="follow-parent").start()
    made = composition().application()
    # All that is loaded by now stays. A request of very many rows makes so many objects that the collector would
    # look through all of it again and again, which took a fifth of its time.
    gc.collect()
    gc.freeze()
    return made


def _follow(parent: int) -> None:
    # A worker whose parent was killed would serve on unseen, hold the port, and take half the requests of the
    # server that is started next.
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
