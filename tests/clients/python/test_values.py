"""Reading and writing: get, set, update, push, delete, conditions, and odd data."""

import json
import os
import unittest
from unittest import mock

import firebase_admin
from firebase_admin import db, exceptions

from support import Case


class Values(Case):

    def test_values_of_every_kind_come_back_as_they_were_set(self):
        for value in [
                'text', '', 0, -1, 1.5, 9007199254740993, -9223372036854775808, 1e-7, True, False,
                {'a': {'b': [1, {'c': None, 'd': 'x'}]}}, ['a', 'b'], {'0': 'a', '2': 'c'}]:
            with self.subTest(value=value):
                ref = self.root.child('v')
                ref.set(value)
                expected = json.loads(json.dumps(value).replace('"c": null, ', ''))
                if value == {'0': 'a', '2': 'c'}:
                    expected = ['a', None, 'c']
                self.assertEqual(ref.get(), expected)
        self.root.child('v').delete()
        self.assertIsNone(self.root.get())

    def test_update_writes_deep_paths_at_once(self):
        self.root.set({'a': {'x': 1, 'y': 2}, 'b': 3})
        self.root.update({'a/x': 10, 'b': None, 'c/d/e': 'new'})
        self.assertEqual(self.root.get(), {'a': {'x': 10, 'y': 2}, 'c': {'d': {'e': 'new'}}})

    def test_pushed_children_sort_in_their_order(self):
        refs = [self.root.child('list').push({'n': n}) for n in range(50)]
        empty = self.root.child('list').push()
        stored = self.root.child('list').get()
        self.assertEqual([ref.key for ref in refs] + [empty.key], sorted(stored))
        self.assertEqual([stored[ref.key]['n'] for ref in refs], list(range(50)))
        self.assertEqual(empty.get(), '')

    def test_delete_removes_a_node_and_its_empty_parents(self):
        self.root.set({'a': {'b': {'c': 1}}, 'z': 1})
        self.root.child('a/b/c').delete()
        self.assertEqual(self.root.get(), {'z': 1})
        self.root.child('nothing/there').delete()
        self.assertEqual(self.root.get(shallow=True), {'z': True})

    def test_server_values_are_filled_in(self):
        self.root.set({'at': {'.sv': 'timestamp'}, 'n': 40})
        self.root.update({'n': {'.sv': {'increment': 2}}})
        stored = self.root.get()
        self.assertEqual(stored['n'], 42)
        self.assertGreater(stored['at'], 1_600_000_000_000)

    def test_unicode_and_odd_keys_are_plain_data(self):
        data = {
            'ü x': {'日本語 😀': 'ß\n"\\\t'}, '+&=?%': True, 'a:b;c,d': 1, '~!@^*()': 2, "it's": 3,
            'null': {'true': 'false'}, '__proto__': {'constructor': 1},
        }
        self.root.set(data)
        self.assertEqual(self.root.get(), data)
        self.assertEqual(self.root.child('ü x/日本語 😀').get(), 'ß\n"\\\t')
        self.root.child('ü x').child('日本語 😀').set('neu')
        self.assertEqual(self.root.child('ü x').get(), {'日本語 😀': 'neu'})

    def test_integer_like_keys_are_arrays_where_they_are_dense(self):
        self.root.child('dense').set({'0': 'a', '1': 'b', '3': 'd'})
        self.assertEqual(self.root.child('dense').get(), ['a', 'b', None, 'd'])
        self.root.child('sparse').set({'5': 'a', '10': 'b'})
        self.assertEqual(self.root.child('sparse').get(), {'5': 'a', '10': 'b'})
        self.root.child('not').set({'01': 'a', '-1': 'b', '2x': 'c'})
        self.assertEqual(self.root.child('not').get(), {'01': 'a', '-1': 'b', '2x': 'c'})
        self.assertEqual(self.root.child('dense/3').get(), 'd')

    def test_large_values_come_back_whole(self):
        text = 'é"\\' * 500_000
        self.root.child('text').set(text)
        self.assertEqual(self.root.child('text').get(), text)
        many = {f'k{n:05}': {'n': n, 'text': 'x' * 50} for n in range(20_000)}
        self.root.child('many').set(many)
        self.assertEqual(self.root.child('many').get(), many)
        self.assertEqual(len(self.root.child('many').get(shallow=True)), 20_000)

    def test_bad_data_is_an_invalid_argument(self):
        self.root.set('before')
        for write in [
                lambda: self.root.update({'a': 1, 'a/b': 2}),
                lambda: self.root.set({'a$': 1}),
                lambda: self.root.set({'.sv': 'unknown'}),
                lambda: self.root.child('k' * 769).set(1)]:
            with self.assertRaises(exceptions.InvalidArgumentError):
                write()
        self.assertEqual(self.root.get(), 'before')


class Conditions(Case):

    def test_get_if_changed_answers_once_per_change(self):
        self.root.set({'a': 1})
        value, etag = self.root.get(etag=True)
        self.assertEqual(value, {'a': 1})
        self.assertEqual(self.root.get_if_changed(etag), (False, None, None))
        self.root.child('a').set(2)
        changed, value, fresh = self.root.get_if_changed(etag)
        self.assertEqual((changed, value), (True, {'a': 2}))
        self.assertEqual(self.root.get_if_changed(fresh), (False, None, None))

    def test_set_if_unchanged_gives_the_present_value_when_it_is_refused(self):
        self.root.set(1)
        _, etag = self.root.get(etag=True)
        self.root.set(2)
        done, value, fresh = self.root.set_if_unchanged(etag, 3)
        self.assertEqual((done, value), (False, 2))
        done, value, _ = self.root.set_if_unchanged(fresh, 3)
        self.assertEqual((done, value), (True, 3))
        done, _, _ = self.root.child('new').set_if_unchanged('null_etag', 'x')
        self.assertTrue(done)
        self.assertEqual(self.root.get(), {'new': 'x'})


class Apps(Case):

    def test_emulator_variable_leads_here(self):
        with mock.patch.dict(os.environ, {'FIREBASE_DATABASE_EMULATOR_HOST': f'127.0.0.1:{self.server.port}'}):
            options = {'databaseURL': f'https://{self.namespace}.firebaseio.com'}
            app = firebase_admin.initialize_app(options=options, name=self.namespace)
            self.addCleanup(firebase_admin.delete_app, app)
            db.reference('/from', app).set('outside')
        self.assertEqual(self.root.get(), {'from': 'outside'})

    def test_auth_override_is_taken(self):
        for override in [{'uid': 'u1', 'n': None}, None]:
            ref = db.reference('/o', self.app(databaseAuthVariableOverride=override))
            ref.set(1)
            self.assertEqual(ref.get(), 1)


if __name__ == '__main__':
    unittest.main()
