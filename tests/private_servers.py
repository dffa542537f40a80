"""private_servers.py - servers of a test's own, of several processes that it stops and kills: those that
tests/servers.sh starts by name only.
"""
import atexit
import os
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


class Servers:
    """What `tests/servers.sh start NAME` starts, in a folder of its own; stopped at exit at the latest."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="tskdb-", dir="/tmp")
        os.chmod(self.folder, 0o711)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("TSKDB_TEST_")}
        self.environment["TSKDB_SERVERS_DIR"] = os.path.join(self.folder, "s")
        atexit.register(self.stop)
        self.run("start", name)
        text = self.run("urls")
        self.variables = dict(line.split("=", 1) for line in text.splitlines())

    def run(self, *words):
        return subprocess.run([os.path.join(HERE, "servers.sh"), *words], env=self.environment, check=True,
                              stdout=subprocess.PIPE, text=True, timeout=120).stdout

    def __contains__(self, name):
        return "TSKDB_TEST_" + name in self.variables

    def __getitem__(self, name):
        return self.variables["TSKDB_TEST_" + name].strip("'").replace("'\\''", "'")

    def stop(self):
        atexit.unregister(self.stop)
        self.run("stop")
        shutil.rmtree(self.folder, ignore_errors=True)
