"""`listen()`: the event stream of the SDK."""

import threading
import unittest

from firebase_admin import db

from support import Case


class Listening(Case):

    def test_listener_is_told_what_is_there_and_every_change(self):
        self.root.child('l').set({'a': 1})
        following = self.listen(self.root.child('l'))
        self.assertEqual(following(), ('put', '/', {'a': 1}))
        self.root.child('l/b').set(['x', 'y'])
        self.assertEqual(following(), ('put', '/b', ['x', 'y']))
        self.root.child('l').update({'a': 2, 'b/0': None})
        self.assertEqual(following(), ('patch', '/', {'a': 2, 'b/0': None}))
        self.root.child('l/a').delete()
        self.assertEqual(following(), ('put', '/a', None))
        pushed = self.root.child('l/list').push('p')
        self.assertEqual(following(), ('put', f'/list/{pushed.key}', 'p'))
        self.root.child('other').set(1)
        self.root.child('l').delete()
        self.assertEqual(following(), ('put', '/', None))

    def test_unicode_and_large_events_arrive_whole(self):
        following = self.listen(self.root)
        self.assertEqual(following(), ('put', '/', None))
        text = '日本語 😀 "\n' * 20_000
        self.root.child('ü x/😀').set(text)
        self.assertEqual(following(), ('put', '/ü x/😀', text))

    def test_two_listeners_see_the_same_order(self):
        first, second = self.listen(self.root), self.listen(self.root)
        self.assertEqual((first(), second()), (('put', '/', None),) * 2)

        def write(thread):
            ref = db.reference(f'/k{thread}', apps[thread])
            for number in range(25):
                ref.set(number)

        apps = [self.app() for _ in range(4)]
        threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen = [first() for _ in range(100)]
        self.assertEqual([second() for _ in range(100)], seen)
        for thread in range(4):
            own = [data for _, path, data in seen if path == f'/k{thread}']
            self.assertEqual(own, list(range(25)))

    def test_closed_listener_is_told_nothing_more(self):
        events = []
        registration = self.root.listen(events.append)
        registration.close()
        count = len(events)
        self.root.set(1)
        following = self.listen(self.root)
        self.assertEqual(following(), ('put', '/', 1))
        self.assertEqual(len(events), count)

    def test_listener_comes_back_after_a_crash_of_the_server(self):
        self.root.set({'a': 1})
        following = self.listen(self.root)
        self.assertEqual(following(), ('put', '/', {'a': 1}))
        self.server.kill()
        self.server.start()
        self.root.child('b').set(2)
        # The SDK reconnects three seconds later, and is told everything anew.
        self.assertEqual(following(), ('put', '/', {'a': 1, 'b': 2}))
        self.root.child('c').set(3)
        self.assertEqual(following(), ('put', '/c', 3))


if __name__ == '__main__':
    unittest.main()
