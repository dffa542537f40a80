"""network.py - servers as they are, or some milliseconds away (proxy.c), with what went over."""
import os
import struct
import subprocess
import tempfile


class Network:
    """Proxies to servers, by name.  With a delay of None there are none, and nothing is counted."""

    def __init__(self, proxy, servers, delay_ms):
        self.servers, self.processes, self.files = dict(servers), [], []
        for name, address in servers.items() if delay_ms is not None else ():
            file = tempfile.NamedTemporaryFile(prefix="counts-")
            process = subprocess.Popen([proxy, address.host, str(address.port), str(int(delay_ms * 1000)), file.name],
                                       stdout=subprocess.PIPE, text=True)
            self.servers[name] = address.moved(int(process.stdout.readline()))
            self.processes.append(process)
            self.files.append(file)

    def counts(self):
        """(round trips, bytes from the servers) so far"""
        sums = [0, 0]
        for file in self.files:
            with open(file.name, "rb") as counts:
                for i, n in enumerate(struct.unpack("=QQ", counts.read(16))):
                    sums[i] += n
        return tuple(sums)

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()
        for file in self.files:
            file.close()
