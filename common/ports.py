"""Free ports of this machine."""

import errno
import itertools
import os
import socket

#: Ports outside the range from which the kernel serves port 0, so that no other process gets one between the check
#: and its use.
_PORTS = range(15_000, 32_000)

#: Two processes begin at different ports, and neither returns to a port soon.
_next_port = itertools.count(os.getpid() * 1_009)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port on which nothing listens, and that no other call returns soon.

    Raises:
        OSError: *host* is not an address of this machine, or all ports are in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in _PORTS:
        port = _PORTS[next(_next_port) % len(_PORTS)]
        with socket.socket(family) as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
            else:
                return port
    raise OSError(errno.EADDRINUSE, f"all ports of {host} from {_PORTS.start} to {_PORTS.stop - 1} are in use")
