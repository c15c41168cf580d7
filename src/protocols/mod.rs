//! The wire protocols, one folder each. None knows another, nor storage, rules or auth: they speak to the engine.
