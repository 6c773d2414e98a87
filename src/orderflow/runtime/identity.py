"""A name for this process that no other live process has, and that the next process on this address gets
again."""

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
    people; by default it is the system's host name.

    The digest is made of the kernel's boot id, the network namespace, the address and the port. The kernel
    lets only one socket listen on these, so a process that had the name before has ended, whatever the hosts
    are called. If the system does not tell the boot id and the namespace, the name is a new one each time.
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
