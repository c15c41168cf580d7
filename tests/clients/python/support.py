"""What the tests share: a real server process on a free port, and apps of the SDK that are pointed at it.

The binary is `BEACONFIRE_BIN`, else the release build, else the debug build.
"""

import itertools
import os
import pathlib
import queue
import subprocess
import tempfile
import time
import unittest

import firebase_admin
from firebase_admin import db

ROOT = pathlib.Path(__file__).resolve().parents[3]
# How long anything may take before it counts as broken; a busy machine is far faster.
PATIENCE_SECONDS = 30


def binary():
    named = os.environ.get('BEACONFIRE_BIN')
    target = pathlib.Path(os.environ.get('CARGO_TARGET_DIR', ROOT / 'target'))
    candidates = [pathlib.Path(named)] if named else [target / kind / 'beaconfire' for kind in ('release', 'debug')]
    found = next((path for path in candidates if path.exists()), None)
    if not found:
        raise FileNotFoundError(f"no server to test: run 'cargo build', or set BEACONFIRE_BIN ({candidates})")
    return found.resolve()


class Server:
    """A running server with its data in a temporary directory; it says keep-alive every half second."""

    def __init__(self):
        self._scratch = tempfile.TemporaryDirectory(prefix='beaconfire-python-')
        self._process = None
        self.port = 0
        self.start()

    def start(self):
        """Starts it, on the same port as before if there was one; returns once it listens."""
        scratch = pathlib.Path(self._scratch.name)
        port_file = scratch / 'port'
        port_file.unlink(missing_ok=True)
        # The server reads, and checks, all variables of its prefix; BEACONFIRE_BIN is ours.
        environment = {name: value for name, value in os.environ.items() if not name.startswith('BEACONFIRE_')}
        with open(scratch / 'log', 'ab') as log:
            self._process = subprocess.Popen(
                [binary(), '--data', scratch / 'data', '--port', str(self.port), '--port-file', port_file,
                 '--keep-alive', '500ms'],
                cwd=scratch, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (port_file.exists() and port_file.read_text()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f'the server did not start:\n{self.log()}')
            time.sleep(0.01)
        self.port = int(port_file.read_text())

    def kill(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)
        self._scratch.cleanup()

    def log(self):
        return (pathlib.Path(self._scratch.name) / 'log').read_text()


class Case(unittest.TestCase):
    """Each class has a server, each test a database of its own: `self.root` is a reference to its root."""

    _names = itertools.count()

    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.addClassCleanup(cls.server.stop)

    def setUp(self):
        self.namespace = f'{self._testMethodName}-{next(self._names)}'.replace('_', '-').lower()
        self.root = db.reference('/', self.app())

    def tearDown(self):
        self.assertNotIn('panicked', self.server.log())

    def app(self, **options):
        """One more app of the SDK on this test's database."""
        url = f'http://127.0.0.1:{self.server.port}?ns={self.namespace}'
        name = f'{self.namespace}-{next(self._names)}'
        app = firebase_admin.initialize_app(options={'databaseURL': url, **options}, name=name)
        self.addCleanup(firebase_admin.delete_app, app)
        return app

    def set_rules(self, rules):
        """Uploads rules as the SDK's own integration tests do."""
        client = self.root._client  # pylint: disable=protected-access
        client.request('put', '/.settings/rules.json', json={'rules': rules})

    def listen(self, reference):
        """Starts to listen; gives a function that waits for the next event as `(type, path, data)`."""
        events = queue.Queue()
        registration = reference.listen(lambda event: events.put((event.event_type, event.path, event.data)))
        # It ends with the next bytes that arrive, for which the keep-alives are there.
        self.addCleanup(registration.close)
        return lambda: events.get(timeout=PATIENCE_SECONDS)
