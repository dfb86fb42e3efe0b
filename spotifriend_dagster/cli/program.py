"""The program `spotifriend`: the command line as a process, and its end. What commands do is in the other modules."""

import atexit
import os
import sys

from spotifriend_dagster.cli import main


def spotifriend() -> None:
    """Run the command that the process was started with, and end with its exit code.

    Python's own last act is to take apart every object there is, a second's work after an import; the system takes a
    process's memory back at once.
    """
    code = 1

    def end() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(end)  # the first to be registered is the last to be called: what others have to close is closed
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        raise
