"""A name for this process that no other live process has, and that its successor on this address gets."""

import re
import socket
import uuid
from hashlib import blake2b
from pathlib import Path

HOST_CHARS_MAX = 40
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_NETWORK = Path("/proc/self/ns/net")


def listener_name(listener: socket.socket, *, host: str | None = None) -> str:
    """The name of the process that listens there: `host-port-digest`, at most 60 characters. `host` is for
    people, by default what the system calls itself.

    The digest is of the boot of the kernel, the network namespace, the address and the port. The kernel lets
    only one socket listen on that, so whoever had the name before has ended, whatever hosts are called. Where
    the system does not tell these apart, the name is a new one each time.
    """
    address, port = listener.getsockname()[:2]
    readable = re.sub(r"[^A-Za-z0-9._-]", "_", host or socket.gethostname())[:HOST_CHARS_MAX]
    try:
        boot_id = _BOOT_ID.read_text().strip()
        network = _NETWORK.stat()
    except OSError:
        return f"{readable}-{port}-{uuid.uuid4().hex[:12]}"
    place = f"{boot_id} {network.st_dev} {network.st_ino} {address} {port}"
    return f"{readable}-{port}-{blake2b(place.encode(), digest_size=6).hexdigest()}"
