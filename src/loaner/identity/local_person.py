"""The person at this computer, whom the operating system vouches for."""

from __future__ import annotations

import getpass
import os
import sys

from loaner.identity.caller import LOCAL, Subject


def local_subject() -> Subject:
    """The person at this computer, as the operating system knows them.

    Not from ``$USER`` where it can be helped: an agent may set the environment of what it starts.
    """
    if sys.platform == "win32":
        return Subject(LOCAL, getpass.getuser())
    import pwd

    try:
        return Subject(LOCAL, pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:  # a container may run under a number without a name
        return Subject(LOCAL, str(os.getuid()))
