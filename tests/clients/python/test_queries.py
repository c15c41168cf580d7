"""Queries: with the index that they need, and what is said where it is missing."""

import unittest

from firebase_admin import exceptions

from support import Case

DINOSAURS = {
    'bruhathkayosaurus': {'height': 25, 'length': 44, 'ratings': {'pos': 4}},
    'lambeosaurus': {'height': 2.1, 'length': 12.5, 'ratings': {'pos': 8}},
    'linhenykus': {'height': 0.6, 'length': 1},
    'pterodactyl': {'height': 0.6, 'length': 0.8, 'ratings': {'pos': 93}},
    'stegosaurus': {'height': 4, 'length': 9, 'ratings': {'pos': 10}},
    'triceratops': {'height': 3, 'length': 8, 'ratings': {'pos': 22}},
}
SCORES = {'bruhathkayosaurus': 55, 'lambeosaurus': 21, 'linhenykus': 80, 'pterodactyl': 93, 'stegosaurus': 5,
          'triceratops': 22}
RULES = {
    '.read': True,
    '.write': True,
    'dinosaurs': {'.indexOn': ['height', 'ratings/pos']},
    'scores': {'.indexOn': '.value'},
    'rooms': {'$room': {'.indexOn': 'ü x'}},
}


class Queries(Case):

    def setUp(self):
        super().setUp()
        self.root.set({'dinosaurs': DINOSAURS, 'scores': SCORES})
        self.set_rules(RULES)
        self.dinosaurs = self.root.child('dinosaurs')

    def test_order_by_child_has_bounds_and_limits(self):
        by_height = self.dinosaurs.order_by_child
        for query, expected in [
                (by_height('height'),
                 ['linhenykus', 'pterodactyl', 'lambeosaurus', 'triceratops', 'stegosaurus', 'bruhathkayosaurus']),
                (by_height('height').limit_to_first(3), ['linhenykus', 'pterodactyl', 'lambeosaurus']),
                (by_height('height').limit_to_last(2), ['stegosaurus', 'bruhathkayosaurus']),
                (by_height('height').start_at(3), ['triceratops', 'stegosaurus', 'bruhathkayosaurus']),
                (by_height('height').end_at(2.1), ['linhenykus', 'pterodactyl', 'lambeosaurus']),
                (by_height('height').start_at(2).end_at(3.5).limit_to_last(1), ['triceratops']),
                (by_height('height').equal_to(0.6), ['linhenykus', 'pterodactyl']),
                (by_height('height').equal_to(7), []),
                (by_height('ratings/pos').end_at(8), ['linhenykus', 'bruhathkayosaurus', 'lambeosaurus']),
                (by_height('ratings/pos').start_at('a'), []),
        ]:
            with self.subTest(query=query._querystr):  # pylint: disable=protected-access
                result = query.get()
                self.assertEqual(list(result), expected)
                self.assertEqual(result, {name: DINOSAURS[name] for name in expected})

    def test_order_by_value_and_key(self):
        scores = self.root.child('scores')
        self.assertEqual(scores.order_by_value().limit_to_last(2).get(), {'linhenykus': 80, 'pterodactyl': 93})
        self.assertEqual(scores.order_by_value().start_at(21).end_at(22).get(),
                         {'lambeosaurus': 21, 'triceratops': 22})
        self.assertEqual(scores.order_by_key().start_at('p').limit_to_first(1).get(), {'pterodactyl': 93})
        self.assertEqual(list(scores.order_by_key().get()), sorted(SCORES))
        self.assertIsNone(scores.child('none').order_by_key().get())
        self.assertIsNone(scores.child('lambeosaurus').order_by_key().get())

    def test_index_of_a_wildcard_and_of_unicode_names(self):
        room = self.root.child('rooms/größe 1')
        room.set({'a': {'ü x': 'é'}, 'b': {'ü x': 'z'}, 'c': {'ü x': True}})
        self.assertEqual(list(room.order_by_child('ü x').start_at('z').get()), ['b', 'a'])
        self.assertEqual(room.order_by_child('ü x').equal_to('é').get(), {'a': {'ü x': 'é'}})

    def test_missing_index_is_an_invalid_argument_that_says_what_to_add(self):
        for query, name, path in [
                (self.dinosaurs.order_by_child('length'), 'length', '/dinosaurs'),
                (self.dinosaurs.order_by_child('ratings').limit_to_first(1), 'ratings', '/dinosaurs'),
                (self.root.child('scores/x').order_by_value(), '.value', '/scores/x'),
                (self.root.order_by_child('height').equal_to(1), 'height', '/')]:
            with self.assertRaises(exceptions.InvalidArgumentError) as caught:
                query.get()
            text = f'Index not defined, add ".indexOn": "{name}", for path "{path}", to the rules'
            self.assertEqual(str(caught.exception), text)

    def test_index_is_kept_while_data_changes(self):
        self.dinosaurs.update({'linhenykus/height': 100, 'new/height': -1, 'triceratops': None})
        self.assertEqual(list(self.dinosaurs.order_by_child('height').limit_to_first(2).get()), ['new', 'pterodactyl'])
        self.assertEqual(list(self.dinosaurs.order_by_child('height').limit_to_last(1).get()), ['linhenykus'])
        self.server.kill()
        self.server.start()
        self.assertEqual(list(self.dinosaurs.order_by_child('height').limit_to_first(2).get()), ['new', 'pterodactyl'])

    def test_rules_are_read_as_they_were_written(self):
        client = self.root._client  # pylint: disable=protected-access
        self.assertEqual(client.body('get', '/.settings/rules.json', params='format=strict'), {'rules': RULES})
        with self.assertRaises(exceptions.InvalidArgumentError) as caught:
            self.set_rules({'.read': 1})
        self.assertRegex(str(caught.exception), r'^1:\d+: ')


if __name__ == '__main__':
    unittest.main()
