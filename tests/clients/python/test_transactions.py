"""Transactions, which the SDK makes of reads and writes with ETags."""

import threading
import unittest

from firebase_admin import db

from support import Case

THREADS = 8
ROUNDS = 15


class Transactions(Case):

    def test_transaction_sees_what_is_there_and_gives_what_it_wrote(self):
        self.root.set({'n': 1})
        self.assertEqual(self.root.transaction(lambda now: {'n': now['n'] + 1, 'list': ['a']}),
                         {'n': 2, 'list': ['a']})
        self.assertEqual(self.root.child('new').transaction(lambda now: [now is None]), [True])
        self.assertEqual(self.root.get(), {'n': 2, 'list': ['a'], 'new': [True]})

    def test_exception_in_the_function_writes_nothing(self):
        self.root.set(1)

        def fail(_):
            raise ValueError('no')

        with self.assertRaises(ValueError):
            self.root.transaction(fail)
        self.assertEqual(self.root.get(), 1)

    def test_contended_transactions_lose_no_increment(self):
        self.contend('counter', lambda now, _: (now or 0) + 1)
        self.assertEqual(self.root.child('counter').get(), THREADS * ROUNDS)

    def test_contended_transactions_on_a_map_keep_every_entry(self):
        def add(now, name):
            now = now or {'count': 0, 'names': {}}
            return {'count': now['count'] + 1, 'names': {**now['names'], name: True}}

        self.contend('map', add)
        stored = self.root.child('map').get()
        names = {f't{thread}-{n}' for thread in range(THREADS) for n in range(ROUNDS)}
        self.assertEqual((stored['count'], set(stored['names'])), (THREADS * ROUNDS, names))

    def contend(self, path, change):
        """Every thread does its rounds of `change`, all on the same place."""
        failures = []
        start = threading.Barrier(THREADS)

        def work(thread):
            ref = db.reference(path, apps[thread])
            try:
                start.wait()
                for number in range(ROUNDS):
                    self.insist(ref, lambda now: change(now, f't{thread}-{number}'))  # pylint: disable=W0640
            except Exception as error:  # pylint: disable=broad-except
                failures.append(error)

        apps = [self.app() for _ in range(THREADS)]
        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    @staticmethod
    def insist(ref, change):
        """The SDK gives up after 25 rounds lost to others; then it is the caller's to try again."""
        while True:
            try:
                return ref.transaction(change)
            except db.TransactionAbortedError:
                pass


if __name__ == '__main__':
    unittest.main()
